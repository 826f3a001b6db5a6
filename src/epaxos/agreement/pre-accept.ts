/**
 * The first round trip: PreAccept, at ballot 0, by the initial coordinator alone (protocol.md sections 3
 * and 4). For N = 3 the designated follower's reply decides; for N ≥ 5 a fast quorum must have nothing to add.
 */
import { assert } from '../../util/assert.ts';
import type { Command } from '../model/command.ts';
import { equalDeps, mergeAttributes, mergeDeps } from '../model/deps.ts';
import { isCommitted, isTouched } from '../model/instance-space.ts';
import type { PreAccept, PreAcceptReply } from '../model/messages.ts';
import {
  type Attributes,
  type InstanceId,
  instanceKey,
  instanceOfKey,
  type ReplicaId,
  Status,
} from '../model/types.ts';
import { isCountedOn, isNearer, isOnTrial, nearestOf, noteReply, patienceWith } from '../progress/peers.ts';
import { startAccept } from './accept.ts';
import { commitOf, commitValue } from './commit.ts';
import type { PreAcceptRound } from './rounds.ts';
import type { ReplicaState } from './state.ts';
import { firstAsked, widenAt } from './thrifty.ts';

/** A follower whose replies usually come so much later is not worth waiting for in order to save a sync (R4.5). */
const LATE_TICKS = 0.2;

/** How much of that average one proposal is: a single late reply among many in time is no reason to stop asking. */
const LATE_SHARE = 1 / 16;

/** R3.1, R3.8, R4.1: proposes a command in the next slot of the own row. */
export function propose(state: ReplicaState, command: Command): InstanceId {
  const id = nextInstance(state);
  const initial = initialAttributes(state, command);
  const follower = state.quorums.replicas === 3 ? chooseFollower(state) : null;
  // N = 3: the nearest one, which is the follower.
  const asked = firstAsked(state, { replies: state.quorums.fast - 1 });
  // R6.4: what a crash takes of a reserved slot is not missed, so that its record need not be on disk before the commit.
  const isReserved = id.slot <= state.reserved;
  const isPrompt = follower !== null && asksBoth(state, follower);
  state.preAccept(id, { command, attributes: initial, initial, follower }, { sync: !isReserved });
  const round: PreAcceptRound = {
    type: 'preAccept',
    id,
    command,
    initial,
    follower,
    replies: new Map(),
    askedAt: new Map(),
    widenAt: widenAt(state, asked),
    startedAt: state.now,
    slowAt: null,
    promptUntil: isPrompt ? state.now + state.timing.promptTicks : null,
    repliedAt: null,
    retryAt: state.now + state.timing.retryTicks,
    retryTicks: state.timing.retryTicks,
  };
  state.beginRound(round);
  const to = asked.map((peer) => peer.id);
  sendPreAccept(state, round, { to, early: isReserved });
  state.outbox.events.push({ type: 'proposed', id, operations: command.operations.length });
  return id;
}

/**
 * N ≥ 5: the deps name everything executed here as well. A follower names whatever it has forgotten (R2.7); that is
 * executed here, and was told to be, so it is nearly always named already, and the follower's deps stay equal.
 */
function initialAttributes(state: ReplicaState, command: Command): Attributes {
  const own = state.index.contribution(command);
  return state.quorums.replicas === 3 ? own : { ...own, deps: mergeDeps(own.deps, state.space.executed()) };
}

/** R4.5: little else goes on here, the follower is near, and neither of the two is known to be slower than the other. */
function asksBoth(state: ReplicaState, follower: ReplicaId): boolean {
  const { peers, rounds, limits, thrifty, now, promptFrom } = state;
  if (thrifty || rounds.size >= limits.promptInstances || now < promptFrom) return false;
  const designated = state.peer(follower);
  // Over long distances a sync does not matter.
  if (designated.replyTicks >= 1) return false;
  return peers.every((peer) => isCountedOn(state, peer) && !isNearer(designated, peer));
}

/** @param options.early whether it may leave while the own record is being written */
export function sendPreAccept(
  state: ReplicaState,
  round: PreAcceptRound,
  options: { readonly to: readonly ReplicaId[]; readonly early: boolean },
): void {
  const { id, command, initial, follower, askedAt } = round;
  const prompt = round.promptUntil !== null;
  // One object for all, so that it is encoded once.
  const usual = { type: 'preAccept', id, command, attributes: initial, follower, prompt } as const;
  for (const peer of options.to) {
    if (!askedAt.has(peer)) askedAt.set(peer, state.now);
    // R3.12: whether it replies is to be seen, also where its reply is not needed (R4.2).
    const message = isOnTrial(state, state.peer(peer)) ? { ...usual, prompt: follower !== null } : usual;
    if (options.early) state.sendEarly(peer, message);
    else state.send(peer, message);
  }
}

