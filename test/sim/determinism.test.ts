/** A seed is a world: the same one every time, and another one for another seed. */
import { expect, test } from 'vitest';
import { drawOptions } from './options.ts';
import { simulate } from './world.ts';

test.each([3, 5, 7])(
  'the same seed gives the same trace, with and without printing it (N = %i)',
  (replicas) => {
    const lines: string[] = [];
    for (const seed of [11, 12, 13]) {
      const first = simulate(drawOptions(seed, replicas));
      const second = simulate(drawOptions(seed, replicas), { printer: (line) => lines.push(line) });
      expect(second).toEqual(first);
    }
    expect(lines.length).toBeGreaterThan(1000);
  },
);

test('different seeds give different traces', () => {
  const hashes = Array.from({ length: 12 }, (_, index) => simulate(drawOptions(100 + index, 3)).hash);
  expect(new Set(hashes).size).toBe(hashes.length);
});
