/**
 * Ways to break the protocol, each of which the checker must notice. They wrap methods of replicas at run time; the
 * core knows nothing of them.
 */

import { startAccept } from '../../src/epaxos/agreement/accept.ts';
import { commitValue } from '../../src/epaxos/agreement/commit.ts';
import type { PreAcceptRound } from '../../src/epaxos/agreement/rounds.ts';
import {
  type Attributes,
  EVERYTHING,
  emptyRecord,
  type InstanceId,
  type InstanceRecord,
  instanceKey,
  type Message,
  type PrepareReply,
  type Replica,
  type ReplicaId,
  Status,
  type StoredState,
} from '../../src/epaxos/index.ts';
import { equalDeps, noDeps } from '../../src/epaxos/model/deps.ts';
import type { Mutation } from './model.ts';

/** Changes what a replica does with a message: `step` is what it did before. */
function onStep(
  change: (replica: Replica, from: ReplicaId, message: Message, step: (message: Message) => void) => void,
): (replica: Replica) => void {
  return (replica) => {
    const step = replica.step.bind(replica);
    replica.step = (from, message) => change(replica, from, message, (changed) => step(from, changed));
  };
}

/** Changes what a restarted replica finds, or makes of it. */
function onRestore(
  change: (replica: Replica, stored: StoredState, restore: (stored: StoredState) => void) => void,
): (replica: Replica) => void {
  return (replica) => {
    const restore = replica.restore.bind(replica);
    replica.restore = (stored) => change(replica, stored, restore);
  };
}

/** Changes each record before it is taken over. */
function onUpdate(
  change: (record: InstanceRecord, previous: InstanceRecord) => InstanceRecord,
): (replica: Replica) => void {
  return ({ state }) => {
    const update = state.update.bind(state);
    state.update = (record, options) => update(change(record, state.space.get(record.id)), options);
  };
}

/** Has some records written without a sync that the core wants synced. */
function withoutSync(
  isUnsynced: (replica: Replica, record: InstanceRecord) => boolean,
): (replica: Replica) => void {
  return (replica) => {
    const { state } = replica;
    const update = state.update.bind(state);
    state.update = (record, { sync }) => update(record, { sync: sync && !isUnsynced(replica, record) });
  };
}

/** The replies to the PreAccept that such a record commits, if both followers were asked to answer at once. */
function promptReplies({ state }: Replica, record: InstanceRecord): PreAcceptRound['replies'] | null {
  const round = state.roundOf(record.id);
  const isPrompt = round?.type === 'preAccept' && round.promptUntil !== null;
  return isPrompt && record.status === Status.committed ? round.replies : null;
}

function onPrepareReply(
  change: (replica: Replica, from: ReplicaId, reply: PrepareReply) => PrepareReply,
): (replica: Replica) => void {
  return onStep((replica, from, message, step) => {
    step(message.type === 'prepareReply' ? change(replica, from, message) : message);
  });
}

/** R3.6 and section 1: a promise also raises the ballot of what was accepted before. */
export const oneBallot: Mutation = {
  name: 'one ballot for promise and vote',
  patch: onUpdate((record) =>
    record.status === Status.accepted ? { ...record, acceptedBallot: record.ballot } : record,
  ),
};

/** R3.3: a fast quorum whose replies equal each other, but not the proposal, commits. */
export const fastOnEqualReplies: Mutation = {
  name: 'fast path with replies that differ from the proposal',
  patch: onStep(({ state }, _from, message, step) => {
    step(message);
    if (message.type !== 'preAcceptReply') return;
    const round = state.roundOf(message.id);
    if (round?.type !== 'preAccept') return;
    const agreeing = [...round.replies.values()].filter(({ deps }) =>
      equalDeps(deps, message.attributes.deps),
    );
    if (agreeing.length + 1 < state.quorums.fast) return;
    const { id, command } = round;
    commitValue(state, { id, command, attributes: message.attributes, path: 'fast', sync: true });
  }),
};

