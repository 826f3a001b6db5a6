/**
 * Linearizable reads of single keys without an instance (R8.1). The replica asks a majority, itself
 * included, what they would depend on if they read the key now; whatever write was answered before the
 * read began is in some member's answer. The read then waits until the merge of the answers is executed
 * here, like an instance that nobody depends on, and is answered from local state. Nothing is recorded and nothing is synced.
 * Every read stands for itself, but many share a round trip.
 */
import { assert } from '../util/assert.ts';
import { covers, mergeDeps } from './deps.ts';
import type { ReadReply, ReadRequest } from './messages.ts';
import type { ReplicaState } from './state.ts';
import { type Deps, type InstanceKey, instanceKey, isWide, type Operation, type ReplicaId } from './types.ts';

/** The row of reads in the executor's graph: no replica has it. */
export const READ_ROW = 0;

/** Reads that share a round trip. */
export interface BarrierRound {
  readonly sequence: number;
  readonly operations: readonly Operation[];
  /** How many of them somebody still waits for. */
  wanted: number;
  /** The key of each operation. */
  readonly keys: readonly string[];
  /** By operation: the merge of the answers so far, this replica's own included. */
  deps: Deps[];
  readonly answered: Set<ReplicaId>;
  retryAt: number;
  retryTicks: number;
}

/** A read that waits for its dependencies to be executed. */
export interface WaitingRead {
  readonly operation: Operation;
  readonly deps: Deps;
}

/** Everything about the reads of this replica; volatile. */
export class Reads {
  /** Not asked for yet; it may hold some that nobody wants any more. */
  arrived: Operation[] = [];
  nextRound: number;
  readonly rounds = new Map<number, BarrierRound>();
  nextRead = 1;
  readonly waiting = new Map<InstanceKey, WaitingRead>();
  /** Every read that somebody still wants answered, with its round; null before it has one. */
  readonly wanted = new Map<Operation, BarrierRound | null>();

  /**
   * @param firstRound another one after every restart: an answer that was under way meanwhile must not be taken for one
   * to a new round, for it does not know what was written since
   */
  constructor(firstRound: number) {
    this.nextRound = firstRound;
  }
}

/**
 * Takes a read of one key. False if too many are under way; then nothing was done.
 * @param operation one access, which does not write
 */
export function addRead(state: ReplicaState, operation: Operation): boolean {
  const [access, ...others] = operation.accesses;
  const isOne = access !== undefined && others.length === 0 && !isWide(operation);
  assert(isOne && !access.writes, 'a read of a single key (R8.2)');
  if (state.reads.wanted.size >= state.limits.heldOperations) return false;
  state.reads.wanted.set(operation, null);
  state.reads.arrived.push(operation);
  return true;
}

/** Nobody waits for the read any more. True if it was under way. A round that nobody wants ends. */
export function withdrawRead(state: ReplicaState, operation: Operation): boolean {
  const { reads } = state;
  const round = reads.wanted.get(operation);
  if (round === undefined) return false;
  reads.wanted.delete(operation);
  if (round !== null) {
    round.wanted -= 1;
    if (round.wanted === 0) reads.rounds.delete(round.sequence);
  }
  return true;
}

/** Begins a round for the reads that have arrived since the last one. */
export function startReads(state: ReplicaState): void {
  const { reads, limits, timing } = state;
  if (reads.arrived.length === 0) return;
  const taken = reads.arrived.slice(0, limits.operationsPerInstance);
  reads.arrived = reads.arrived.slice(taken.length);
  const operations = taken.filter((operation) => reads.wanted.has(operation));
  if (operations.length === 0) return;
  const keys = operations.map((operation) => operation.accesses[0]?.key ?? '');
  const sequence = reads.nextRound;
  reads.nextRound += 1;
  const round: BarrierRound = {
    sequence,
    operations,
    wanted: operations.length,
    keys,
    deps: contributions(state, keys),
    answered: new Set([state.id]),
    retryAt: state.now + timing.retryTicks,
    retryTicks: timing.retryTicks,
  };
  reads.rounds.set(sequence, round);
  for (const operation of operations) reads.wanted.set(operation, round);
  for (const peer of nearestPeers(state)) sendRead(state, sequence, peer);
}

/** A peer reads: it is told what this replica would depend on. */
export function onReadRequest(state: ReplicaState, from: ReplicaId, message: ReadRequest): void {
  const { sequence, keys } = message;
  state.send(from, { type: 'readReply', sequence, deps: contributions(state, keys) });
}

export function onReadReply(state: ReplicaState, from: ReplicaId, message: ReadReply): void {
  const round = state.reads.rounds.get(message.sequence);
  if (round === undefined || message.deps.length !== round.keys.length) return;
  round.deps = round.deps.map((deps, index) => mergeDeps(deps, message.deps[index] ?? []));
  round.answered.add(from);
  if (round.answered.size < state.quorums.majority) return;
  state.reads.rounds.delete(message.sequence);
  const executed = state.space.executed();
  round.operations.forEach((operation, index) => {
    const deps = round.deps[index] ?? [];
    if (covers(executed, deps)) {
      answerRead(state, operation);
      return;
    }
    const key = instanceKey({ replica: READ_ROW, slot: state.reads.nextRead });
    state.reads.nextRead += 1;
    state.reads.waiting.set(key, { operation, deps });
    state.executor.committed(key);
  });
}

/** What the read waited for is executed: it can be answered from the state after this batch's executions. */
export function finishRead(state: ReplicaState, key: InstanceKey): void {
  const read = state.reads.waiting.get(key);
  assert(read !== undefined, 'a read is finished once');
  state.reads.waiting.delete(key);
  answerRead(state, read.operation);
}

function answerRead(state: ReplicaState, operation: Operation): void {
  if (state.reads.wanted.delete(operation)) state.outbox.reads.push(operation);
}

/** Asks those who have not answered again, beyond the nearest ones now. */
export function tickReads(state: ReplicaState): void {
  for (const [sequence, round] of state.reads.rounds) {
    if (state.now < round.retryAt) continue;
    round.retryTicks = Math.min(2 * round.retryTicks, state.timing.maxRetryTicks);
    round.retryAt = state.now + round.retryTicks;
    repeatRead(state, sequence, round);
  }
}

/** A peer went away: rounds that may have counted on it ask everybody else at once. */
export function onReaderLost(state: ReplicaState): void {
  for (const [sequence, round] of state.reads.rounds) repeatRead(state, sequence, round);
}

function repeatRead(state: ReplicaState, sequence: number, round: BarrierRound): void {
  for (const { id } of state.peers) if (!round.answered.has(id)) sendRead(state, sequence, id);
}

function sendRead(state: ReplicaState, sequence: number, to: ReplicaId): void {
  const round = state.reads.rounds.get(sequence);
  assert(round !== undefined, 'the round is under way');
  state.send(to, { type: 'readRequest', sequence, keys: round.keys });
}

/** For each key, what a read of it would depend on here (R2.3). */
function contributions(state: ReplicaState, keys: readonly string[]): Deps[] {
  return keys.map((key) => state.index.writersOf(key));
}

/** As many as make a majority with this replica: those that can be reached first, the nearest first. */
function nearestPeers(state: ReplicaState): ReplicaId[] {
  return [...state.peers]
    .sort((a, b) => Number(b.reachable) - Number(a.reachable) || compare(a.roundTripMs, b.roundTripMs))
    .slice(0, state.quorums.majority - 1)
    .map(({ id }) => id);
}

function compare(left: number, right: number): number {
  return left === right ? 0 : left - right;
}
