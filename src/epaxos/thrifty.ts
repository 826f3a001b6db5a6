/**
 * Whom a coordinator asks at ballot 0: everybody; or, in thrifty mode, as few as can give the answer, and the rest only
 * when those fail (R3.8; repetition.ts does that). Who is asked is never a matter of safety: not to ask somebody is the same as a lost message.
 */
import type { Peer, ReplicaState } from './state.ts';
import type { ReplicaId } from './types.ts';

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
  const chosen = nearestPeers(state, options.replies, options.preferred);
  return chosen.every((peer) => peer.reachable) ? chosen : state.peers;
}

/** The tick at which those left out are asked as well; null if nobody is left out. */
export function widenAt(state: ReplicaState, asked: readonly Peer[]): number | null {
  return asked.length === state.peers.length ? null : state.now + patienceWith(state, asked);
}

/** How long such peers are waited for, in ticks: well beyond what they usually take (R3.8, R4.4). */
export function patienceWith(state: ReplicaState, peers: readonly Peer[]): number {
  const usual = Math.max(...peers.map(({ replyTicks }) => replyTicks));
  return Math.max(state.timing.followerTicks, Math.ceil(4 * usual));
}

/** R4.1: first who can be reached, of these who is preferred, of these the nearest; the ring decides where it is not known. */
export function nearestPeers(
  state: ReplicaState,
  count: number,
  preferred: Pick<ReadonlySet<ReplicaId>, 'has'> = new Set(),
): Peer[] {
  const isBetter = (peer: Peer, than: Peer): boolean => {
    if (peer.reachable !== than.reachable) return peer.reachable;
    if (preferred.has(peer.id) !== preferred.has(than.id)) return preferred.has(peer.id);
    return isNearer(peer, than);
  };
  const rest = [...state.peers];
  const chosen: Peer[] = [];
  while (chosen.length < count && rest.length > 0) {
    const best = rest.reduce((one, other) => (isBetter(other, one) ? other : one));
    chosen.push(best);
    rest.splice(rest.indexOf(best), 1);
  }
  return chosen;
}

/** A small difference is noise, and the ring spreads the work better. Between regions no difference is that small. */
export function isNearer(peer: Peer, than: Peer): boolean {
  return peer.roundTripMs * 1.1 < than.roundTripMs && peer.roundTripMs + 2 < than.roundTripMs;
}
