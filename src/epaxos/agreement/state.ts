/**
 * What all phases of the protocol work on: one replica's instance space, index, rounds, and the batch
 * being put together for the outside world. Records and rounds change here only, by transitions with names; that they
 * are legal is asserted. What a change sets off elsewhere is not done at once: it is noted as news.
 */
import { assert } from '../../util/assert.ts';
import { Prng } from '../../util/prng.ts';
import { InterferenceIndex } from '../conflicts/interference.ts';
import { type DependencySource, Executor } from '../execution/execution.ts';
import { Reads } from '../execution/reads.ts';
import type { Command } from '../model/command.ts';
import { noDeps } from '../model/deps.ts';
import { InstanceSpace, isCommitted, isKnown } from '../model/instance-space.ts';
import type { Message } from '../model/messages.ts';
import {
  DEFAULT_LIMITS,
  DEFAULT_TICK_MS,
  DEFAULT_TIMING,
  type Limits,
  type ReplicaOptions,
  type Timing,
} from '../model/options.ts';
import { type Quorums, quorumsOf, replicaIds } from '../model/quorum.ts';
import { type KeyHandle, Outbox, type Ready } from '../model/ready.ts';
import {
  type Attributes,
  type Ballot,
  type Deps,
  formatInstance,
  type InstanceId,
  type InstanceKey,
  type InstanceRecord,
  instanceKey,
  type ReplicaId,
  type Slot,
  Status,
} from '../model/types.ts';
import { createPeer, isCountedOn, noteSent, type Peer } from '../progress/peers.ts';
import { Progress } from '../progress/progress.ts';
import type { Round, ValidateRound } from './rounds.ts';

/** What may set off something else, in the order in which it happened. */
export interface News {
  /** How many instances were committed. */
  commits: number;
  readonly executed: InstanceRecord[];
}

function noNews(): News {
  return { commits: 0, executed: [] };
}

const NO_KEYS: readonly KeyHandle[] = [];

interface Value {
  /** Null for the no-op. */
  readonly command: Command | null;
  readonly attributes: Attributes;
}

interface SyncOptions {
  /** True if nothing may be said of the new record before it is on disk (R6.1, R6.2). */
  readonly sync: boolean;
}

export class ReplicaState {
  readonly id: ReplicaId;
  readonly quorums: Quorums;
  readonly timing: Timing;
  readonly limits: Limits;
  /** How long a tick takes, as a rule. */
  readonly tickMs: number;
  /** R3.8. */
  readonly thrifty: boolean;
  readonly prng: Prng;
  /** Every other replica, beginning with the one after this. */
  readonly peers: readonly Peer[];
  readonly space: InstanceSpace;
  readonly index: InterferenceIndex;
  readonly executor = new Executor();
  readonly rounds = new Map<InstanceKey, Round>();
  /** Of these the recoveries that wait for other instances (R5.7). */
  readonly waitingRecoveries = new Map<InstanceKey, ValidateRound>();
  readonly progress = new Progress();
  readonly reads: Reads;
  /** By row: the slot up to which all is executed and the effects are on disk. */
  durablyExecuted: Deps;
  /** The same, for what is written but perhaps not on disk yet. */
  writtenExecuted: Deps;
  /** Bytes of the operations of executed instances that are not forgotten. */
  retainedBytes = 0;
  /** Bytes of the operations executed since effects were last written. */
  unflushedBytes = 0;
  /** How many instances were executed since then. */
  unflushedInstances = 0;
  /** Whether there is anything to write. */
  unflushed = false;
  outbox = new Outbox();
  /** PreAccepts of which the reply waits for the next tick (R4.2). */
  readonly unanswered = new Set<InstanceKey>();
  /** No slot below this one of the own row is free. */
  nextSlot = 1;
  /** R4.5: the tick before which nobody is asked to answer at once who need not. */
  promptFrom = 0;
  /** R6.4: the last slot of the own row that is reserved on disk; 0 for none. */
  reserved: Slot = 0;
  /** Ticks since the start. */
  now = 0;
  /** What has happened and was not followed up yet: replica.ts does that at the end of each input. */
  news: News = noNews();

  constructor(options: ReplicaOptions) {
    this.quorums = quorumsOf(options.replicas);
    const { replicas } = this.quorums;
    assert(replicaIds(replicas).includes(options.id), `replica id ${options.id} is not in 1 to ${replicas}`);
    this.id = options.id;
    this.timing = { ...DEFAULT_TIMING, ...options.timing };
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.tickMs = options.tickMs ?? DEFAULT_TICK_MS;
    this.thrifty = options.thrifty ?? false;
    this.prng = new Prng(options.seed);
    this.reads = new Reads(this.prng.integer(1, 2 ** 40));
    this.peers = Array.from({ length: replicas - 1 }, (_, index) =>
      createPeer(((options.id + index) % replicas) + 1),
    );
    this.space = new InstanceSpace(replicas);
    this.index = new InterferenceIndex(replicas);
    this.durablyExecuted = noDeps(replicas);
    this.writtenExecuted = noDeps(replicas);
  }

