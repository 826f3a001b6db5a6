/** Random walks through worlds that are too large to search. */
import { expect, test } from 'vitest';
import { Model } from './model.ts';
import { walk } from './walk.ts';
import { worldNamed } from './worlds.ts';

test.each([
  ['n3-four-commands', 3_000],
  ['n3-queue', 2_000],
  ['n5-two-commands', 2_000],
  ['n5-three-commands', 2_000],
  ['n5-four-commands', 1_500],
])('%s: %i walks', (name, walks) => {
  const result = walk(new Model(worldNamed(name)), { walks, seed: 1 });
  expect({ violation: result.violation, trace: result.trace }).toEqual({ violation: null, trace: [] });
  expect(result.walks).toBe(walks);
  expect(result.committed).toBeGreaterThan(walks / 2);
});

test('one seed, one walk', () => {
  const model = new Model(worldNamed('n3-four-commands'));
  expect(walk(model, { walks: 20, seed: 7 })).toEqual(walk(model, { walks: 20, seed: 7 }));
  expect(walk(model, { walks: 20, seed: 7 }).steps).not.toBe(walk(model, { walks: 20, seed: 8 }).steps);
});
