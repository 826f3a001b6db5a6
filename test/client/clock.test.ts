/** The client's clock, over machines that sleep and wall clocks that are set. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Clock } from '../../src/client/clock.ts';

let monotonicMs: number;
let wallMs: number;
let clock: Clock;
beforeEach(() => {
  monotonicMs = 5_000;
  wallMs = 1_000_000;
  clock = new Clock(
    () => monotonicMs,
    () => wallMs,
  );
});

/** How much of the clock's time passes as so much does on the machine's two. */
function passed(onMonotonicMs: number, onWallMs: number): number {
  const beforeMs = clock.nowMs();
  monotonicMs += onMonotonicMs;
  wallMs += onWallMs;
  return clock.nowMs() - beforeMs;
}

describe("the client's clock", () => {
  it('goes as the monotonic one does, also where the wall clock is corrected', () => {
    expect(passed(100, 100)).toBe(100);
    expect(passed(100, 350)).toBe(100);
    expect(passed(100, 0)).toBe(100);
  });

  it('counts what the machine slept', () => {
    expect(passed(10, 300_000)).toBe(300_000);
    expect(passed(10, 10)).toBe(10); // once
    expect(passed(0, 60_000)).toBe(60_000);
  });

  it('never goes back', () => {
    expect(passed(20, -3_600_000)).toBe(20);
    expect(passed(20, 20)).toBe(20);
  });
});
