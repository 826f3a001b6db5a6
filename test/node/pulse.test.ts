/** Standstills of the process. */
import { describe, expect, it } from 'vitest';
import { Pulse, STANDSTILL_MS } from '../../src/node/pulse.ts';

describe('Pulse', () => {
  it('tells nothing as long as ticks come, even if they are late', () => {
    const pulse = new Pulse(1_000);
    expect(pulse.stoodStill(1_000 + STANDSTILL_MS)).toBe(false);
    expect(pulse.beat(1_000 + STANDSTILL_MS)).toBe(false);
    expect(pulse.stoodStill(1_001 + STANDSTILL_MS)).toBe(false);
  });

  it('tells of a standstill before the first tick after it, and until the second', () => {
    const pulse = new Pulse(1_000);
    const nowMs = 1_001 + STANDSTILL_MS;
    expect(pulse.stoodStill(nowMs)).toBe(true);
    expect(pulse.beat(nowMs)).toBe(true);
    expect(pulse.stoodStill(nowMs)).toBe(true);
    expect(pulse.beat(nowMs + 10)).toBe(false);
    expect(pulse.stoodStill(nowMs + 10)).toBe(false);
  });
});
