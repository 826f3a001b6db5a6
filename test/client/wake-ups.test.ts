/** When requests are looked at again. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Request } from '../../src/client/request.ts';
import { TICK_MS, WakeUps } from '../../src/client/wake-ups.ts';
import { requestOf } from './request-world.ts';

describe('WakeUps', () => {
  it('gives each request at its time, never too early and at most a tick too late', () => {
    const wakeUps = new WakeUps();
    const request = requestOf();
    wakeUps.set(request, 1003);
    expect(wakeUps.takeDue(1002)).toEqual([]);
    expect(wakeUps.takeDue(1003 + TICK_MS)).toEqual([request]);
    expect(wakeUps.takeDue(1003 + 2 * TICK_MS)).toEqual([]);
    expect(wakeUps.size).toBe(0);
  });

  it('gives what is set for a time that has passed the next time', () => {
    const wakeUps = new WakeUps();
    const request = requestOf();
    wakeUps.takeDue(5000);
    wakeUps.set(request, 1000);
    expect(wakeUps.takeDue(5000 + TICK_MS)).toEqual([request]);
  });

  it('keeps to the last time that was set, whatever is set, removed and taken', () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant('set' as const), index: fc.nat(19), inMs: fc.nat(3000) }),
      fc.record({ type: fc.constant('remove' as const), index: fc.nat(19) }),
      fc.record({ type: fc.constant('pass' as const), ms: fc.nat(2000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const wakeUps = new WakeUps();
        const requests = Array.from({ length: 20 }, () => requestOf());
        const expected = new Map<Request, number>();
        let nowMs = 50_000;
        wakeUps.takeDue(nowMs);
        for (const each of steps) {
          if (each.type === 'pass') {
            nowMs += each.ms;
            for (const request of wakeUps.takeDue(nowMs)) {
              expect(expected.get(request)).toBeLessThanOrEqual(nowMs);
              expected.delete(request);
            }
            for (const atMs of expected.values()) expect(atMs).toBeGreaterThan(nowMs - 2 * TICK_MS);
          } else {
            const request = requests[each.index] as Request;
            if (each.type === 'set') {
              wakeUps.set(request, nowMs + each.inMs);
              expected.set(request, nowMs + each.inMs);
            } else {
              wakeUps.remove(request);
              expected.delete(request);
            }
          }
          expect(wakeUps.size).toBe(expected.size);
          expect(new Set(wakeUps.all())).toEqual(new Set(expected.keys()));
        }
      }),
    );
  });
});
