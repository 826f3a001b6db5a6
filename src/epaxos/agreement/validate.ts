/**
 * N ≥ 5: may the initial attributes of an instance have been committed on the fast path, and may they be
 * still? (R5.6, R5.7; EPaxos*, OPODIS 2025.) The members of the recovery's quorum name every instance that
 * contradicts them; what they name decides, at once or when those instances are settled.
 */

import type { Command } from '../model/command.ts';
import { includesInstance } from '../model/deps.ts';
import { isCommitted } from '../model/instance-space.ts';
import {
  type Contradiction,
  MAX_LISTED,
  type Validate,
  type ValidateReply,
  type Waiting,
} from '../model/messages.ts';
import {
  type Attributes,
  type Ballot,
  type InstanceId,
  instanceKey,
  instanceOfKey,
  type ReplicaId,
} from '../model/types.ts';
import { noteAbandoned, onRefused } from '../progress/stalls.ts';
import { startAccept } from './accept.ts';
import { commitOf } from './commit.ts';
import { noOp } from './decide-recovery.ts';
import type { ValidateRound } from './rounds.ts';
import type { ReplicaState } from './state.ts';

/** Asks all of Q, this replica first. */
export function startValidate(
  state: ReplicaState,
  doubt: {
    readonly id: InstanceId;
    readonly ballot: Ballot;
    readonly command: Command;
    readonly initial: Attributes;
    readonly matching: number;
    readonly quorum: ReadonlySet<ReplicaId>;
  },
): void {
  const { id, ballot, command, initial, matching, quorum } = doubt;
  const round: ValidateRound = {
    type: 'validate',
    id,
    ballot,
    command,
    initial,
    quorum,
    matching,
    answered: new Set(),
    contradictions: new Map(),
    more: false,
    isWaiting: false,
    startedAt: state.now,
    retryAt: state.now + state.timing.retryTicks,
    retryTicks: state.timing.retryTicks,
  };
  state.beginRound(round);
  for (const peer of state.peers) if (quorum.has(peer.id)) sendValidate(state, round, peer.id);
  count(state, round, state.id, validateHere(state, round));
}

export function sendValidate(state: ReplicaState, round: ValidateRound, to: ReplicaId): void {
  const { id, ballot, command, initial } = round;
  state.send(to, { type: 'validate', id, ballot, command, attributes: initial });
}

/** The member's side of R5.6. */
export function onValidate(state: ReplicaState, from: ReplicaId, message: Validate): void {
  const { id, ballot, command, attributes } = message;
  const record = state.space.get(id);
  if (isCommitted(record)) {
    state.send(from, commitOf(record));
    return;
  }
  if (record.ballot < ballot) return; // it never promised this ballot: not a member of Q
  const answer =
    record.ballot === ballot ? validateHere(state, { id, command, initial: attributes }) : NOTHING;
  state.send(from, { type: 'validateReply', id, ballot, promised: record.ballot, ...answer });
}

export function onValidateReply(state: ReplicaState, from: ReplicaId, message: ValidateReply): void {
  const round = state.rounds.get(instanceKey(message.id));
  if (round?.type !== 'validate' || round.ballot !== message.ballot) return;
  if (message.promised > round.ballot) onRefused(state, message);
  else if (round.quorum.has(from) && !round.isWaiting) count(state, round, from, message);
}

/**
 * R5.7: somebody waits, perhaps with so many matching replies that what contradicts its instance cannot have been
 * committed. Of two that wait for each other the other one may be such: it is told so again, for it may not have waited yet
 * when it was told first.
 */
export function onWaiting(state: ReplicaState, from: ReplicaId, { id, matching }: Waiting): void {
  for (const round of [...state.waitingRecoveries.values()]) {
    if (!round.contradictions.has(instanceKey(id))) continue;
    if (isWellFounded(state, matching)) giveUp(state, round);
    else if (isWellFounded(state, round.matching) && from !== state.id) state.send(from, waitingOf(round));
  }
}

/** R5.7: to be called after instances have been committed. */
export function advanceWaiting(state: ReplicaState): void {
  for (const round of [...state.waitingRecoveries.values()]) judgeWaiting(state, round);
}

export function broadcastWaiting(state: ReplicaState, round: ValidateRound): void {
  state.broadcast(waitingOf(round));
}

function waitingOf({ id, matching }: ValidateRound): Waiting {
  return { type: 'waiting', id, matching };
}

/** R5.7: so many of Q hold the initial attributes that nothing which contradicts them was committed on the fast path. */
function isWellFounded({ quorums }: ReplicaState, matching: number): boolean {
  return matching > quorums.majority - quorums.fastFaults;
}

/** What a member answers (R5.6). */
type Answer = Pick<ValidateReply, 'contradictions' | 'more'>;

const NOTHING: Answer = { contradictions: [], more: false };