/** R3.2, R4.2: the follower's side. */
export function onPreAccept(state: ReplicaState, from: ReplicaId, message: PreAccept): void {
  const { id, command, attributes: initial, follower, prompt } = message;
  const record = state.space.get(id);
  if (isCommitted(record)) {
    state.send(from, commitOf(record));
    return;
  }
  if (record.ballot !== 0 || record.status === Status.accepted) return;
  if (record.status === Status.preAccepted && record.attributes !== null) {
    state.sendSynced(from, { type: 'preAcceptReply', id, attributes: record.attributes });
    return;
  }
  const attributes = mergeContribution(initial, { id, contribution: state.index.contribution(command) });
  state.preAccept(id, { command, attributes, initial, follower }, { sync: false });
  if (follower === null || follower === state.id || prompt) {
    state.sendSynced(from, { type: 'preAcceptReply', id, attributes });
  } else {
    state.unanswered.add(instanceKey(id));
  }
}

/**
 * R4.2: the reply of the follower that is not designated is needed only if the other one fails. So it leaves with the
 * next tick, and nearly always the instance is committed by then, and nobody asks.
 */
export function answerPreAccepts(state: ReplicaState): void {
  for (const key of state.unanswered) {
    const { id, status, ballot, attributes } = state.space.get(instanceOfKey(key));
    if (status !== Status.preAccepted || ballot !== 0 || attributes === null) continue;
    state.sendSynced(id.replica, { type: 'preAcceptReply', id, attributes });
  }
  state.unanswered.clear();
}

/** The coordinator's side: R3.3 for N ≥ 5, R4.3 for N = 3. */
export function onPreAcceptReply(state: ReplicaState, from: ReplicaId, message: PreAcceptReply): void {
  const round = state.rounds.get(instanceKey(message.id));
  if (round?.type !== 'preAccept') return; // R3.5: gone slow, promised to a recovery, or committed
  round.replies.set(from, message.attributes);
  round.repliedAt ??= state.now;
  const askedAt = round.askedAt.get(from) ?? round.startedAt;
  noteReply(state, state.peer(from), state.now - askedAt);
  if (round.replies.size + 1 >= state.quorums.majority) round.slowAt ??= slowAt(state, round, askedAt);
  advancePreAccept(state, round);
}

/** Takes the fast path if it is open, and the slow path if it is the only one left (R3.4, R4.4). */
export function advancePreAccept(state: ReplicaState, round: PreAcceptRound): void {
  const { id, command, initial } = round;
  const chosen = fastValue(state, round);
  if (chosen !== null) {
    if (awaitsOther(state, round, chosen)) return;
    noteLateness(state, round);
    // R6.2: on disk before anybody can see it; or at both others, where recovery finds it (R4.5).
    const sync = !isHeldByOthers(round);
    commitValue(state, { id, command, attributes: chosen, path: 'fast', sync }, round.askedAt);
  } else if (round.slowAt !== null && isFastPathLost(state, round, round.slowAt)) {
    startAccept(state, {
      id,
      ballot: 0,
      command,
      attributes: [...round.replies.values()].reduce(mergeAttributes, initial),
      preAccept: { replied: round.replies, told: round.askedAt.keys() },
    });
  }
}

/** What the fast path would commit now; null if it must not yet. */
function fastValue(state: ReplicaState, round: PreAcceptRound): Attributes | null {
  if (round.follower !== null) return round.replies.get(round.follower) ?? null;
  return countEqual(round) + 1 >= state.quorums.fast ? round.initial : null;
}

/** R4.5: the other follower's reply would save the sync of the commit, and is about to come. */
function awaitsOther(state: ReplicaState, round: PreAcceptRound, chosen: Attributes): boolean {
  const { promptUntil, replies, initial } = round;
  if (promptUntil === null || state.now >= promptUntil) return false;
  if (replies.size === state.peers.length || !isSame(chosen, initial)) return false;
  return state.peers.every((peer) => isCountedOn(state, peer));
}

/**
 * R4.5: how much later than the designated follower's the other one's reply came; a wait in vain counts as a late reply.
 * Where it usually comes late nobody is asked to be prompt for a while; the first reply after that decides anew.
 */