/** R7.12: a replica drops answers by its own clock. */
export const dropsAnswersByClock: Mutation = {
  name: "answers dropped by the replica's own clock",
  hasOwnClock: true,
};

/** R6.3: after a restart a coordinator has lost what it proposed. */
export const forgetOwn: Mutation = {
  name: "a restart forgets the coordinator's own instances",
  restored: (records, id) =>
    records.filter((record) => record.id.replica !== id || record.status >= Status.committed),
};

/** R6.4: after a restart a coordinator uses again what it had reserved. */
export const forgetReservation: Mutation = {
  name: 'a restart forgets what was reserved',
  patch: onRestore((_replica, stored, restore) => restore({ ...stored, reserved: 0 })),
};

/** R6.4: after a restart nothing this replica contributes to comes after what it may have forgotten. */
export const noReservationFloor: Mutation = {
  name: 'no floor under what was reserved',
  patch: onRestore((replica, stored, restore) => {
    restore(stored);
    replica.state.index.floor = replica.state.index.floor.map(() => 0);
  }),
};

/** R6.1: messages leave while their record is still being written, and a crash loses it. */
export const replyBeforeDurable: Mutation = {
  name: 'replies leave before the record is durable',
  isSyncLate: true,
};

/** R4.5: only the designated follower's reply is looked at, which is equal; the other one has said something else. */
export const unsyncedAlthoughDifferent: Mutation = {
  name: 'a commit without a sync although the replies differ',
  patch: withoutSync((replica, record) => {
    const replies = promptReplies(replica, record);
    const reply = record.follower === null ? undefined : replies?.get(record.follower);
    return replies?.size === 2 && reply !== undefined && isInitial(record, reply);
  }),
};

/** R4.5: the designated follower's reply is equal, and the other one has not answered. */
export const unsyncedAlthoughMissing: Mutation = {
  name: 'a commit without a sync although the other follower has not answered',
  patch: withoutSync((replica, record) => {
    const replies = promptReplies(replica, record);
    return replies?.size === 1 && [...replies.values()].every((reply) => isInitial(record, reply));
  }),
};

/** R5.4: a coordinator that has nothing counts as one that has not committed, though it may have forgotten (R4.5). */
export const forgottenIsUncommitted: Mutation = {
  name: 'recovery takes a coordinator that has forgotten for one that has not committed',
  patch: onPrepareReply(({ state }, from, reply) => {
    const { id } = reply.record;
    const round = state.roundOf(id);
    if (round?.type !== 'prepare' || round.ballot !== reply.ballot) return reply;
    const own = from === id.replica ? reply.record : round.replies.get(id.replica);
    if (own?.status !== Status.none) return reply;
    const hidden = (record: InstanceRecord) =>
      record.status === Status.preAccepted ? { ...emptyRecord(id), ballot: record.ballot } : record;
    for (const [replica, record] of round.replies) round.replies.set(replica, hidden(record));
    return { ...reply, record: hidden(reply.record) };
  }),
};

function isInitial({ initial }: InstanceRecord, reply: Attributes): boolean {
  return initial !== null && reply.seq === initial.seq && equalDeps(reply.deps, initial.deps);
}

/** A reply that comes twice counts twice. */
export const countTwice: Mutation = {
  name: 'a duplicate reply counts twice',
  patch: onStep(({ state }, from, message, step) => {
    if (message.type === 'preAcceptReply') {
      const round = state.roundOf(message.id);
      if (round?.type === 'preAccept' && round.replies.has(from))
        round.replies.set(-from, message.attributes);
    }
    step(message);
  }),
};

/** R5.3: of several accepted values not the one with the highest ballot is taken, but the first. */
export const anyAccepted: Mutation = {
  name: 'recovery takes any accepted value',
  patch: onPrepareReply((_replica, _from, reply) => ({
    ...reply,
    record: { ...reply.record, acceptedBallot: 0 },
  })),
};

