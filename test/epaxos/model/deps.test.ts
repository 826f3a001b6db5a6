/** Dependency vectors form a lattice under merging (R2.2, R2.6). */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  equalDeps,
  includesInstance,
  mergeAttributes,
  mergeDeps,
  noDeps,
  noOpAttributes,
} from '../../../src/epaxos/model/deps.ts';

const vector = fc.array(fc.nat({ max: 6 }), { minLength: 5, maxLength: 5 });
const attributes = fc.record({ seq: fc.nat({ max: 9 }), deps: vector });
/** Every instance that a test vector can name. */
const everyInstance = [1, 2, 3, 4, 5].flatMap((replica) =>
  [1, 2, 3, 4, 5, 6, 7].map((slot) => ({ replica, slot })),
);

test('merging is associative, commutative, idempotent; the empty vector changes nothing', () => {
  fc.assert(
    fc.property(vector, vector, vector, (a, b, c) => {
      expect(mergeDeps(a, mergeDeps(b, c))).toEqual(mergeDeps(mergeDeps(a, b), c));
      expect(mergeDeps(a, b)).toEqual(mergeDeps(b, a));
      expect(mergeDeps(a, a)).toEqual(a);
      expect(mergeDeps(a, noDeps(5))).toEqual(a);
    }),
  );
});

test('R2.2: a vector is a set closed downwards, and merging is union', () => {
  fc.assert(
    fc.property(vector, vector, (a, b) => {
      const merged = mergeDeps(a, b);
      for (const id of everyInstance) {
        expect(includesInstance(a, id)).toBe(id.slot <= (a[id.replica - 1] ?? 0));
        expect(includesInstance(merged, id)).toBe(includesInstance(a, id) || includesInstance(b, id));
      }
    }),
  );
});

test('equality: the same instances are in both', () => {
  fc.assert(
    fc.property(vector, vector, (a, b) => {
      const same = everyInstance.every((id) => includesInstance(a, id) === includesInstance(b, id));
      expect(equalDeps(a, b)).toBe(same);
      expect(equalDeps(a, [...a])).toBe(true);
    }),
  );
  expect(equalDeps([1, 2, 3], [1, 2])).toBe(false);
});

test('merging changes neither of its arguments', () => {
  const one = Object.freeze([3, 0, 1]);
  const other = Object.freeze([0, 2, 2]);
  expect(mergeDeps(one, other)).toEqual([3, 2, 2]);
  expect(one).toEqual([3, 0, 1]);
});

test('R2.6: attributes merge to the elementwise maximum of deps and the maximum of seq', () => {
  expect(mergeAttributes({ seq: 4, deps: [1, 0, 3] }, { seq: 2, deps: [0, 5, 3] })).toEqual({
    seq: 4,
    deps: [1, 5, 3],
  });
  fc.assert(
    fc.property(attributes, attributes, (a, b) => {
      const merged = mergeAttributes(a, b);
      expect(merged).toEqual({ seq: Math.max(a.seq, b.seq), deps: mergeDeps(a.deps, b.deps) });
    }),
  );
});

test('a no-op depends on nothing and is before everything', () => {
  expect(noOpAttributes(3)).toEqual({ seq: 0, deps: [0, 0, 0] });
  expect(everyInstance.some((id) => includesInstance(noOpAttributes(5).deps, id))).toBe(false);
});
