/**
 * Recovery: finishing an instance whose coordinator does not (protocol.md section 5). The conversation:
 * Prepare to all, then either Accept, or, at N ≥ 5 where a fast commit cannot be excluded, Validate first.
 */

import { nextBallot } from '../model/ballot.ts';
import { isCommitted } from '../model/instance-space.ts';
import type { Prepare, PrepareReply } from '../model/messages.ts';
import { type Ballot, type InstanceId, instanceKey, type ReplicaId, Status } from '../model/types.ts';
import { onPromised, onRefused, refusedBallot } from '../progress/stalls.ts';
import { startAccept } from './accept.ts';
import { commitOf, commitValue } from './commit.ts';
import { currentValue, type Decision, decideRecovery, noOp, type Value } from './decide-recovery.ts';
import type { PrepareRound } from './rounds.ts';
import type { ReplicaState } from './state.ts';
import { startValidate } from './validate.ts';

/**
 * R5.1: begins to recover an instance at a new ballot of this replica, also one it has never seen.
 * No effect if the instance is committed here.
 */
export function startRecovery(state: ReplicaState, id: InstanceId): void {
  const record = state.space.get(id);
  if (isCommitted(record)) return;
  const seen = Math.max(record.ballot, refusedBallot(state, id));
  const ballot = nextBallot(seen, state.id, state.quorums.replicas);
  state.promise(id, ballot);
  const round: PrepareRound = {
    type: 'prepare',
    id,
    ballot,
    // Synced before any Prepare leaves, hence before any reply is counted beside it (R6.1).
    replies: new Map([[state.id, state.space.get(id)]]),
    startedAt: state.now,
    retryAt: state.now + state.timing.retryTicks,
    retryTicks: state.timing.retryTicks,
  };
  state.beginRound(round);
  for (const peer of state.peers) sendPrepare(state, round, peer.id);
  state.outbox.events.push({ type: 'recoveryStarted', id, ballot });
}

export function sendPrepare(
  state: ReplicaState,
  round: { readonly id: InstanceId; readonly ballot: Ballot },
  to: ReplicaId,
): void {
  state.send(to, { type: 'prepare', id: round.id, ballot: round.ballot });
}

/** Promises the ballot if it is the highest yet, and tells everything known, or the promise that forbids it. */
export function onPrepare(state: ReplicaState, from: ReplicaId, message: Prepare): void {
  const { id, ballot } = message;
  const record = state.space.get(id);
  if (isCommitted(record)) {
    state.send(from, commitOf(record));
    return;
  }
  if (ballot > record.ballot) {
    const hadRound = state.roundOf(id) !== undefined;
    state.promise(id, ballot);
    onPromised(state, id, { hadRound });
  }
  state.send(from, { type: 'prepareReply', ballot, record: state.space.get(id) });
}

export function onPrepareReply(state: ReplicaState, from: ReplicaId, message: PrepareReply): void {
  const { ballot, record } = message;
  const { id } = record;
  const round = state.rounds.get(instanceKey(id));
  if (round === undefined || round.type === 'preAccept' || round.ballot !== ballot) return;
  if (record.status >= Status.committed) {
    commitValue(state, { id, ...currentValue(record), path: 'recovery', sync: false });
  } else if (record.ballot > ballot) {
    onRefused(state, { id, promised: record.ballot });
  } else if (round.type === 'prepare') {
    round.replies.set(from, record);
    if (round.replies.size === state.quorums.majority) {
      follow(state, round, decideRecovery(state.quorums, id, round.replies));
    }
  } else if (round.type === 'validate' && !round.quorum.has(from)) {
    onLateReply(state, { id, ballot, from, record });
  }
}

function follow(state: ReplicaState, round: PrepareRound, decision: Decision): void {
  const { id, ballot } = round;
  switch (decision.type) {
    case 'commit':
      commitValue(state, { id, ...decision.value, path: 'recovery', sync: false });
      return;
    case 'accept':
      acceptValue(state, round, decision.value);
      return;
    case 'validate':
      startValidate(state, { id, ballot, quorum: new Set(round.replies.keys()), ...decision });
  }
}

/** R5.7: a promise from outside Q may settle what Q alone could not. */
function onLateReply(
  state: ReplicaState,
  late: {
    readonly id: InstanceId;
    readonly ballot: Ballot;
    readonly from: ReplicaId;
    readonly record: PrepareReply['record'];
  },
): void {
  if (late.record.status === Status.accepted) acceptValue(state, late, currentValue(late.record));
  else if (late.from === late.id.replica) acceptValue(state, late, noOp(state.quorums.replicas));
}

function acceptValue(
  state: ReplicaState,
  round: { readonly id: InstanceId; readonly ballot: Ballot },
  value: Value,
): void {
  startAccept(state, { id: round.id, ballot: round.ballot, ...value });
}
