/**
 * Linearizable reads of single keys without an instance (R8.1). The replica asks a majority, itself
 * included, what they would depend on if they read the key now; whatever write was answered before the
 * read began is in some member's answer. The read then waits until the merge of the answers is executed
 * here, like an instance that nobody depends on, and is answered from local state. Nothing is recorded and nothing is synced.
 * Every read stands for itself, but many share a round trip.
 */
import { assert } from '../../util/assert.ts';
import type { ReplicaState } from '../agreement/state.ts';
import { covers, mergeDeps } from '../model/deps.ts';
import { MAX_LISTED, type ReadReply, type ReadRequest } from '../model/messages.ts';
import { isWide, type Operation } from '../model/operation.ts';
import { type Deps, type InstanceKey, instanceKey, type ReplicaId } from '../model/types.ts';
import { isOnTrial, rankOf } from '../progress/peers.ts';
import { type BarrierRound, keyOf, NO_REPLICA, type PendingRead } from './reads.ts';

/**
 * Takes a read of one key. False if too many are under way; then nothing was done.
 * @param operation one access, which does not write
 */
export function addRead({ reads, limits }: ReplicaState, operation: Operation): boolean {
  const { accesses } = operation;
  const [access] = accesses;
  const isOne = access !== undefined && accesses.length === 1 && !isWide(operation);
  assert(isOne && !access.writes, 'a read of a single key (R8.2)');
  const { size } = reads.wanted;
  if (size >= limits.reads) return false;
  const read: PendingRead = { operation, deps: [], round: null, position: 0, node: null };
  reads.wanted.set(operation, read);
  assert(reads.wanted.size > size, 'a read is added once');
  reads.arrived.add(read);
  return true;
}

/** Nobody waits for the read any more. True if it was under way. A round that nobody wants ends. */
export function withdrawRead(state: ReplicaState, operation: Operation): boolean {
  const { reads, executor } = state;
  const read = reads.wanted.get(operation);
  if (read === undefined) return false;
  const { round, position, node } = read;
  reads.wanted.delete(operation);
  reads.arrived.delete(read);
  if (round !== null) {
    round.reads[position] = null;
    round.wanted -= 1;
    if (round.wanted === 0) reads.rounds.delete(round.sequence);
  }
  if (node !== null) {
    reads.nodes.delete(node);
    executor.withdraw(node);
  }
  return true;
}

/** True if {@link startReads} would do something. */
export function canStartReads({ reads, limits }: ReplicaState): boolean {
  return reads.arrived.size > 0 && reads.rounds.size < limits.readRounds;
}

/** Begins a round for the reads that have arrived since the last one. */
export function startReads(state: ReplicaState): void {
  if (!canStartReads(state)) return;
  const { reads, limits, timing } = state;
  const sequence = reads.nextRound;
  reads.nextRound += 1;
  const taken = reads.take(Math.min(limits.operationsPerInstance, MAX_LISTED));
  const keys = taken.map(keyOf);
  const round: BarrierRound = {
    sequence,
    keys,
    reads: taken,
    wanted: taken.length,
    answered: new Set([state.id]),
    retryAt: state.now + timing.retryTicks,
    retryTicks: timing.retryTicks,
  };
  taken.forEach((read, position) => {
    read.deps = contribution(state, keyOf(read));
    read.round = round;
    read.position = position;
  });
  reads.rounds.set(sequence, round);
  for (const peer of firstPeers(state)) sendRead(state, round, peer);
}

/** A peer reads: it is told what this replica would depend on. */
export function onReadRequest(state: ReplicaState, from: ReplicaId, message: ReadRequest): void {
  const { sequence, keys } = message;
  state.send(from, { type: 'readReply', sequence, deps: keys.map((key) => contribution(state, key)) });
}

export function onReadReply(state: ReplicaState, from: ReplicaId, message: ReadReply): void {
  const round = state.reads.rounds.get(message.sequence);
  if (round === undefined || message.deps.length !== round.keys.length) return;
  round.reads.forEach((read, position) => {
    if (read !== null) read.deps = mergeDeps(read.deps, message.deps[position] ?? []);
  });
  round.answered.add(from);
  if (round.answered.size < state.quorums.majority) return;
  state.reads.rounds.delete(message.sequence);
  const executed = state.space.executed();
  for (const read of round.reads) {
    if (read === null) continue;
    read.round = null;
    if (covers(executed, read.deps)) answerRead(state, read);
    else awaitDeps(state, read);
  }
}

/** The read goes into the executor: a node that nothing leads to. */
function awaitDeps({ reads, executor }: ReplicaState, read: PendingRead): void {
  read.node = instanceKey({ replica: NO_REPLICA, slot: reads.nextRead });
  reads.nextRead += 1;
  reads.nodes.set(read.node, read);
  executor.committed(read.node);
}

/** What the read waited for is executed: it can be answered from the state after this batch's executions. */
export function finishRead(state: ReplicaState, key: InstanceKey): void {
  const read = state.reads.nodes.get(key);
  assert(read !== undefined, 'a read is finished once');
  state.reads.nodes.delete(key);
  answerRead(state, read);
}

function answerRead({ reads, outbox }: ReplicaState, { operation }: PendingRead): void {
  reads.wanted.delete(operation);
  outbox.reads.push(operation);
}

/** Asks those who have not answered again, beyond the nearest ones now. */
export function tickReads(state: ReplicaState): void {
  for (const round of state.reads.rounds.values()) {
    if (state.now < round.retryAt) continue;
    round.retryTicks = Math.min(2 * round.retryTicks, state.timing.maxRetryTicks);
    round.retryAt = state.now + round.retryTicks;
    repeatRead(state, round);
  }
}

/** A peer is not counted on any more: rounds that may have counted on it, for they have asked nobody else yet, do so. */
export function onReaderLost(state: ReplicaState): void {
  for (const round of state.reads.rounds.values()) {
    if (round.retryTicks === state.timing.retryTicks) repeatRead(state, round);
  }
}

function repeatRead(state: ReplicaState, round: BarrierRound): void {
  for (const { id } of state.peers) if (!round.answered.has(id)) sendRead(state, round, id);
}

function sendRead(state: ReplicaState, { sequence, keys }: BarrierRound, to: ReplicaId): void {
  state.send(to, { type: 'readRequest', sequence, keys });
}

/** What a read of the key would depend on here (R2.3). */
function contribution(state: ReplicaState, key: string): Deps {
  return state.index.writersOf(key);
}

/** As many as make a majority with this replica, those that are counted on first, the nearest first; and who is on trial (R3.12). */
function firstPeers(state: ReplicaState): ReplicaId[] {
  return [...state.peers]
    .sort((a, b) => rankOf(state, b) - rankOf(state, a) || compare(a.roundTripMs, b.roundTripMs))
    .filter((peer, place) => place < state.quorums.majority - 1 || isOnTrial(state, peer))
    .map(({ id }) => id);
}

function compare(left: number, right: number): number {
  return left === right ? 0 : left - right;
}
