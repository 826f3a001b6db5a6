/** Deadlines under one timer. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Deadlines, Timed } from '../../src/node/deadlines.ts';

class Named extends Timed {
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

class Due extends Timed {
  readonly dueMs: number;

  constructor(dueMs: number) {
    super();
    this.dueMs = dueMs;
  }
}

function names(things: readonly Named[]): readonly string[] {
  return things.map(({ name }) => name);
}

describe('Deadlines', () => {
  it('gives each thing once, after its deadline and within 10 ms of it', () => {
    const deadlines = new Deadlines<Named>(1_000);
    deadlines.add(new Named('late'), 1_500);
    deadlines.add(new Named('soon'), 1_234);
    expect(names(deadlines.takePassed(1_233))).toEqual([]);
    expect(names(deadlines.takePassed(1_244))).toEqual(['soon']);
    expect(names(deadlines.takePassed(9_999))).toEqual(['late']);
    expect(names(deadlines.takePassed(99_999))).toEqual([]);
  });

  it('takes a deadline that has passed already', () => {
    const deadlines = new Deadlines<Named>(1_000);
    expect(names(deadlines.takePassed(2_000))).toEqual([]);
    deadlines.add(new Named('overdue'), 1_100);
    expect(names(deadlines.takePassed(2_010))).toEqual(['overdue']);
  });

  it('forgets what is removed, and tolerates removing it again', () => {
    const deadlines = new Deadlines<Named>(0);
    const [a, b, c] = [new Named('a'), new Named('b'), new Named('c')];
    deadlines.add(a, 50);
    deadlines.add(b, 50);
    deadlines.add(c, 50);
    deadlines.remove(a);
    deadlines.remove(a);
    deadlines.remove(c);
    expect(names(deadlines.takePassed(100))).toEqual(['b']);
    deadlines.remove(b);
    deadlines.add(b, 200);
    expect(names(deadlines.takePassed(300))).toEqual(['b']);
  });

  it('is never early, never more than 10 ms late, and loses nothing', () => {
    const times = fc.array(fc.nat(500), { maxLength: 30 });
    fc.assert(
      fc.property(times, times, (due, looks) => {
        const deadlines = new Deadlines<Due>(0);
        for (const dueMs of due) deadlines.add(new Due(dueMs), dueMs);
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
