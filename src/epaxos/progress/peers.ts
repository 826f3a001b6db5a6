/**
 * How each peer looks from here: whether it can be reached, how far away it is, how long it takes to answer, and whether it does
 * so at all. All of it is for waiting and for choosing, never for safety.
 *
 * Being heard is not being of use: a process whose disk hangs answers heartbeats. So one request at a time is timed for each
 * peer. Who leaves it unanswered for too long, or answers it late, is *unresponsive*: it is not counted on where others can
 * be, and is tried again now and then with a request that nobody waits for (R3.12).
 */
import type { Message } from '../model/messages.ts';
import type { Timing } from '../model/options.ts';
import type { Quorums } from '../model/quorum.ts';
import { instanceKey, type ReplicaId } from '../model/types.ts';

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
  /** R3.12: false from when it has owed a reply for too long until it has replied in time. */
  responsive: boolean;
  /** R3.12: the request of which the reply is timed; null for none. */
  timed: TimedRequest | null;
  /** R3.12: whether the last timed request was missed: its reply did not come in time, but replies to others did. */
  missed: boolean;
  /** Unresponsive: the tick from which it may be tried again. */
  trialAt: number;
}

/** A request that is answered at once by whoever can. */
interface TimedRequest {
  readonly key: RequestKey;
  readonly askedAt: number;
  /** Whether others were answered since. */
  othersAnswered: boolean;
}

/** What a request and its reply have in common: the instance's key, or a read's sequence with its sign changed. */
type RequestKey = number;

/** What is needed of a replica to judge its peers. */
export interface PeersView {
  readonly peers: readonly Peer[];
  /** Ticks since the start. */
  readonly now: number;
  readonly timing: Timing;
  readonly tickMs: number;
  readonly quorums: Quorums;
}

/** No reply is taken to have needed longer: what came later waited for something else than the peer. */
const MAX_REPLY_TICKS = 100;

/** What was measured longer ago than this says less and less. */
const FRESH_TICKS = 100;

/** How much of it is forgotten in each tick then. */
const STALE_SHARE = 1 / 64;

/** So many times as long as usual may a reply take before something is taken to be wrong. */
const PATIENCE_FACTOR = 4;

export function createPeer(id: ReplicaId): Peer {
  return {
    id,
    reachable: false,
    roundTripMs: Number.POSITIVE_INFINITY,
    replyTicks: 0,
    repliedAt: 0,
    lateTicks: 0,
    responsive: true,
    timed: null,
    missed: false,
    trialAt: 0,
  };
}

/** Whether it can be reached, from now on. What it owed before says nothing any more. */
export function noteReachable(peer: Peer, reachable: boolean): void {
  peer.reachable = reachable;
  peer.responsive = true;
  peer.timed = null;
}

/** It has answered a PreAccept. @param ticks how long that took */
export function noteReply(view: PeersView, peer: Peer, ticks: number): void {
  peer.replyTicks += (Math.min(ticks, MAX_REPLY_TICKS) - peer.replyTicks) / 8;
  peer.repliedAt = view.now;
}

/** R3.12: a message leaves. If it is to be answered at once, and no other is timed, its reply is. */
export function noteSent(view: PeersView, peer: Peer, message: Message): void {
  if (peer.responsive ? peer.timed !== null : !isOnTrial(view, peer)) return;
  const key = requestKey(peer.id, message);
  if (key === null) return;
  peer.timed = { key, askedAt: view.now, othersAnswered: false };
  if (!peer.responsive) peer.trialAt = view.now + view.timing.trialTicks;
}

/** R3.12: a message has come. If it is the reply that is timed, it tells whether the peer is responsive. */
export function noteReceived(view: PeersView, peer: Peer, message: Message): void {
  const key = replyKey(message);
  const { timed } = peer;
  if (key === null || timed === null) return;
  if (timed.key !== key) {
    if (message.type !== 'commit') timed.othersAnswered = true;
    return;
  }
  peer.timed = null;
  peer.missed = false;
  if (view.now - timed.askedAt > replyBound(view, peer)) giveUp(view, peer);
  else peer.responsive = true;
}

/**
 * A tick has passed. Who has not been asked for long is taken to answer as fast as its heartbeats go: what made it slow
 * then may be over.
 * @returns the peers that have owed a reply for too long since now (R3.12)
 */
export function tickPeers(view: PeersView): Peer[] {
  const lost: Peer[] = [];
  for (const peer of view.peers) {
    const excess = peer.replyTicks - roundTripTicks(view, peer);
    if (excess > 0 && view.now - peer.repliedAt > FRESH_TICKS) peer.replyTicks -= excess * STALE_SHARE;
    if (peer.responsive && giveUpIfOverdue(view, peer)) lost.push(peer);
  }
  return lost;
}

