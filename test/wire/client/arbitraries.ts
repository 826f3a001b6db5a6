/** Generators of well-formed protocol messages, of every type, for clusters of 3 and 5 replicas. */

import fc from 'fast-check';
import type { Attributes, InstanceId, Message, MessageType } from '../../../src/epaxos/index.ts';
import { Command, type InstanceRecord, Status } from '../../../src/epaxos/index.ts';
import { advanceOperation } from '../../../src/wire/index.ts';
import {
  deleteOperation,
  getOperation,
  multiGetOperation,
  putOperation,
} from '../../support/kv-operations.ts';

const MAX_SLOT = 2 ** 50 - 1;

const seq = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.maxSafeNat());
const slot = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: MAX_SLOT }));

const request = fc.record({
  client: fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => Buffer.from(bytes).toString('latin1')),
  sequence: fc.oneof(fc.constant(1), fc.constant(Number.MAX_SAFE_INTEGER)),
  generation: fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER),
});
const key = fc.uint8Array({ minLength: 1, maxLength: 8 });

const operation = fc.oneof(
  fc
    .record({ request, key, value: fc.uint8Array({ maxLength: 8 }), returnPrevious: fc.boolean() })
    .map(putOperation),
  fc.record({ request, key }).map(getOperation),
  fc.record({ request, key, returnPrevious: fc.boolean() }).map(deleteOperation),
  fc.record({ request, keys: fc.array(key, { minLength: 1, maxLength: 4 }) }).map(multiGetOperation),
  fc.constantFrom(1, 200, Number.MAX_SAFE_INTEGER).map(advanceOperation),
);
export const command: fc.Arbitrary<Command> = fc
  .array(operation, { minLength: 1, maxLength: 3 })
  .map((operations) => new Command(operations));

function ballot(replicas: number): fc.Arbitrary<number> {
  return fc.oneof(fc.constant(0), recoveryBallot(replicas));
}

function recoveryBallot(replicas: number): fc.Arbitrary<number> {
  return fc.oneof(
    fc.integer({ min: replicas + 1, max: 1000 }),
    fc.integer({ min: replicas + 1, max: Number.MAX_SAFE_INTEGER }),
  );
}

function instance(replicas: number): fc.Arbitrary<InstanceId> {
  return fc.record({ replica: fc.integer({ min: 1, max: replicas }), slot });
}

function vector(replicas: number): fc.Arbitrary<number[]> {
  return fc.array(fc.oneof(fc.constant(0), slot), { minLength: replicas, maxLength: replicas });
}

/** An instance with attributes that name only earlier slots of its own row. */
function proposal(replicas: number): fc.Arbitrary<{ id: InstanceId; attributes: Attributes }> {
  return fc.record({ id: instance(replicas), seq, deps: vector(replicas) }).map(({ id, seq, deps }) => ({
    id,
    attributes: {
      seq,
      deps: deps.map((dep, index) => (index === id.replica - 1 ? Math.min(dep, id.slot - 1) : dep)),
    },
  }));
}

function record(replicas: number): fc.Arbitrary<InstanceRecord> {
  const ballots = fc.tuple(ballot(replicas), ballot(replicas));
  const common = {
    ballots: ballots.map(([one, other]) => ({
      ballot: Math.max(one, other),
      acceptedBallot: Math.min(one, other),
    })),
    follower: fc.option(fc.integer({ min: 1, max: replicas })),
  };
  const unknown = fc
    .record({ ...common, id: instance(replicas), command: fc.option(command) })
    .map(({ ballots, ...fields }) => ({
      ...fields,
      ...ballots,
      status: Status.none,
      noOp: false,
      attributes: null,
      initial: null,
    }));
  const known = fc
    .record({
      ...common,
      proposal: proposal(replicas),
      status: fc.constantFrom(Status.preAccepted, Status.accepted, Status.committed),
      command: fc.option(command),
      hasInitial: fc.boolean(),
    })
    .map(({ proposal, hasInitial, ballots, ...fields }) => ({
      ...fields,
      ...ballots,
      ...proposal,
      noOp: fields.command === null,
      initial: hasInitial ? proposal.attributes : null,
    }));
  return fc.oneof(unknown, known);
}

