/** Deadlines under one timer. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Deadlines } from '../../src/server/deadlines.ts';

describe('Deadlines', () => {
  it('gives each thing once, after its deadline and within 10 ms of it', () => {
    const deadlines = new Deadlines<string>(1_000);
    deadlines.add('late', 1_500);
    deadlines.add('soon', 1_234);
    expect(deadlines.takePassed(1_233)).toEqual([]);
    expect(deadlines.takePassed(1_244)).toEqual(['soon']);
    expect(deadlines.takePassed(9_999)).toEqual(['late']);
    expect(deadlines.takePassed(99_999)).toEqual([]);
  });

  it('takes a deadline that has passed already', () => {
    const deadlines = new Deadlines<string>(1_000);
    expect(deadlines.takePassed(2_000)).toEqual([]);
    deadlines.add('overdue', 1_100);
    expect(deadlines.takePassed(2_010)).toEqual(['overdue']);
  });

  it('forgets what is removed, and tolerates removing it again', () => {
    const deadlines = new Deadlines<string>(0);
    deadlines.add('a', 50);
    deadlines.add('b', 50);
    deadlines.remove('a');
    deadlines.remove('a');
    expect(deadlines.takePassed(100)).toEqual(['b']);
    deadlines.remove('b');
  });

  it('is never early, never more than 10 ms late, and loses nothing', () => {
    const times = fc.array(fc.nat(500), { maxLength: 30 });
    fc.assert(
      fc.property(times, times, (due, looks) => {
        const deadlines = new Deadlines<{ readonly dueMs: number }>(0);
        for (const dueMs of due) deadlines.add({ dueMs }, dueMs);
        let seen = 0;
        let before = 0;
        for (const nowMs of [...looks.sort((left, right) => left - right), 511]) {
          for (const { dueMs } of deadlines.takePassed(nowMs)) {
            seen += 1;
            expect(dueMs).toBeLessThanOrEqual(nowMs);
            expect(dueMs).toBeGreaterThan(before - 10);
          }
          before = nowMs;
        }
        expect(seen).toBe(due.length);
      }),
    );
  });
});
