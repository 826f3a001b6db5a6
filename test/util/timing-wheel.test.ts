/** The times of many things under one timer. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Timed, TimingWheel } from '../../src/util/timing-wheel.ts';

class Named extends Timed {
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

function names(things: readonly Named[]): readonly string[] {
  return things.map(({ name }) => name);
}

describe('a timing wheel', () => {
  it('gives each thing once, at its time and not a moment before', () => {
    const wheel = new TimingWheel<Named>(1_000);
    wheel.set(new Named('late'), 1_500);
    wheel.set(new Named('soon'), 1_234);
    wheel.set(new Named('a little later'), 1_235);
    expect(names(wheel.takeDue(1_233.9))).toEqual([]);
    expect(names(wheel.takeDue(1_234))).toEqual(['soon']);
    expect(names(wheel.takeDue(1_235))).toEqual(['a little later']);
    expect(names(wheel.takeDue(9_999))).toEqual(['late']);
    expect(names(wheel.takeDue(99_999))).toEqual([]);
  });

  it('gives what is set for a time that has passed the next time', () => {
    const wheel = new TimingWheel<Named>(1_000);
    expect(names(wheel.takeDue(2_000))).toEqual([]);
    wheel.set(new Named('overdue'), 1_100);
    wheel.set(new Named('now'), 2_000);
    expect(names(wheel.takeDue(2_000))).toEqual(['overdue', 'now']);
  });

  it('gives what was due long ago in the order of its times', () => {
    const wheel = new TimingWheel<Named>(0);
    for (const dueMs of [500, 20, 90_000, 300]) wheel.set(new Named(`${dueMs}`), dueMs);
    expect(names(wheel.takeDue(1_000_000))).toEqual(['20', '300', '500', '90000']);
  });

  it('keeps to the last time that was set, whatever is set, removed and taken', () => {
    const step = fc.oneof(
      fc.record({
        type: fc.constant('set' as const),
        index: fc.nat(19),
        inMs: fc.integer({ min: -50, max: 3000 }),
      }),
      fc.record({ type: fc.constant('remove' as const), index: fc.nat(19) }),
      fc.record({ type: fc.constant('pass' as const), ms: fc.nat(2000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        let nowMs = 50_000;
        const wheel = new TimingWheel<Named>(nowMs);
        const things = Array.from({ length: 20 }, (_, index) => new Named(`${index}`));
        const expected = new Map<Named, number>();
        for (const each of steps) {
          if (each.type === 'pass') {
            nowMs += each.ms;
            const due = [...expected].filter(([, atMs]) => atMs <= nowMs).map(([thing]) => thing);
            const taken = wheel.takeDue(nowMs);
            expect(taken).toHaveLength(due.length);
            expect(new Set(taken)).toEqual(new Set(due));
            for (const thing of due) expected.delete(thing);
          } else {
            const thing = things[each.index] as Named;
            if (each.type === 'set') {
              wheel.set(thing, nowMs + each.inMs);
              expected.set(thing, nowMs + each.inMs);
            } else {
              wheel.remove(thing);
              expected.delete(thing);
            }
          }
          expect(wheel.size).toBe(expected.size);
          expect(things.filter((thing) => wheel.has(thing))).toEqual(
            things.filter((thing) => expected.has(thing)),
          );
          expect(wheel.all()).toHaveLength(expected.size);
          expect(new Set(wheel.all())).toEqual(new Set(expected.keys()));
        }
      }),
    );
  });
});
