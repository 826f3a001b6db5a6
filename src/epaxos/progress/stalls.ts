/**
 * What this replica waits for and nobody seems to be settling: since when, and which step is due when (R5.9). Stalls
 * change here only. Delays are random, so that rivals rarely meet, and grow with each refusal, so that they do not duel.
 * Time is counted in own ticks: a replica that was paused itself has seen none, and suspects nobody for it.
 */

import type { ReplicaState } from '../agreement/state.ts';
import { ballotOwner } from '../model/ballot.ts';
import {
  type Ballot,
  type InstanceId,
  type InstanceKey,
  instanceKey,
  instanceOfKey,
  type ReplicaId,
} from '../model/types.ts';
import type { Stall } from './progress.ts';

/** A higher promise forbade this replica's round: it ends, and is tried again later if still needed. */
export function onRefused(
  state: ReplicaState,
  refusal: { readonly id: InstanceId; readonly promised: Ballot },
): void {
  const { id, promised } = refusal;
  state.endRound(id);
  const stall = stallOf(state, instanceKey(id));
  stall.refusals += 1;
  stall.asked = true;
  stall.highestBallot = Math.max(stall.highestBallot, promised);
  stall.dueAt = state.now + recoveryDelay(state, id, stall);
}

/** A peer went away: what it left open is waited for no longer than suspicion takes. */
export function onPeerLost(state: ReplicaState, peer: ReplicaId): void {
  for (const [key, stall] of state.progress.stalls) {
    const id = instanceOfKey(key);
    if (coordinatorOf(state, id, stall) !== peer) continue;
    stall.dueAt = Math.min(stall.dueAt, state.now + recoveryDelay(state, id, stall));
  }
}

/** A peer can be reached again: as soon as that makes a majority, own instances that are open need not wait (R6.8). */
export function onPeerFound(state: ReplicaState): void {
  const reachable = state.peers.filter((peer) => peer.reachable).length;
  if (reachable + 1 !== state.quorums.majority) return;
  for (const key of state.progress.unsettled) stallOf(state, key).dueAt = state.now;
}

/** Something waits for the instance in this tick. @returns the step that is due; null: none is */
export function need(state: ReplicaState, key: InstanceKey): 'ask' | 'recover' | null {
  const stall = stallOf(state, key);
  stall.neededAt = state.now;
  if (stall.dueAt > state.now) return null;
  return stall.asked ? 'recover' : 'ask';
}

/** The peers are asked for the instance now: if that is of no use, it is recovered. */
export function noteAsked(state: ReplicaState, id: InstanceId): void {
  const stall = stallOf(state, instanceKey(id));
  stall.asked = true;
  stall.dueAt = state.now + recoveryDelay(state, id, stall);
}

/** An own recovery of the instance is given up to begin anew, without asking the peers again. */
export function noteAbandoned(state: ReplicaState, id: InstanceId): void {
  stallOf(state, instanceKey(id)).asked = true;
}

/** Forgets what nothing has waited for in this tick. */
export function dropUnneeded({ progress: { stalls }, now }: ReplicaState): void {
  for (const [key, stall] of stalls) if (stall.neededAt < now) stalls.delete(key);
}

/** The highest ballot that a refusal told of the instance; 0 for none. */
export function refusedBallot({ progress }: ReplicaState, id: InstanceId): Ballot {
  return progress.stalls.get(instanceKey(id))?.highestBallot ?? 0;
}

/** The stall of an instance; a new one if nobody has waited for it yet. */
function stallOf(state: ReplicaState, key: InstanceKey): Stall {
  let stall = state.progress.stalls.get(key);
  if (stall === undefined) {
    const id = instanceOfKey(key);
    stall = { dueAt: state.now, asked: false, refusals: 0, highestBallot: 0, neededAt: state.now };
    if (id.replica === state.id) {
      // Nobody else can have committed it unnoticed more easily than they can be asked by a Prepare.
      stall.asked = true;
      stall.dueAt += recoveryDelay(state, id, stall);
    } else if (state.isReachable(id.replica)) {
      stall.dueAt += fetchDelay(state, id.replica);
    }
    state.progress.stalls.set(key, stall);
  }
  return stall;
}

/**
 * Another replica has begun to settle the instance at a higher ballot, which is promised here: it is given its time
 * before this one tries. A round of this replica that it ended was refused by it: without growing delays each could
 * go on ending the other's round for ever.
 */
export function onPromised(
  state: ReplicaState,
  id: InstanceId,
  options: { /** Whether a round of this replica was ended. */ readonly hadRound: boolean },
): void {
  const key = instanceKey(id);
  const stall = options.hadRound ? stallOf(state, key) : state.progress.stalls.get(key);
  if (stall === undefined) return;
  if (options.hadRound) stall.refusals += 1;
  stall.dueAt = state.now + recoveryDelay(state, id, stall);
}

/**
 * How long a Commit of a peer that can be reached may be on its way before it is asked for: whoever answers slowly
 * commits slowly, and would be made to send everything twice. It is bounded, for what makes it slow may be over.
 */
export function fetchDelay(state: ReplicaState, from: ReplicaId): number {
  const { fetchTicks, maxFetchTicks } = state.timing;
  return Math.max(fetchTicks, Math.min(Math.ceil(4 * state.peer(from).replyTicks), maxFetchTicks));
}

/** Who is expected to finish the instance: the owner of the highest ballot known for it. */
function coordinatorOf(state: ReplicaState, id: InstanceId, stall: Stall): ReplicaId {
  const ballot = state.space.isPruned(id) ? 0 : state.space.get(id).ballot;
  return ballotOwner(Math.max(ballot, stall.highestBallot), state.quorums.replicas) ?? id.replica;
}

/** R5.9: random, short for who cannot be reached, doubled by each refusal. */
function recoveryDelay(state: ReplicaState, id: InstanceId, stall: Stall): number {
  const { suspectTicks, patientTicks, maxRecoveryTicks } = state.timing;
  const coordinator = coordinatorOf(state, id, stall);
  const isSuspect = coordinator === state.id || !state.isReachable(coordinator);
  const least = (isSuspect ? suspectTicks : patientTicks) * 2 ** Math.min(stall.refusals, 16);
  const bounded = Math.min(least, maxRecoveryTicks);
  return state.prng.integer(bounded, 2 * bounded);
}
