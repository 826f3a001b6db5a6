/** The waiting forest against parents followed one by one. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WaitingForest } from '../../../src/epaxos/execution/execution-forest.ts';
import { Prng } from '../../../src/util/prng.ts';
import { countReads } from '../../support/count-reads.ts';

/** Parents in a Map; the root is found by walking. */
class PlainForest {
  readonly parents = new Map<number, number>();

  root(key: number): number {
    let at = key;
    for (let up = this.parents.get(at); up !== undefined; up = this.parents.get(at)) at = up;
    return at;
  }
}

describe('the waiting forest', () => {
  test('has the roots that walking finds, after any links and cuts', () => {
    const operation = fc.record({ link: fc.boolean(), one: fc.nat(), other: fc.nat() });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 14 }),
        fc.array(operation, { maxLength: 60 }),
        (size, operations) => {
          const keys = Array.from({ length: size }, (_, index) => index + 1);
          const forest = new WaitingForest();
          const plain = new PlainForest();
          for (const { link, one, other } of operations) {
            const child = plain.root((one % size) + 1);
            const node = (other % size) + 1;
            if (link && plain.root(node) !== child) {
              forest.link(child, node);
              plain.parents.set(child, node);
            } else if (!link && plain.parents.has(node)) {
              forest.cut(node);
              plain.parents.delete(node);
            }
            expect(keys.map((key) => forest.root(key))).toEqual(keys.map((key) => plain.root(key)));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('loses a tree’s top part without harm to what hung below', () => {
    const forest = new WaitingForest();
    for (let key = 2; key <= 100; key += 1) forest.link(key, key - 1);
    for (let key = 1; key < 100; key += 1) {
      expect(forest.root(100)).toBe(key);
      forest.cut(key + 1);
      forest.delete(key);
    }
    expect(forest.root(100)).toBe(100);
    expect(forest.nodes.size).toBe(1);
  });

  test('only a root can be linked, only something linked can be cut', () => {
    const forest = new WaitingForest();
    forest.link(2, 1);
    expect(() => forest.link(2, 3)).toThrow('only the root');
    expect(() => forest.cut(1)).toThrow('only what waits');
  });

  test('visits few nodes although the root goes away between any two questions', () => {
    const size = 1 << 14;
    const forest = new WaitingForest();
    const prng = new Prng(7);
    for (let key = 2; key <= size; key += 1) forest.link(key, key - 1);
    const reads = countReads(forest.nodes);
    for (let key = 1; key < size - 10; key += 1) {
      expect(forest.root(prng.integer(size - 10, size))).toBe(key);
      forest.cut(key + 1);
      forest.delete(key);
    }
    expect(reads()).toBeLessThan(20 * size * Math.log2(size));
  });
});
