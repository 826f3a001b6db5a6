/** Random walks through worlds that are too large to search. */
import { expect, test } from 'vitest';
import { Model } from './model.ts';
import { walk } from './walk.ts';
import { worldNamed } from './worlds.ts';

const ALWAYS = [
  'propose',
  'expire',
  'recover',
  'preAccept',
  'preAcceptReply',
  'accept',
  'acceptReply',
  'commit',
  'prepare',
  'prepareReply',
];
const AT_FIVE = ['validate', 'validateReply', 'waiting'];

test.each([
  ['n3-four-commands', 2_000, ['crash']],
  ['n3-queue', 1_000, []],
  ['n5-two-commands', 1_500, AT_FIVE],
  ['n5-three-commands', 1_500, AT_FIVE],
  ['n5-four-commands', 1_000, [...AT_FIVE, 'crash']],
])('%s: %i walks', (name, walks, kinds) => {
  const result = walk(new Model(worldNamed(name)), { walks, seed: 1 });
  expect({ violation: result.violation, trace: result.trace }).toEqual({ violation: null, trace: [] });
  expect(result.walks).toBe(walks);
  expect(result.committed).toBeGreaterThan(walks / 2);
  expect([...result.kinds.keys()].sort()).toEqual([...ALWAYS, ...kinds].sort());
});

test('one seed, one walk', () => {
  const model = new Model(worldNamed('n3-four-commands'));
  expect(walk(model, { walks: 20, seed: 7 })).toEqual(walk(model, { walks: 20, seed: 7 }));
  expect(walk(model, { walks: 20, seed: 7 }).steps).not.toBe(walk(model, { walks: 20, seed: 8 }).steps);
});