function noteLateness(
  state: ReplicaState,
  { promptUntil, follower, replies, repliedAt }: PreAcceptRound,
): void {
  const { now, timing } = state;
  const other = state.peers.find(({ id }) => id !== follower);
  if (promptUntil === null || other === undefined || !other.reachable) return;
  const [first] = replies.keys();
  const between = now - (repliedAt ?? now);
  let late = first === other.id ? -between : between;
  if (!replies.has(other.id)) {
    if (now < promptUntil) return; // it was not waited for
    late = timing.promptTicks;
  }
  other.lateTicks += (late - other.lateTicks) * LATE_SHARE;
  if (other.lateTicks <= LATE_TICKS) return;
  other.lateTicks = LATE_TICKS;
  state.promptFrom = now + timing.promptPauseTicks;
}

/** R4.5: both followers have said that they have on disk what was proposed, and nothing else. */
function isHeldByOthers({ promptUntil, replies, initial }: PreAcceptRound): boolean {
  if (promptUntil === null || replies.size < 2) return false;
  for (const reply of replies.values()) if (!isSame(reply, initial)) return false;
  return true;
}

function isSame(one: Attributes, other: Attributes): boolean {
  return one.seq === other.seq && equalDeps(one.deps, other.deps);
}

function isFastPathLost(state: ReplicaState, round: PreAcceptRound, slowAt: number): boolean {
  if (state.now >= slowAt) return true;
  if (round.follower !== null) return !state.isCountedOn(round.follower);
  const outstanding = state.peers.filter(
    (peer) => isCountedOn(state, peer) && round.askedAt.has(peer.id) && !round.replies.has(peer.id),
  ).length;
  return countEqual(round) + outstanding + 1 < state.quorums.fast;
}

/** R3.3: replies that agree with each other but not with the initial deps do not count. */
function countEqual(round: PreAcceptRound): number {
  let count = 0;
  for (const reply of round.replies.values()) if (equalDeps(reply.deps, round.initial.deps)) count += 1;
  return count;
}

/**
 * A follower's merge (R3.2). In the instance's own row the coordinator's word stands: whatever command
 * anybody knows of that row, the coordinator proposed it, and it forgets none of its own (R6.3), or names all that it
 * may have forgotten (R6.4). So no slot below this one can be missing there, and no later one may enter (R2.5).
 */
function mergeContribution(
  initial: Attributes,
  own: { readonly id: InstanceId; readonly contribution: Attributes },
): Attributes {
  const merged = mergeAttributes(initial, own.contribution);
  const rowIndex = own.id.replica - 1;
  return { seq: merged.seq, deps: merged.deps.with(rowIndex, initial.deps[rowIndex] ?? 0) };
}

/** Slots are used in order; one that a recovery has touched already is skipped (section 1). */
function nextInstance(state: ReplicaState): InstanceId {
  state.nextSlot = Math.max(state.nextSlot, state.space.row(state.id).pruned + 1);
  for (;;) {
    const id = { replica: state.id, slot: state.nextSlot };
    state.nextSlot += 1;
    if (!isTouched(state.space.get(id))) return id;
  }
}

/** R4.1: the nearest that is alive; the next in the ring where that is not known. */
function chooseFollower(state: ReplicaState): ReplicaId {
  const [nearest] = nearestOf(state, state.peers, 1);
  assert(nearest !== undefined, 'two peers at N = 3');
  return nearest.id;
}

/**
 * A majority has replied just now: until when more is waited for, or the follower.
 * @param askedAt when the last of these replies was asked for
 */
function slowAt(state: ReplicaState, round: PreAcceptRound, askedAt: number): number {
  const { now, quorums, timing } = state;
  const { follower } = round;
  if (follower !== null) {
    // R4.4: who is as slow as the other reply is not silent. R3.8: the follower may have been asked before the other.
    const lead = askedAt - (round.askedAt.get(follower) ?? askedAt);
    return now + Math.max(0, patienceWith(state, [state.peer(follower)]) - lead);
  }
  // R3.4: N = 5 needs no other reply than the majority's, but for one that disagrees; who disagrees is mostly not
  // alone. N = 7 always needs another, which may come from farther away.
  const isShort = quorums.fast > quorums.majority;
  return Math.max(askedAt + timing.fastPathTicks, isShort ? now + Math.ceil((now - askedAt) / 2) : now);
}
