/** A checker that cannot fail proves nothing: each way to break the protocol is noticed, and by the right property. */
import { describe, expect, test } from 'vitest';
import { Explorer } from './explore.ts';
import { Model, type Mutation, type World } from './model.ts';
import {
  anyAccepted,
  coordinatorAlone,
  countTwice,
  dropAfterNoOp,
  dropsAnswersByClock,
  fastAfterSlow,
  fastOnEqualReplies,
  forgetOwn,
  forgetReservation,
  forgottenIsUncommitted,
  keysNotNamed,
  noReservationFloor,
  noValidate,
  oneBallot,
  replyBeforeDurable,
  stopsAtKey,
  unsyncedAlthoughDifferent,
  unsyncedAlthoughMissing,
  wideNotNamed,
} from './mutations.ts';
import type { Property } from './violation.ts';
import { walk } from './walk.ts';
import { worldNamed } from './worlds.ts';

interface Case {
  readonly mutation: Mutation;
  readonly world: World;
  /** What may be seen to break; the first that a search or a walk comes upon. */
  readonly properties: readonly Property[];
}

const twoBallots: World = { ...worldNamed('n3-two-coordinators'), recoveries: { total: 6, perInstance: 3 } };
const n5: World = { ...worldNamed('n5-two-commands'), recoveries: { total: 4, perInstance: 2 } };
const restart: World = {
  ...worldNamed('n3-one-coordinator-two-slots'),
  recoveries: { total: 0, perInstance: 0 },
  crashes: 1,
};

const { reservedSlots: _, ...unreserved } = worldNamed('n3-prompt-restart');

const bySearch: readonly Case[] = [
  { mutation: forgetOwn, world: restart, properties: ['agreement'] },
  { mutation: replyBeforeDurable, world: restart, properties: ['agreement'] },
  { mutation: countTwice, world: worldNamed('n5-one-command'), properties: ['agreement'] },
  { mutation: fastAfterSlow, world: worldNamed('n3-one-command'), properties: ['fastAfterSlow'] },
  { mutation: coordinatorAlone, world: worldNamed('n3-two-coordinators'), properties: ['visibility'] },
  { mutation: unsyncedAlthoughMissing, world: worldNamed('n3-prompt'), properties: ['agreement'] },
  { mutation: forgottenIsUncommitted, world: worldNamed('n3-prompt'), properties: ['agreement'] },
  { mutation: wideNotNamed, world: worldNamed('n3-wide-without-recovery'), properties: ['visibility'] },
  { mutation: keysNotNamed, world: worldNamed('n3-wide-without-recovery'), properties: ['visibility'] },
  { mutation: dropsAnswersByClock, world: worldNamed('n3-generation'), properties: ['effects'] },
];

interface WalkCase extends Case {
  /** The seed to begin with: that of the walk that noticed it when all were tried from 1, to save time. */
  readonly first: number;
}

const byWalks: readonly WalkCase[] = [
  { mutation: oneBallot, first: 3402, world: twoBallots, properties: ['agreement'] },
  { mutation: anyAccepted, first: 3402, world: twoBallots, properties: ['agreement'] },
  {
    mutation: forgetReservation,
    first: 1,
    world: worldNamed('n3-early-four'),
    properties: ['visibility'],
  },
  { mutation: noReservationFloor, first: 1, world: worldNamed('n3-early-four'), properties: ['visibility'] },
  {
    mutation: unsyncedAlthoughDifferent,
    first: 39990,
    world: unreserved,
    properties: ['agreement'],
  },
  { mutation: fastOnEqualReplies, first: 1639, world: n5, properties: ['agreement'] },
  { mutation: noValidate, first: 64, world: n5, properties: ['visibility'] },
  { mutation: stopsAtKey, first: 131, world: worldNamed('n3-wide-row'), properties: ['executionOrder'] },
  {
    mutation: dropAfterNoOp,
    first: 480,
    world: { ...worldNamed('n3-one-coordinator-two-slots'), recoveries: { total: 4, perInstance: 2 } },
    // The core itself may be the first to miss what was dropped.
    properties: ['visibility', 'executionOrder', 'assertion'],
  },
];

describe('the search notices', () => {
  test.each(bySearch.map((each) => [each.mutation.name, each] as const))(
    '%s',
    (_name, { mutation, world, properties }) => {
      const { violation, trace } = new Explorer(new Model(world, mutation)).run();
      expect(properties).toContain(violation?.property);
      expect(trace.length).toBeGreaterThan(2);
    },
  );
});

describe('walks notice', () => {
  test.each(byWalks.map((each) => [each.mutation.name, each] as const))(
    '%s',
    (_name, { mutation, world, properties, first }) => {
      const { violation, trace } = walk(new Model(world, mutation), { walks: 100_000, seed: first });
      expect(properties).toContain(violation?.property);
      expect(trace.length).toBeGreaterThan(2);
    },
  );
});
