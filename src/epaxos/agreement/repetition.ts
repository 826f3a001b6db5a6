/**
 * What a coordinator does about requests that nobody answers: it repeats them to all, with growing intervals, and in
 * thrifty mode first asks those whom it had left out (R3.8).
 */
import { assertNever } from '../../util/assert.ts';
import type { ReplicaId } from '../model/types.ts';
import { sendAccept } from './accept.ts';
import { advancePreAccept, sendPreAccept } from './pre-accept.ts';
import { sendPrepare, startRecovery } from './recovery.ts';
import type { Round, ValidateRound, WideningRound } from './rounds.ts';
import type { ReplicaState } from './state.ts';
import { broadcastWaiting, sendValidate } from './validate.ts';

/** Takes the next step of a round for which it is time. */
export function tickRound(state: ReplicaState, round: Round): void {
  if (round.type === 'preAccept' && (isDue(state, round.slowAt) || isDue(state, round.promptUntil))) {
    advancePreAccept(state, round);
  }
  if (canWiden(round) && isDue(state, round.widenAt)) widen(state, round);
  if (state.now < round.retryAt || state.roundOf(round.id) !== round) return;
  round.retryTicks = Math.min(2 * round.retryTicks, state.timing.maxRetryTicks);
  round.retryAt = state.now + round.retryTicks;
  for (const { id: peer } of state.peers) repeat(state, round, peer);
  if (round.type === 'validate') tickValidate(state, round);
}

/** A peer cannot be reached any more: a round that has counted on it asks those whom it had left out. */
export function widenWithout(state: ReplicaState, round: Round, lost: ReplicaId): void {
  if (!canWiden(round) || round.widenAt === null || !round.askedAt.has(lost)) return;
  const answered = round.type === 'preAccept' ? round.replies : round.accepted;
  if (!answered.has(lost)) widen(state, round);
}

/** R3.8: those asked have failed, or are silent; the others are asked as well. */
export function widen(state: ReplicaState, round: WideningRound): void {
  round.widenAt = null;
  if (state.roundOf(round.id) !== round) return; // it has ended just now
  for (const { id: peer } of state.peers) if (!round.askedAt.has(peer)) repeat(state, round, peer);
}

function isDue(state: ReplicaState, tick: number | null): boolean {
  return tick !== null && state.now >= tick;
}

function canWiden(round: Round): round is WideningRound {
  return round.type === 'preAccept' || round.type === 'accept';
}

/** Sends a peer again what it has not answered. */
function repeat(state: ReplicaState, round: Round, peer: ReplicaId): void {
  switch (round.type) {
    case 'preAccept':
      if (!round.replies.has(peer)) sendPreAccept(state, round, { to: [peer], early: false });
      return;
    case 'accept':
      if (!round.accepted.has(peer)) sendAccept(state, round, peer);
      return;
    case 'prepare':
      if (!round.replies.has(peer)) sendPrepare(state, round, peer);
      return;
    case 'validate':
      if (!round.quorum.has(peer)) sendPrepare(state, round, peer);
      else if (!round.answered.has(peer)) sendValidate(state, round, peer);
      return;
    default:
      assertNever(round, 'round');
  }
}

/** A member of Q that does not answer any more is replaced by beginning again with another Q. */
function tickValidate(state: ReplicaState, round: ValidateRound): void {
  if (round.isWaiting) broadcastWaiting(state, round);
  if (round.retryTicks >= state.timing.maxRetryTicks) startRecovery(state, round.id);
}
