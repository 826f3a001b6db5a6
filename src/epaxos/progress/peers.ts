/**
 * How each peer looks from here: whether it can be reached, how far away it is, and how long it takes to answer. All of it is for
 * waiting and for choosing, never for safety.
 */
import type { ReplicaState } from '../agreement/state.ts';
import type { ReplicaId } from '../model/types.ts';

export interface Peer {
  readonly id: ReplicaId;
  reachable: boolean;
  /** Measured by the transport; Infinity before the first measurement. */
  roundTripMs: number;
  /** A moving average of how long its PreAcceptReplies take, in ticks. */
  replyTicks: number;
  /** The tick of the last of these. */
  repliedAt: number;
  /** R4.5: a moving average of how many ticks later than the designated follower's its prompt replies come. */
  lateTicks: number;
}

/** No reply is taken to have needed longer: what came later waited for something else than the peer. */
const MAX_REPLY_TICKS = 100;

/** What was measured longer ago than this says less and less. */
const FRESH_TICKS = 100;

/** How much of it is forgotten in each tick then. */
const STALE_SHARE = 1 / 64;

export function createPeer(id: ReplicaId): Peer {
  return {
    id,
    reachable: false,
    roundTripMs: Number.POSITIVE_INFINITY,
    replyTicks: 0,
    repliedAt: 0,
    lateTicks: 0,
  };
}

/** It has answered a PreAccept. @param ticks how long that took */
export function noteReply(state: ReplicaState, peer: Peer, ticks: number): void {
  peer.replyTicks += (Math.min(ticks, MAX_REPLY_TICKS) - peer.replyTicks) / 8;
  peer.repliedAt = state.now;
}

/**
 * A tick has passed. Who has not been asked for long is taken to answer as fast as its heartbeats go: what made it slow
 * then may be over.
 */
export function agePeers(state: ReplicaState): void {
  for (const peer of state.peers) {
    const excess = peer.replyTicks - roundTripTicks(state, peer);
    if (excess > 0 && state.now - peer.repliedAt > FRESH_TICKS) peer.replyTicks -= excess * STALE_SHARE;
  }
}

/** How long it takes at the most to hear from such peers, as a rule, in ticks: by their replies, or by their heartbeats. */
export function usualTicks(state: ReplicaState, peers: readonly Peer[]): number {
  return Math.max(...peers.map((peer) => Math.max(peer.replyTicks, roundTripTicks(state, peer))));
}

/** 0 where it was not measured. */
function roundTripTicks({ tickMs }: ReplicaState, { roundTripMs }: Peer): number {
  return Number.isFinite(roundTripMs) ? Math.min(roundTripMs / tickMs, MAX_REPLY_TICKS) : 0;
}

/** R4.1: first who can be reached, of these who is preferred, of these the nearest; the order given where that is not known. */
export function nearestOf(
  peers: readonly Peer[],
  count: number,
  preferred: Pick<ReadonlySet<ReplicaId>, 'has'> = new Set(),
): Peer[] {
  const isBetter = (peer: Peer, than: Peer): boolean => {
    if (peer.reachable !== than.reachable) return peer.reachable;
    if (preferred.has(peer.id) !== preferred.has(than.id)) return preferred.has(peer.id);
    return isNearer(peer, than);
  };
  const rest = [...peers];
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