/** R5.6: what may have been committed is accepted without asking for contradictions. */
export const noValidate: Mutation = {
  name: 'no Validate',
  patch: onStep(({ state }, _from, message, step) => {
    step(message);
    for (const id of instancesOf(message)) {
      const round = state.roundOf(id);
      if (round?.type !== 'validate') continue;
      const { ballot, command, initial } = round;
      startAccept(state, { id, ballot, command, attributes: initial });
    }
  }),
};

/** R3.5: a reply that comes after the slow path was chosen still commits fast. */
export const fastAfterSlow: Mutation = {
  name: 'fast after slow',
  patch: onStep(({ state }, from, message, step) => {
    if (message.type === 'preAcceptReply') {
      const { id, attributes } = message;
      const { command, follower } = state.space.get(id);
      const round = state.roundOf(id);
      if (round?.type === 'accept' && round.ballot === 0 && follower === from) {
        commitValue(state, { id, command, attributes, path: 'fast', sync: true });
        return;
      }
    }
    step(message);
  }),
};

/** R5.4: the coordinator's pre-accept is accepted again although no other member of the quorum has it. */
export const coordinatorAlone: Mutation = {
  name: "recovery accepts the coordinator's record alone",
  patch: onPrepareReply(({ state }, from, reply) => {
    const { id } = reply.record;
    const round = state.roundOf(id);
    const own = round?.type === 'prepare' ? round.replies.get(state.id) : undefined;
    if (round?.type !== 'prepare' || own === undefined || round.ballot !== reply.ballot) return reply;
    const isOpen = (record: InstanceRecord) => record.status === Status.preAccepted;
    const isNothing = (record: InstanceRecord) => record.status === Status.none;
    if (id.replica === from && isOpen(reply.record) && isNothing(own)) {
      round.replies.set(state.id, { ...reply.record, ballot: own.ballot });
    } else if (id.replica === state.id && isOpen(own) && isNothing(reply.record)) {
      return { ...reply, record: { ...own, ballot: reply.record.ballot } };
    }
    return reply;
  }),
};

/** R2.4: a command does not count any more once the no-op was accepted in its place. */
export const dropAfterNoOp: Mutation = {
  name: 'a command is dropped when its no-op is accepted',
  patch: ({ state }) => {
    const update = state.update.bind(state);
    state.update = (record, options) => {
      update(record, options);
      if (record.status === Status.accepted && record.noOp && record.command !== null) {
        state.index.forget(record.id);
      }
    };
  },
};

/** R2.8: a command that touches keys does not name what touches everything. */
export const wideNotNamed: Mutation = {
  name: 'contributions to commands on keys leave out what touches everything',
  patch: ({ state: { index } }) => {
    const contribution = index.contribution.bind(index);
    index.contribution = (command) => {
      const { wideCommands } = index;
      index.wideCommands = 0;
      const attributes = contribution(command);
      index.wideCommands = wideCommands;
      return attributes;
    };
  },
};

/** R2.8: a command that touches everything names only its like. */
export const keysNotNamed: Mutation = {
  name: 'contributions to commands on everything leave out those on keys',
  patch: ({ state: { index } }) => {
    const contribution = index.contribution.bind(index);
    index.contribution = (command) => {
      const attributes = contribution(command);
      const access = command.operations[0]?.accesses[0];
      if (access?.key !== EVERYTHING) return attributes;
      return {
        ...attributes,
        deps: [...(index.wide()?.lastInterfering(access) ?? noDeps(attributes.deps.length))],
      };
    };
  },
};

/** R7.10: a command that touches everything looks no further than the first write of some key. */
export const stopsAtKey: Mutation = {
  name: 'the walk of a command on everything stops at a write of a key',
  patch: ({ state: { index } }) => {
    index.everything.isWrittenBy = (replica, slot) =>
      index.touches.get(instanceKey({ replica, slot }))?.writes.includes(true) === true;
  },
};

function instancesOf(message: Message): InstanceId[] {
  if (message.type === 'prepareReply') return [message.record.id];
  return 'id' in message ? [message.id] : [];
}
