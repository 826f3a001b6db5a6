/**
 * Whom a coordinator asks at ballot 0: everybody; or, in thrifty mode, as few as can give the answer, and the rest only
 * when those fail (R3.8; repetition.ts does that). Who is asked is never a matter of safety: not to ask somebody is the same as a lost message.
 */

import type { ReplicaId } from '../model/types.ts';
import { isCountedOn, isOnTrial, nearestOf, type Peer, patienceWith } from '../progress/peers.ts';
import type { ReplicaState } from './state.ts';

/**
 * Whom to ask first. Everybody without thrift, and also if one of those needed is not counted on: then it is not known
 * who will answer.
 * @param options.replies how many replies are needed
 * @param options.preferred who is asked before others that are nearer
 */
export function firstAsked(
  state: ReplicaState,
  options: { readonly replies: number; readonly preferred?: Pick<ReadonlySet<ReplicaId>, 'has'> },
): readonly Peer[] {
  if (!state.thrifty) return state.peers;
  const chosen = nearestOf(state, state.peers, options.replies, options.preferred);
  if (!chosen.every((peer) => isCountedOn(state, peer))) return state.peers;
  // R3.12: who is on trial is asked besides.
  return chosen.concat(state.peers.filter((peer) => isOnTrial(state, peer) && !chosen.includes(peer)));
}

/** The tick at which those left out are asked as well; null if nobody is left out. */
export function widenAt(state: ReplicaState, asked: readonly Peer[]): number | null {
  return asked.length === state.peers.length ? null : state.now + patienceWith(state, asked);
}