/** Stores the initial attributes, so that this replica counts the command from now on, and looks for contradictions. */
function validateHere(
  state: ReplicaState,
  doubt: { readonly id: InstanceId; readonly command: Command; readonly initial: Attributes },
): Answer {
  const { id, command, initial } = doubt;
  const record = state.space.get(id);
  if (record.initial === null) {
    state.learnInitial(id, { command, attributes: initial });
  }
  const contradictions = state.index.interferingOutside(initial.deps, command).flatMap((other) => {
    if (instanceKey(other) === instanceKey(id)) return [];
    const known = state.space.get(other);
    const { noOp: isNoOp, attributes, initial: proposed } = known;
    const committed = isCommitted(known);
    if (committed && isNoOp) return [];
    // An uncommitted instance whose proposal is not known here has not been told to this replica by its
    // coordinator or a Validate: it has nothing to say about an order with it.
    const deps = committed ? attributes?.deps : proposed?.deps;
    return deps === undefined || includesInstance(deps, id) ? [] : [{ id: other, committed }];
  });
  const perRow = Math.floor(MAX_LISTED / state.quorums.replicas);
  return shorten(contradictions, Math.min(state.limits.contradictionsPerRow, perRow));
}

/**
 * R5.10: what a wide command interferes with has no bound. One that is committed decides by itself. Of the others each row keeps
 * some, for it matters whose they are.
 */
function shorten(contradictions: readonly Contradiction[], perRow: number): Answer {
  const committed = contradictions.find((each) => each.committed);
  if (committed !== undefined) return { contradictions: [committed], more: contradictions.length > 1 };
  const counts = new Map<ReplicaId, number>();
  const named = contradictions.filter(({ id: { replica } }) => {
    const count = (counts.get(replica) ?? 0) + 1;
    counts.set(replica, count);
    return count <= perRow;
  });
  return { contradictions: named, more: named.length < contradictions.length };
}

function count(
  state: ReplicaState,
  round: ValidateRound,
  from: ReplicaId,
  { contradictions, more }: Answer,
): void {
  round.answered.add(from);
  round.more ||= more;
  for (const { id, committed } of contradictions) {
    const key = instanceKey(id);
    round.contradictions.set(key, committed || (round.contradictions.get(key) ?? false));
  }
  if (round.answered.size === round.quorum.size) judge(state, round);
}

/** All of Q have answered (R5.6). */
function judge(state: ReplicaState, round: ValidateRound): void {
  const { contradictions, quorum, matching } = round;
  if (contradictions.size === 0) {
    confirm(state, round);
    return;
  }
  const isRefuted = [...contradictions.values()].some((committed) => committed);
  const isOutside = [...contradictions.keys()].some((key) => !quorum.has(instanceOfKey(key).replica));
  if (isRefuted || (matching === quorum.size - state.quorums.fastFaults && isOutside)) {
    giveUp(state, round);
    return;
  }
  wait(state, round);
}

/** Other recoveries may wait here as well: between these and this one the same counts as between replicas (R5.7). */
function wait(state: ReplicaState, round: ValidateRound): void {
  const isOutdone = [...state.waitingRecoveries.values()].some(
    ({ id, matching }) => isWellFounded(state, matching) && round.contradictions.has(instanceKey(id)),
  );
  if (isOutdone) {
    giveUp(state, round);
    return;
  }
  state.letWait(round);
  broadcastWaiting(state, round);
  onWaiting(state, state.id, waitingOf(round));
  judgeWaiting(state, round);
}

/** R5.7: have the contradicting instances been settled, and how? */
function judgeWaiting(state: ReplicaState, round: ValidateRound): void {
  const ids = [...round.contradictions.keys()].map(instanceOfKey);
  if (ids.some((id) => state.space.isPruned(id))) {
    // Executed here and forgotten since; whether it contradicts is not known here any more. Q is asked anew:
    // who still knows it says so, and who has forgotten it has put a floor under its contributions (R2.7).
    beginAnew(state, round);
    return;
  }
  const others = ids.map((id) => state.space.get(id));
  const settled = others.filter(isCommitted);
  const refutes = settled.some(
    ({ noOp: isNoOp, attributes }) =>
      !isNoOp && attributes !== null && !includesInstance(attributes.deps, round.id),
  );
  if (refutes) giveUp(state, round);
  else if (settled.length < others.length) return;
  else if (round.more) beginAnew(state, round);
  else confirm(state, round);
}

function beginAnew(state: ReplicaState, { id }: ValidateRound): void {
  state.endRound(id);
  noteAbandoned(state, id);
}

function confirm(state: ReplicaState, round: ValidateRound): void {
  const { id, ballot, command, initial } = round;
  startAccept(state, { id, ballot, command, attributes: initial });
}

function giveUp(state: ReplicaState, round: ValidateRound): void {
  startAccept(state, { id: round.id, ballot: round.ballot, ...noOp(state.quorums.replicas) });
}
