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
  'fetch',
  'prepare',
  'prepareReply',
];
const AT_THREE = ['answer'];
const AT_FIVE = ['validate', 'validateReply', 'waiting'];

const queue = { ...worldNamed('n3-queue'), timeouts: true };

test.each([
  { walks: 2_000, world: worldNamed('n3-four-commands'), kinds: [...AT_THREE, 'crash'] },
  { walks: 2_000, world: worldNamed('n3-early-four'), kinds: [...AT_THREE, 'crash'] },
  { walks: 2_000, world: worldNamed('n3-prompt-four'), kinds: [...AT_THREE, 'crash'] },
  { walks: 1_000, world: worldNamed('n3-wide-four'), kinds: [...AT_THREE, 'crash'] },
  { walks: 1_000, world: queue, kinds: AT_THREE },
  { walks: 1_500, world: worldNamed('n5-two-commands'), kinds: AT_FIVE },
  { walks: 1_500, world: worldNamed('n5-three-commands'), kinds: AT_FIVE },
  { walks: 1_000, world: worldNamed('n5-four-commands'), kinds: [...AT_FIVE, 'crash'] },
  { walks: 1_000, world: worldNamed('n5-wide-four'), kinds: [...AT_FIVE, 'crash'] },
  {
    walks: 1_000,
    world: { ...worldNamed('n3-four-commands'), thrifty: true },
    kinds: [...AT_THREE, 'crash'],
  },
  { walks: 1_000, world: worldNamed('n5-thrifty'), kinds: [...AT_FIVE, 'crash'] },
])('$walks walks through $world.name', ({ walks, world, kinds }) => {
  const result = walk(new Model(world), { walks, seed: 1 });
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