  peer(id: ReplicaId): Peer {
    const peer = this.peers.find((each) => each.id === id);
    assert(peer !== undefined, `replica ${id} is not a peer of replica ${this.id}`);
    return peer;
  }

  /** True if this replica itself or a reachable peer. */
  isReachable(id: ReplicaId): boolean {
    return id === this.id || this.peer(id).reachable;
  }

  /** True if what is planned may rest on the peer (R3.12). */
  isCountedOn(id: ReplicaId): boolean {
    return isCountedOn(this, this.peer(id));
  }

  send(to: ReplicaId, message: Message): void {
    noteSent(this, this.peer(to), message);
    this.outbox.messages.push({ to, message });
  }

  /** The same for what may leave while what it speaks of is still being written (R6.4). */
  sendEarly(to: ReplicaId, message: Message): void {
    noteSent(this, this.peer(to), message);
    this.outbox.early.push({ to, message });
  }

  /** The same for what speaks of a record that may not be on disk yet: this batch is synced (R6.1). */
  sendSynced(to: ReplicaId, message: Message): void {
    this.outbox.sync = true;
    this.send(to, message);
  }

  broadcast(message: Message): void {
    for (const peer of this.peers) this.send(peer.id, message);
  }

  /** The instance is pre-accepted here, at ballot 0 (R3.1, R3.2). */
  preAccept(
    id: InstanceId,
    value: Pick<InstanceRecord, 'command' | 'attributes' | 'initial' | 'follower'>,
    options: SyncOptions,
  ): void {
    this.update({ ...this.space.get(id), status: Status.preAccepted, ...value }, options);
  }

  /** A value is accepted here at a ballot, which is promised with it (R3.6). */
  accept(id: InstanceId, ballot: Ballot, { command, attributes }: Value): void {
    const record = this.space.get(id);
    this.update(
      {
        ...record,
        status: Status.accepted,
        ballot,
        acceptedBallot: ballot,
        // R2.4: a command that was known stays known also when the no-op is accepted.
        command: record.command ?? command,
        noOp: command === null,
        attributes,
      },
      { sync: true },
    );
  }

  /** Nothing at a lower ballot is taken any more (R5.1); whatever round there was here ends. */
  promise(id: InstanceId, ballot: Ballot): void {
    this.endRound(id);
    this.update({ ...this.space.get(id), ballot }, { sync: true });
  }

  /** The initial attributes are learned from a Validate, and the command, which counts from now on (R5.6). */
  learnInitial(id: InstanceId, { command, attributes }: Value): void {
    const record = this.space.get(id);
    this.update({ ...record, command: record.command ?? command, initial: attributes }, { sync: true });
  }

  /** The value is final (R3.7); whatever round there was here ends. */
  commit(id: InstanceId, { command, attributes }: Value, options: SyncOptions): void {
    const record = this.space.get(id);
    this.update(
      {
        ...record,
        status: Status.committed,
        command: record.command ?? command,
        noOp: command === null,
        attributes,
      },
      options,
    );
  }

  /**
   * Replaces an instance's record, here and in the next batch for the store. For the transitions above.
   * @param options.sync true if nothing may be said of the new record before it is on disk (R6.1, R6.2)
   */
  update(record: InstanceRecord, options: SyncOptions): void {
    const previous = this.space.get(record.id);
    assertTransition(previous, record);
    this.outbox.records.set(instanceKey(record.id), record);
    this.outbox.sync ||= options.sync;
    this.enter(previous, record);
  }

  /** Hands over the batch; what earlier ones executed is on disk once a synced one is (R6.1). */
  takeOutbox(): Ready {
    const { unflushedBytes, unflushedInstances } = this.limits;
    if (this.unflushedBytes >= unflushedBytes || this.unflushedInstances >= unflushedInstances) this.flush();
    if (this.outbox.sync) this.reserveSlots();
    const ready = this.outbox.seal();
    this.outbox = new Outbox();
    if (ready.reserved !== null) this.reserved = ready.reserved;
    if (ready.sync) this.durablyExecuted = this.writtenExecuted;
    if (ready.flush) {
      this.writtenExecuted = this.space.executed();
      this.unflushed = false;
      this.unflushedInstances = 0;
      this.unflushedBytes = 0;
    }
    return ready;
  }

  /** R6.4: with a batch that is synced anyway, so that slots are nearly always reserved before they are needed. */
  private reserveSlots(): void {
    const { reservedSlots } = this.limits;
    if (this.quorums.replicas > 3 || reservedSlots === 0) return;
    const used = this.nextSlot - 1;
    if (this.reserved - used < reservedSlots / 2) this.outbox.reserved = used + reservedSlots;
  }

  /** R7.4: what has been executed is to be written with this batch. */
  flush(): void {
    this.outbox.flush ||= this.unflushed;
  }

  /** Puts a record that came from the store in its place. */
  restore(record: InstanceRecord): void {
    this.enter(this.space.get(record.id), record);
    if (record.status === Status.executed) this.retainedBytes += sizeOf(record);
  }

