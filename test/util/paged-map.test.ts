/** A map by ascending numbers, against a Map. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PagedMap } from '../../src/util/paged-map.ts';

test('does what a Map does, whatever is added and removed', () => {
  const number = fc.oneof(fc.nat(600), fc.nat(3), fc.maxSafeNat());
  const step = fc.record({ kind: fc.constantFrom('set', 'delete', 'get'), number });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const paged = new PagedMap<{ readonly step: number }>();
      const map = new Map<number, { readonly step: number }>();
      for (const [index, { kind, number }] of steps.entries()) {
        if (kind === 'set') {
          const value = { step: index };
          paged.set(number, value);
          map.set(number, value);
        } else if (kind === 'delete') {
          paged.delete(number);
          map.delete(number);
        }
        expect(paged.get(number)).toBe(map.get(number));
        expect(paged.has(number)).toBe(map.has(number));
        expect(paged.size).toBe(map.size);
      }
      expect(new Set(paged.values())).toEqual(new Set(map.values()));
      paged.clear();
      expect([paged.size, [...paged.values()]]).toEqual([0, []]);
    }),
  );
});

test('gives numbers that were added in order back in order, across pages', () => {
  const paged = new PagedMap<{ readonly number: number }>();
  for (let number = 1; number <= 1_000; number += 1) paged.set(number, { number });
  for (let number = 1; number <= 1_000; number += 3) paged.delete(number);
  const left = [...paged.values()].map((value) => value.number);
  expect(left).toEqual([...left].sort((one, other) => one - other));
  expect(left).toHaveLength(666);
});
