/** The ordered set of slots against a plain sorted array. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SlotList } from '../../src/epaxos/slot-list.ts';

test('an empty list', () => {
  const list = new SlotList();
  expect([list.last, list.highestUpTo(10), list.has(1)]).toEqual([0, 0, false]);
});

test('in whatever order slots come, also twice, it is the sorted set of them', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 })), (slots) => {
      const list = new SlotList();
      for (const slot of slots) list.add(slot);
      const sorted = [...new Set(slots)].sort((a, b) => a - b);
      expect(list.slots).toEqual(sorted);
      expect(list.last).toBe(sorted.at(-1) ?? 0);
      for (let bound = 0; bound <= 42; bound += 1) {
        expect(list.highestUpTo(bound)).toBe(sorted.filter((slot) => slot <= bound).at(-1) ?? 0);
        if (bound > 0) expect(list.has(bound)).toBe(sorted.includes(bound));
      }
    }),
  );
});

test('dropping the lower end leaves the rest', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 })), fc.nat({ max: 42 }), (slots, bound) => {
      const list = new SlotList();
      for (const slot of slots) list.add(slot);
      list.dropUpTo(bound);
      const left = [...new Set(slots)].filter((slot) => slot > bound).sort((a, b) => a - b);
      expect(list.slots).toEqual(left);
      expect(list.highestUpTo(bound)).toBe(0);
    }),
  );
});