  /** Forgets an executed instance, the next of its row. */
  forget(id: InstanceId): void {
    this.retainedBytes -= sizeOf(this.space.get(id));
    this.index.forget(id);
    this.space.prune(id);
  }

  /** The round under way for an instance, if this replica coordinates one. */
  roundOf(id: InstanceId): Round | undefined {
    return this.rounds.get(instanceKey(id));
  }

  /** This replica coordinates the instance from now on; what it did about it before ends. */
  beginRound(round: Round): void {
    const key = instanceKey(round.id);
    this.waitingRecoveries.delete(key);
    this.rounds.set(key, round);
  }

  /** R5.7: all of Q have answered, and the decision waits for other instances. */
  letWait(round: ValidateRound): void {
    round.isWaiting = true;
    this.waitingRecoveries.set(instanceKey(round.id), round);
  }

  /** Gives up whatever this replica was waiting for as coordinator of the instance. */
  endRound(id: InstanceId): void {
    this.dropRound(instanceKey(id));
    if (id.replica === this.id) this.leaveUnsettled(id);
  }

  private dropRound(key: InstanceKey): void {
    this.rounds.delete(key);
    this.waitingRecoveries.delete(key);
  }

  /** Notes an own instance that this replica must see committed, by whomever. */
  leaveUnsettled(id: InstanceId): void {
    this.progress.unsettled.add(instanceKey(id));
  }

  /** Runs the executor for one slice; what became executable is marked, and goes into the batch in order. */
  execute(dependencies: DependencySource): void {
    this.executor.run(dependencies, this.limits.executionSteps);
  }

  /** The turn of a committed instance has come: its effects belong into this batch. */
  markExecuted(record: InstanceRecord): void {
    this.space.put({ ...record, status: Status.executed });
    const command = record.noOp ? null : record.command;
    const keys = command === null ? NO_KEYS : this.index.takeOfOperations(record.id);
    this.outbox.executions.push({ id: record.id, command, keys });
    this.unflushed = true;
    this.unflushedInstances += 1;
    const bytes = command?.size ?? 0;
    this.unflushedBytes += bytes;
    this.retainedBytes += bytes;
    this.news.executed.push(record);
  }

  /** What has happened since the last call. */
  takeNews(): News {
    const { news } = this;
    this.news = noNews();
    return news;
  }

  /** Whoever walks down a row stops at what is executed (R7.2). */
  private learn(id: InstanceId, command: Command): void {
    this.index.learn({ ...id, settled: this.space.row(id.replica).executed }, command);
  }

  private enter(previous: InstanceRecord, record: InstanceRecord): void {
    this.space.put(record);
    if (record.command !== null) {
      const isNew = previous.command === null;
      if (isNew) this.learn(record.id, record.command);
      const seq = highestSeq(record);
      if (isNew || seq > highestSeq(previous)) this.index.raiseSeq(record.id, seq);
    }
    const key = instanceKey(record.id);
    const settled = isCommitted(record) && !isCommitted(previous);
    if (settled && record.status === Status.committed) {
      this.dropRound(key);
      this.progress.unsettled.delete(key);
      if (record.noOp) this.markExecuted(record);
      else this.executor.committed(key);
    }
    if (settled || isKnown(record) !== isKnown(previous)) this.executor.resolved(key);
    if (settled) this.news.commits += 1;
  }
}

/** Bytes of the operations that it stands for. */
function sizeOf({ noOp, command }: InstanceRecord): number {
  return noOp ? 0 : (command?.size ?? 0);
}

/** The highest seq that a record tells of. */
function highestSeq({ attributes, initial }: InstanceRecord): number {
  return Math.max(attributes?.seq ?? 0, initial?.seq ?? 0);
}

/** Invariant: a record only moves forward (protocol.md section 1, R3.6, R3.7). */
function assertTransition(from: InstanceRecord, to: InstanceRecord): void {
  const name = formatInstance(to.id);
  assert(to.ballot >= from.ballot, `${name}: a promise is never taken back`);
  assert(to.acceptedBallot >= from.acceptedBallot, `${name}: the accepted ballot never sinks`);
  assert(to.ballot >= to.acceptedBallot, `${name}: what is accepted is promised`);
  assert(from.command === null || to.command !== null, `${name}: a known command is never forgotten`);
  assert(!isCommitted(from), `${name}: a commit is final`);
  assert(to.status >= from.status, `${name}: a status never goes back`);
  if (
    from.status === Status.accepted &&
    to.status === Status.accepted &&
    to.acceptedBallot === from.acceptedBallot
  ) {
    assert(from.noOp === to.noOp && from.attributes === to.attributes, `${name}: one value a ballot`);
  }
  if (to.attributes !== null && !to.noOp) {
    const own = to.attributes.deps[to.id.replica - 1] ?? 0;
    assert(own < to.id.slot, `${name}: in its own row an instance depends on earlier slots only (R2.5)`);
  }
}