/** A reply that is overdue may have been lost, if others came; but not twice in a row. @returns whether the peer is given up */
function giveUpIfOverdue(view: PeersView, peer: Peer): boolean {
  const { timed, missed } = peer;
  if (timed === null || view.now - timed.askedAt <= view.timing.followerTicks) return false;
  if (view.now - timed.askedAt <= replyBound(view, peer)) return false;
  if (timed.othersAnswered && !missed) {
    peer.timed = null;
    peer.missed = true;
    return false;
  }
  giveUp(view, peer);
  return true;
}

function giveUp(view: PeersView, peer: Peer): void {
  peer.responsive = false;
  peer.missed = false;
  peer.trialAt = view.now + view.timing.trialTicks;
}

/**
 * R3.12: how long a peer may owe a reply: no less than it is waited for anywhere, and well beyond what the fastest of a
 * majority take, so that nobody is given up where all are slow.
 */
function replyBound(view: PeersView, peer: Peer): number {
  const usual = view.peers.map((each) => usualTicks(view, [each])).sort((one, other) => one - other);
  const majority = usual[view.quorums.majority - 2] ?? 0;
  return Math.max(patienceWith(view, [peer]), Math.ceil(PATIENCE_FACTOR * majority));
}

/** How long such peers are waited for, in ticks: well beyond what they usually take (R3.8, R4.4). */
export function patienceWith(view: PeersView, peers: readonly Peer[]): number {
  return Math.max(view.timing.followerTicks, Math.ceil(PATIENCE_FACTOR * usualTicks(view, peers)));
}

/** Null for what need not be answered, or not at once: a PreAccept is not by the follower that is not designated (R4.2). */
function requestKey(to: ReplicaId, message: Message): RequestKey | null {
  switch (message.type) {
    case 'preAccept': {
      const { id, follower, prompt } = message;
      return follower === null || follower === to || prompt ? instanceKey(id) : null;
    }
    case 'accept':
    case 'prepare':
    case 'validate':
      return instanceKey(message.id);
    case 'readRequest':
      return -message.sequence;
    default:
      return null;
  }
}

/** Null for what is no reply. A Commit answers whatever was asked about the instance. */
function replyKey(message: Message): RequestKey | null {
  switch (message.type) {
    case 'preAcceptReply':
    case 'acceptReply':
    case 'validateReply':
    case 'commit':
      return instanceKey(message.id);
    case 'prepareReply':
      return instanceKey(message.record.id);
    case 'readReply':
      return -message.sequence;
    default:
      return null;
  }
}

/** R3.12: whether it is time to ask an unresponsive peer for something, so that it can show that it replies again. */
export function isOnTrial({ now }: PeersView, peer: Peer): boolean {
  return peer.reachable && !peer.responsive && now >= peer.trialAt;
}

/**
 * Whether what is planned may rest on the peer: it can be reached, and is responsive (R3.12). Where too few are for a
 * majority, all that can be reached are counted on: there is nobody better.
 */
export function isCountedOn(view: PeersView, peer: Peer): boolean {
  if (!peer.reachable || peer.responsive) return peer.reachable;
  const others = view.peers.filter(({ reachable, responsive }) => reachable && responsive);
  return others.length + 1 < view.quorums.majority;
}

/** How long it takes at the most to hear from such peers, as a rule, in ticks: by their replies, or by their heartbeats. */
export function usualTicks(view: PeersView, peers: readonly Peer[]): number {
  return Math.max(...peers.map((peer) => Math.max(peer.replyTicks, roundTripTicks(view, peer))));
}

/** 0 where it was not measured. */
function roundTripTicks({ tickMs }: PeersView, { roundTripMs }: Peer): number {
  return Number.isFinite(roundTripMs) ? Math.min(roundTripMs / tickMs, MAX_REPLY_TICKS) : 0;
}

/** Who is to be asked first: who is counted on before who can only be reached, and that before who cannot. */
export function rankOf(view: PeersView, peer: Peer): number {
  return Number(peer.reachable) + Number(isCountedOn(view, peer));
}

/** R4.1: first who is counted on, of these who is preferred, of these the nearest; the order given where that is not known. */
export function nearestOf(
  view: PeersView,
  peers: readonly Peer[],
  count: number,
  preferred: Pick<ReadonlySet<ReplicaId>, 'has'> = new Set(),
): Peer[] {
  const isBetter = (peer: Peer, than: Peer): boolean => {
    const [rank, other] = [rankOf(view, peer), rankOf(view, than)];
    if (rank !== other) return rank > other;
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
