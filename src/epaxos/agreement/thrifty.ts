/**
 * Whom a coordinator asks at ballot 0: everybody; or, in thrifty mode, as few as can give the answer, and the rest only
 * when those fail (R3.8; repetition.ts does that). Who is asked is never a matter of safety: not to ask somebody is the same as a lost message.
 */

import type { ReplicaId } from '../model/types.ts';
import { nearestOf, type Peer, usualTicks } from '../progress/peers.ts';
import type { ReplicaState } from './state.ts';

/**
 * Whom to ask first. Everybody without thrift, and also if one of those needed cannot be reached: then it is not known
 * who will answer.
 * @param options.replies how many replies are needed
 * @param options.preferred who is asked before others that are nearer
 */
export function firstAsked(
  state: ReplicaState,
  options: { readonly replies: number; readonly preferred?: Pick<ReadonlySet<ReplicaId>, 'has'> },
): readonly Peer[] {
  if (!state.thrifty) return state.peers;
  const chosen = nearestOf(state.peers, options.replies, options.preferred);
  return chosen.every((peer) => peer.reachable) ? chosen : state.peers;
}

/** The tick at which those left out are asked as well; null if nobody is left out. */
export function widenAt(state: ReplicaState, asked: readonly Peer[]): number | null {
  return asked.length === state.peers.length ? null : state.now + patienceWith(state, asked);
}

/** How long such peers are waited for, in ticks: well beyond what they usually take (R3.8, R4.4). */
export function patienceWith(state: ReplicaState, peers: readonly Peer[]): number {
  return Math.max(state.timing.followerTicks, Math.ceil(4 * usualTicks(state, peers)));
}
