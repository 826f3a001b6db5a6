/**
 * The second round trip: Accept, at any ballot, by the initial coordinator on the slow path (R3.4) or by
 * a recovery (section 5). One value a ballot; a majority that took it has chosen it.
 */

import type { Command } from '../model/command.ts';
import { isCommitted } from '../model/instance-space.ts';
import type { Accept, AcceptReply } from '../model/messages.ts';
import {
  type Attributes,
  type Ballot,
  type InstanceId,
  instanceKey,
  type ReplicaId,
  Status,
} from '../model/types.ts';
import { onPromised, onRefused } from '../progress/stalls.ts';
import { commitOf, commitValue } from './commit.ts';
import type { AcceptRound } from './rounds.ts';
import type { ReplicaState } from './state.ts';
import { firstAsked, widenAt } from './thrifty.ts';

/**
 * Accepts the value here and asks others to: all, or on the slow path as many as R3.8 says. The caller holds the promise
 * for `ballot`.
 */
export function startAccept(
  state: ReplicaState,
  value: {
    readonly id: InstanceId;
    readonly ballot: Ballot;
    /** Null for the no-op. */
    readonly command: Command | null;
    readonly attributes: Attributes;
    /** The slow path: who has answered the PreAccept, and who was sent it. Absent in a recovery. */
    readonly preAccept?: {
      readonly replied: ReadonlyMap<ReplicaId, unknown>;
      readonly told: Iterable<ReplicaId>;
    };
  },
): void {
  const { id, ballot, command, attributes, preAccept } = value;
  state.accept(id, ballot, { command, attributes });
  const asked =
    preAccept === undefined
      ? state.peers
      : firstAsked(state, { replies: state.quorums.majority - 1, preferred: preAccept.replied });
  const round: AcceptRound = {
    type: 'accept',
    id,
    ballot,
    command,
    attributes,
    // R6.1: our own vote is synced before any Accept leaves, and no reply comes before one has left.
    accepted: new Set([state.id]),
    told: new Set(preAccept?.told),
    knowing: new Set(preAccept?.replied.keys()),
    askedAt: new Map(),
    widenAt: widenAt(state, asked),
    startedAt: state.now,
    retryAt: state.now + state.timing.retryTicks,
    retryTicks: state.timing.retryTicks,
  };
  state.beginRound(round);
  for (const peer of asked) sendAccept(state, round, peer.id);
}

export function sendAccept(state: ReplicaState, round: AcceptRound, to: ReplicaId): void {
  const { id, ballot, command, attributes, askedAt, told, knowing } = round;
  if (!askedAt.has(to)) askedAt.set(to, state.now);
  if (ballot === 0) told.add(to);
  state.send(to, { type: 'accept', id, ballot, command: knowing.has(to) ? 'sent' : command, attributes });
}

/** R3.6: taken if the ballot is at least the promised one and the instance is not committed. */
export function onAccept(state: ReplicaState, from: ReplicaId, message: Accept): void {
  const { id, ballot } = message;
  const record = state.space.get(id);
  if (isCommitted(record)) {
    state.send(from, commitOf(record));
    return;
  }
  const isRepeated = record.status === Status.accepted && record.acceptedBallot === ballot;
  if (ballot >= record.ballot && !isRepeated) {
    const command = message.command === 'sent' ? record.command : message.command;
    if (message.command === 'sent' && command === null) return; // whoever says so is mistaken (R6.1)
    const isPromised = ballot > record.ballot;
    const hadRound = state.roundOf(id) !== undefined;
    if (isPromised) state.endRound(id);
    state.accept(id, ballot, { command, attributes: message.attributes });
    if (isPromised) onPromised(state, id, { hadRound });
  }
  state.send(from, { type: 'acceptReply', id, ballot, promised: Math.max(ballot, record.ballot) });
}

/** A majority that accepted, this replica included, commits (R3.4). */
export function onAcceptReply(state: ReplicaState, from: ReplicaId, message: AcceptReply): void {
  const round = state.rounds.get(instanceKey(message.id));
  if (round?.type !== 'accept' || round.ballot !== message.ballot) return;
  if (message.promised > round.ballot) {
    onRefused(state, message);
    return;
  }
  round.accepted.add(from);
  if (round.accepted.size < state.quorums.majority) return;
  const { id, command, attributes, told } = round;
  const path = round.ballot === 0 ? 'slow' : 'recovery';
  commitValue(state, { id, command, attributes, path, sync: false }, told);
}