/** By type, every message that a replica of a cluster of N can send. */
export function messagesOf(replicas: number): { readonly [Type in MessageType]: fc.Arbitrary<Message> } {
  const id = instance(replicas);
  const promised = ballot(replicas);
  const value = fc.record({
    proposal: proposal(replicas),
    command: fc.option(command),
    ballot: ballot(replicas),
  });
  const initial = fc.record({ proposal: proposal(replicas), command, ballot: recoveryBallot(replicas) });
  return {
    preAccept: fc.tuple(initial, fc.boolean()).map(([{ proposal, command }, prompt]) => ({
      type: 'preAccept',
      ...proposal,
      command,
      follower: replicas === 3 ? (proposal.id.replica % 3) + 1 : null,
      prompt: replicas === 3 && prompt,
    })),
    preAcceptReply: proposal(replicas).map((fields) => ({ type: 'preAcceptReply', ...fields })),
    accept: fc.tuple(value, fc.boolean()).map(([{ proposal, command, ballot }, sent]) => ({
      type: 'accept',
      ...proposal,
      command: sent ? 'sent' : command,
      ballot,
    })),
    acceptReply: fc
      .record({ id, ballot: promised, promised })
      .map((fields) => ({ type: 'acceptReply', ...fields })),
    commit: fc.tuple(value, fc.boolean()).map(([{ proposal, command }, sent]) => ({
      type: 'commit',
      ...proposal,
      command: sent ? 'sent' : command,
    })),
    prepare: fc
      .record({ id, ballot: recoveryBallot(replicas) })
      .map((fields) => ({ type: 'prepare', ...fields })),
    prepareReply: fc
      .record({ ballot: recoveryBallot(replicas), record: record(replicas) })
      .map((fields) => ({ type: 'prepareReply', ...fields })),
    validate: initial.map(({ proposal, command, ballot }) => ({
      type: 'validate',
      ...proposal,
      command,
      ballot,
    })),
    validateReply: fc
      .record({
        id,
        ballot: recoveryBallot(replicas),
        promised,
        contradictions: fc.array(fc.record({ id, committed: fc.boolean() }), { maxLength: 3 }),
        more: fc.boolean(),
      })
      .map((fields) => ({ type: 'validateReply', ...fields })),
    waiting: fc
      .record({ id, matching: fc.integer({ min: 0, max: replicas }) })
      .map((fields) => ({ type: 'waiting', ...fields })),
    fetch: fc
      .array(
        fc.record({ id, to: slot }).map(({ id: { replica, slot: from }, to }) => ({
          replica,
          from: Math.min(from, to),
          to: Math.max(from, to),
        })),
        { maxLength: 3 },
      )
      .map((ranges) => ({ type: 'fetch', ranges })),
    watermarks: fc
      .record({
        committed: vector(replicas),
        executed: vector(replicas),
        highest: vector(replicas),
        pruned: vector(replicas),
      })
      .map((fields) => ({ type: 'watermarks', ...fields })),
    readRequest: fc
      .record({ sequence: fc.nat(), keys: fc.array(binaryString, { minLength: 1, maxLength: 4 }) })
      .map((fields) => ({ type: 'readRequest', ...fields })),
    readReply: fc
      .record({ sequence: fc.nat(), deps: fc.array(vector(replicas), { maxLength: 4 }) })
      .map((fields) => ({ type: 'readReply', ...fields })),
  };
}

const binaryString = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1'));

/** One message of every type. */
export function sampleOfEach(replicas: number, seed: number): Message[] {
  return Object.values(messagesOf(replicas)).flatMap((arbitrary) =>
    fc.sample(arbitrary, { numRuns: 1, seed }),
  );
}
