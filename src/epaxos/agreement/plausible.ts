/**
 * What a peer may be right about (R3.13). One replica that is mistaken must not set the others to work: a slot, a seq or a ballot far
 * beyond all that is known here cannot be true yet, or this replica is so far behind that it cannot use it. This is asked once,
 * of every message, before anything is done about it; after it, whatever loops over slots is bounded.
 */
import { assertNever } from '../../util/assert.ts';
import type { Message, PrepareReply } from '../model/messages.ts';
import type { Limits } from '../model/options.ts';
import {
  type Attributes,
  type Ballot,
  type Deps,
  type InstanceId,
  MAX_NUMBER,
  type ReplicaId,
} from '../model/types.ts';
import type { FarNumbers } from '../progress/progress.ts';
import { refusedBallot } from '../progress/stalls.ts';
import type { ReplicaState } from './state.ts';

/** Slots beyond what is committed that a row may have open, at the least. */
const LEAST_WINDOW = 65_536;

/** The same as a multiple of the instances that a coordinator may have open. */
const OPEN_SHARE = 16;

/**
 * So far above what is known may a seq or a ballot be. Seqs grow by one with each command of a key, ballots with each recovery of an
 * instance: in many years not so far.
 */
const NUMBER_WINDOW = 2 ** 40;

/** How far beyond what is committed of a row anything is believed of it. */
export function slotWindow({ openInstances }: Limits): number {
  return Math.max(LEAST_WINDOW, OPEN_SHARE * openInstances);
}

/** Whether the own row is near enough to what is committed of it for the others to believe in its next instances. */
export function mayOpen({ limits, nextSlot, space, id }: ReplicaState): boolean {
  return nextSlot <= space.row(id).committed + slotWindow(limits) - limits.openInstances;
}

/**
 * False for what is too far beyond all that is known here. What two peers tell is believed, for one of them is not mistaken: who
 * is far behind goes on voting, and believes what the others have come to believe.
 */
export function isPlausible(state: ReplicaState, from: ReplicaId, message: Message): boolean {
  const said = { state, from };
  switch (message.type) {
    case 'preAccept':
    case 'preAcceptReply':
    case 'commit':
      return isNear(state, message.id) && areNear(said, message.attributes);
    case 'accept':
    case 'validate': {
      const { id, ballot, attributes } = message;
      return isNear(state, id) && isBallotNear(said, id, ballot) && areNear(said, attributes);
    }
    case 'prepare':
      return isNear(state, message.id) && isBallotNear(said, message.id, message.ballot);
    case 'acceptReply':
      return isNear(state, message.id) && isBallotNear(said, message.id, message.promised);
    case 'validateReply': {
      const { id, promised, contradictions } = message;
      if (!isNear(state, id) || !isBallotNear(said, id, promised)) return false;
      return contradictions.every((each) => isNear(state, each.id));
    }
    case 'prepareReply':
      return isRecordNear(said, message);
    case 'waiting':
      return isNear(state, message.id);
    case 'readReply':
      return message.deps.every((deps) => reachesNear(state, deps));
    // These speak of how far others are, which may be far ahead; nothing that they set off goes beyond a window.
    case 'watermarks':
    case 'fetch':
    case 'readRequest':
      return true;
    default:
      return assertNever(message, 'message');
  }
}

/** False if the peers' word is that the row has come so far beyond what is committed here that one of them alone is not believed. */
export function reachesNear(state: ReplicaState, deps: Deps): boolean {
  const { rows } = state.space;
  const window = slotWindow(state.limits);
  for (let rowIndex = 0; rowIndex < rows.length; rowIndex += 1) {
    const slot = deps[rowIndex] ?? 0;
    if (slot <= (rows[rowIndex]?.committed ?? 0) + window) continue;
    if (slot > vouchedFor(state, rowIndex) + window) return false;
  }
  return true;
}

/** Who says something, to whom. */
interface Said {
  readonly state: ReplicaState;
  readonly from: ReplicaId;
}

function isNear(state: ReplicaState, { replica, slot }: InstanceId): boolean {
  const window = slotWindow(state.limits);
  return (
    slot <= state.space.row(replica).committed + window || slot <= vouchedFor(state, replica - 1) + window
  );
}

/**
 * The slot up to which two peers at the least say that the row is committed; or the only one that is heard: with it alone this
 * replica may have to make a majority, however far behind it is, and one that is dead is fault enough.
 */
function vouchedFor({ peers, progress, now, timing }: ReplicaState, rowIndex: number): number {
  const reports = peers.map(({ id }) => progress.reports.get(id));
  const heard = reports.filter((report) => now - (report?.at ?? 0) < timing.silentTicks);
  const told = heard.map((report) => report?.committed[rowIndex] ?? 0);
  return told.length === 1 ? (told[0] ?? 0) : secondHighest(told);
}

function areNear({ state, from }: Said, { seq, deps }: Attributes): boolean {
  const { index, progress } = state;
  return reachesNear(state, deps) && isNumberNear({ state, from }, seq, index.accessSeq, progress.farSeqs);
}

function isBallotNear({ state, from }: Said, id: InstanceId, ballot: Ballot): boolean {
  if (ballot <= NUMBER_WINDOW) return true; // which needs no look at the instance
  const { space, progress } = state;
  const known = space.isPruned(id) ? 0 : Math.max(space.get(id).ballot, refusedBallot(state, id));
  return isNumberNear({ state, from }, ballot, known, progress.farBallots);
}

function isRecordNear(said: Said, { record }: PrepareReply): boolean {
  const { id, ballot, attributes, initial } = record;
  if (!isNear(said.state, id) || !isBallotNear(said, id, ballot)) return false;
  return [attributes, initial].every((each) => each === null || areNear(said, each));
}

/**
 * Whether it is near to the known one. What is too far, and still told, becomes near step by step: a faulty peer may have
 * raised it at one replica alone, which then could not make a majority with this one.
 * @param far those of its kind that were not believed
 */
function isNumberNear({ state, from }: Said, value: number, known: number, far: FarNumbers): boolean {
  if (value > MAX_NUMBER) return false;
  const believed = Math.max(known, far.believed);
  if (value <= believed + NUMBER_WINDOW) return true;
  far.told.set(from, Math.max(value, far.told.get(from) ?? 0));
  if (value <= secondHighest([...far.told.values()]) + NUMBER_WINDOW) return true;
  if (state.now - far.raisedAt >= state.timing.maxRetryTicks) {
    far.believed = believed + NUMBER_WINDOW;
    far.raisedAt = state.now;
  }
  return false;
}

/** 0 if there is no second. */
function secondHighest(values: number[]): number {
  return values.sort((one, other) => other - one)[1] ?? 0;
}
