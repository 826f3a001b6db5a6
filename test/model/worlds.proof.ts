/** Small worlds, searched to the end with the core as it is: those that take long. explore.test.ts has the quick ones. */
import { expect, test } from 'vitest';
import { Explorer } from './explore.ts';
import { Model, type World } from './model.ts';
import { worldNamed } from './worlds.ts';

const worlds: Record<string, World> = {
  'n3-one-command': worldNamed('n3-one-command'),
  'n3-early by the ring': { ...worldNamed('n3-early'), followers: 'ring', timeouts: false },
  'n3-prompt without reservation': withoutReservation(worldNamed('n3-prompt')),
  'n3-queue without recovery': {
    ...worldNamed('n3-queue'),
    timeouts: true,
    followers: 'any',
    recoveries: { total: 0, perInstance: 0 },
  },
};

test.each(Object.entries(worlds))('every reachable state of %s is as it should be', (_, world) => {
  const { violation, trace, isComplete, states } = new Explorer(new Model(world)).run();
  expect({ violation, trace, isComplete }).toEqual({ violation: null, trace: [], isComplete: true });
  expect(states).toBeGreaterThan(1_000);
});

function withoutReservation({ reservedSlots: _, ...world }: World): World {
  return world;
}
