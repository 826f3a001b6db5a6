/**
 * One run of a replica's program: the core, the state machine and the server's loop in virtual time, step for step
 * in the same order. It ends in a crash; what it has written stays with the machine it ran on.
 */
import {
  type Envelope,
  type Execution,
  type InstanceId,
  type InstanceRecord,
  type Message,
  type Proposal,
  type Ready,
  Replica,
  type ReplicaId,
  Status,
} from '../../src/epaxos/index.ts';
import {
  asKvOperation,
  type Changes,
  isRead,
  isWrite,
  type KvOperation,
  type OperationResult,
  type Row,
} from '../../src/kv/index.ts';
import { recover } from '../support/recover.ts';
import { Beats } from './beats.ts';
import { type Call, Calls, type Reply } from './calls.ts';
import type { Disk } from './disk.ts';
import { type DiskContents, storedPage } from './disk-state.ts';
import { chance } from './draw.ts';
import { answerByItself, inExecutionOrder } from './sabotage.ts';
import type { Surroundings } from './simulated-replica.ts';
import { SnapshotCopy } from './snapshot-copy.ts';
import { SnapshotSource } from './snapshot-source.ts';
import { countPruning } from './statistics.ts';
import { Table } from './table.ts';

/** Steps of a turn at which a crash can be ordered. */
export const STAGES = [
  'writing',
  'written',
  'sending',
  'sent',
  'executed',
  'answering',
  'flushing',
  'flushed',
  'installing',
  'installed',
] as const;
export type Stage = (typeof STAGES)[number];

/** The machine that a process runs on. */
export interface Machine {
  readonly id: ReplicaId;
  readonly world: Surroundings;
  readonly disk: Disk;
  readonly isPaused: boolean;
  /** How many snapshots were opened here for peers. */
  snapshots: number;
  /** The step at which a crash is ordered, if any. */
  readonly crashStage: Stage | null;
  /** Does something for a process after a delay, once the machine is not paused; nothing if the process is dead then. */
  later(process: Process, delayMs: number, action: () => void): void;
  /** The same for when the disk has done what usually takes it so long. A disk error kills the process instead. */
  afterDisk(process: Process, usualMs: number, action: () => void): void;
  /** True if a crash was ordered for this step: then the process is dead. */
  diesAt(stage: Stage): boolean;
}

/** Messages that wait for a turn; more are dropped. */
const INBOX_MESSAGES = 2_000;

const NO_CHANGES: Changes = { rows: new Map(), pages: new Set(), generation: null };

export class Process {
  core: Replica;
  readonly snapshots: SnapshotSource;
  readonly #machine: Machine;
  #table: Table;
  /** Executed, with effects that are not written yet. */
  #executed: InstanceId[] = [];
  readonly #calls: Calls;
  readonly #copy: SnapshotCopy;
  /** Which peers are reachable, as far as was told, and what of it is news to the core. */
  readonly #peers = new Map<ReplicaId, boolean>();
  #reachable = new Map<ReplicaId, boolean>();
  #messages: { readonly from: ReplicaId; readonly message: Message }[] = [];
  #proposals = new Set<Proposal<KvOperation>>();
  readonly #beats: Beats;
  #turn: 'idle' | 'scheduled' | 'running' = 'idle';

  constructor(machine: Machine, contents: DiskContents) {
    this.#machine = machine;
    this.core = restored(machine, contents);
    this.snapshots = new SnapshotSource(machine);
    this.#copy = new SnapshotCopy(machine, this);
    this.#table = new Table(contents);
    this.#beats = new Beats(machine.world);
    this.#calls = new Calls((proposal) => this.#proposals.delete(proposal) || this.core.withdraw(proposal));
  }

  /** True while what the core counts as executed may not be in the table yet. */
  get isInTurn(): boolean {
    return this.#turn === 'running';
  }

  /** Every row as it is now, whether it is written or not. */
  rows(): Map<string, Row> {
    return this.#table.rows();
  }

  receive(from: ReplicaId, messages: readonly Message[]): void {
    const { world, id } = this.#machine;
    for (const message of messages) {
      world.trace.delivered(world.queue.nowMs, { from, to: id }, message);
      if (this.#messages.length < INBOX_MESSAGES) this.#messages.push({ from, message });
    }
    this.wake();
  }

  tick(): void {
    if (this.#beats.pass()) this.wake();
  }

  setReachable(peer: ReplicaId, reachable: boolean): void {
    const { world, id } = this.#machine;
    this.#peers.set(peer, reachable);
    this.#reachable.set(peer, reachable);
    this.core.setRoundTrip(peer, world.network.roundTripMs(id, peer));
    this.wake();
  }

  /** Recovers an instance that is open here, though nobody asked for it; nothing happens if there is none. */
  recoverAny(): void {
    if (this.#turn === 'running') return;
    const open: InstanceRecord[] = [];
    for (const row of this.core.state.space.rows) {
      for (let slot = row.committed + 1; slot <= row.highest; slot += 1) {
        const record = row.records.get(slot);
        if (record !== undefined && record.status < Status.committed) open.push(record);
      }
    }
    const record = open[Math.floor(this.#machine.world.prng.next() * open.length)];
    if (record === undefined) return;
    recover(this.core, record.id);
    this.wake();
  }

  /** A client's call, as the server takes it. */
  submit(operation: KvOperation, timeoutMs: number, reply: Reply): void {
    const { sabotage } = this.#machine.world.options;
    if (sabotage !== null) {
      const row = (key: string) => this.#table.state.row(key);
      const submit = (part: KvOperation, replyPart: Reply) => this.submit(part, timeoutMs, replyPart);
      if (answerByItself(sabotage, operation, { row, submit, reply })) return;
    }
    const recorded = this.#find(operation);
    if (recorded !== undefined) {
      reply({ type: 'answered', result: recorded });
      return;
    }
    const call: Call = { operation, reply };
    const proposal = this.#calls.add(call);
    if (proposal !== null) this.#proposals.add(proposal);
    this.#machine.later(this, timeoutMs, () => this.#calls.expire(call));
    this.wake();
  }

  /** Has a turn begun, unless one is under way. */
  wake(): void {
    if (this.#turn !== 'idle' || this.#machine.isPaused) return;
    this.#turn = 'scheduled';
    const { turnMs } = this.#machine.world.options;
    if (turnMs === 0) this.#begin();
    else this.#machine.later(this, turnMs, () => this.#begin());
  }

  #begin(): void {
    this.#turn = 'running';
    if (this.#copy.isComplete) this.#install();
    else this.#drain();
  }

  /** Before a turn: the snapshot that was copied takes the place of the state, and a new core begins from it. */
  #install(): void {
    if (this.#executed.length > 0) this.#writeEffects({ flush: true, pruned: null }, () => this.#replace());
    else this.#replace();
  }

  #replace(): void {
    const { world, disk, id } = this.#machine;
    const anyhow = world.options.sabotage === 'unfitSnapshots';
    if (!disk.beginInstallation({ anyhow })) {
      world.trace.note(world.queue.nowMs, id, 'refuses a snapshot');
      world.statistics.snapshotsRefused += 1;
      this.#copy.finished({ installed: false });
      this.#drain();
      return;
    }
    if (this.#machine.diesAt('installing')) return;
    this.#machine.afterDisk(this, 2 * world.options.disk.syncMs, () => {
      disk.complete({ sync: true });
      const contents = disk.load();
      world.trace.note(world.queue.nowMs, id, 'goes on from snapshot', contents.installed ?? '');
      world.observers.installed(id, contents);
      this.#beginAnew(contents);
      this.#copy.finished({ installed: true });
      if (!this.#machine.diesAt('installed')) this.#drain();
    });
  }

  /** What the old core had not proposed is for the new one; what it had is settled there by recovery. */
  #beginAnew(contents: DiskContents): void {
    const { world, id } = this.#machine;
    const before = this.core;
    this.core = restored(this.#machine, contents);
    this.#table = new Table(contents);
    this.#executed = [];
    for (const [peer, reachable] of this.#peers) {
      this.core.setRoundTrip(peer, world.network.roundTripMs(id, peer));
      this.core.setReachable(peer, reachable);
    }
    for (const proposal of this.#calls.proposals()) {
      const { operation } = proposal;
      const isTakenBack = before.withdraw(proposal);
      const recorded = this.#find(operation);
      if (recorded !== undefined) this.#calls.answer(operation, recorded);
      else if (isTakenBack) this.#proposals.add(proposal);
    }
  }

  /** Steps 1 and 2: drains what arrived, and takes what the core wants done. */
  #drain(): void {
    const { core } = this;
    const isBeat = this.#beats.take(core);
    for (const [peer, isReachable] of this.#reachable) core.setReachable(peer, isReachable);
    for (const { from, message } of this.#messages) core.step(from, message);
    for (const proposal of this.#proposals) {
      if (!this.#take(proposal)) this.#calls.refuse(proposal.operation);
    }
    if (isBeat) core.tick();
    this.#reachable.clear();
    this.#messages = [];
    this.#proposals.clear();
    if (core.hasReady()) this.#write(core.takeReady());
    else this.#rest();
  }

  /** The turn is over. */
  #rest(): void {
    this.#turn = 'idle';
    this.#beats.turned(this.core);
  }

  /** What a write answered when it was executed, if it was. */
  #find(operation: KvOperation): OperationResult | undefined {
    return isWrite(operation) ? this.#table.state.sessions.find(operation.request, operation.key) : undefined;
  }

  #take(proposal: Proposal<KvOperation>): boolean {
    const { operation } = proposal;
    const isRead = operation.kind === 'get' && this.#machine.world.options.workload.readsAtBarrier;
    return isRead ? this.core.read(operation) : this.core.propose(proposal);
  }

  /** Step 3: records, synced where they must be; what may leave while they are being written. */
  #write(ready: Ready): void {
    const { world, disk, id } = this.#machine;
    const { sabotage, disk: speed } = world.options;
    if (sabotage === 'sendBeforeWrite') this.#transmit(ready.messages);
    this.#transmit(ready.early);
    if (ready.records.length === 0 && !ready.sync) {
      this.#send(ready);
      return;
    }
    disk.begin({ records: ready.records, reserved: ready.reserved });
    if (this.#machine.diesAt('writing')) return;
    this.#machine.afterDisk(this, ready.sync ? speed.syncMs : speed.writeMs, () => {
      disk.complete({ sync: ready.sync && sabotage !== 'lyingDisk' });
      world.observers.written(id, ready.records);
      if (!this.#machine.diesAt('written')) this.#send(ready);
    });
  }

  /** Step 4: messages. */
  #send(ready: Ready): void {
    const { world, id, crashStage } = this.#machine;
    world.observers.happened(id, ready);
    if (world.options.sabotage !== 'sendBeforeWrite') {
      const { messages } = ready;
      if (crashStage === 'sending') {
        this.#transmit(messages.slice(0, world.prng.integer(0, messages.length)));
        if (this.#machine.diesAt('sending')) return;
      } else {
        this.#transmit(messages);
      }
    }
    if (!this.#machine.diesAt('sent')) this.#execute(ready);
  }

  #transmit(messages: readonly Envelope[]): void {
    const { world, disk, id } = this.#machine;
    if (world.options.sabotage === 'silentReplica' && id === 2) return;
    for (const { message } of messages) world.observers.sending(id, message, disk);
    world.network.send(id, messages);
  }

  /** Step 5: what has become executable, in memory. */
  #execute(ready: Ready): void {
    const { world, id } = this.#machine;
    const { state } = this.#table;
    const executions = inExecutionOrder(world.options.sabotage, id, ready.executions);
    const operations = executions.flatMap(({ command }) => command?.operations.map(asKvOperation) ?? []);
    const isUnread = (each: KvOperation) => each.kind === 'multiGet' && !this.#calls.has(each);
    const results = this.#table.execute(executions, isUnread);
    const rows = new Map(operations.map(({ key }) => [key, state.row(key) ?? null]));
    if (executions.length > 0) {
      world.observers.executed(id, { executions, results, rows });
      this.#note(executions);
      for (const execution of executions) this.#executed.push(execution.id);
    }
    if (!this.#machine.diesAt('executed')) this.#answer(ready, { operations, results });
  }

  /** Step 6: the clients. */
  #answer(
    ready: Ready,
    executed: {
      readonly operations: readonly KvOperation[];
      readonly results: readonly OperationResult[];
    },
  ): void {
    const { world, crashStage } = this.#machine;
    for (const [index, operation] of executed.operations.entries()) {
      const result = executed.results[index];
      if (result !== undefined) this.#calls.answer(operation, result);
      if (crashStage === 'answering' && chance(world.prng, 0.5)) break;
    }
    if (this.#machine.diesAt('answering')) return;
    // Reads without an instance see what the executions of their batch left.
    for (const operation of ready.reads.map(asKvOperation).filter(isRead)) {
      this.#calls.answer(operation, this.#table.state.read(operation));
    }
    this.#flush(ready);
  }

  /** Step 7: what is due of the effects. */
  #flush(ready: Ready): void {
    if (ready.flush || ready.pruned !== null) this.#writeEffects(ready, () => this.#end(ready));
    else this.#end(ready);
  }

  /** The effects of all that was executed, with its marks, in one batch, not synced; and what is pruned. */
  #writeEffects({ flush, pruned }: Pick<Ready, 'flush' | 'pruned'>, next: () => void): void {
    const { world, disk } = this.#machine;
    const { rows, pages } = flush ? this.#table.state.takeChanges() : NO_CHANGES;
    const executed = flush ? this.#executed.splice(0) : [];
    disk.begin({ rows, pages: Array.from(pages, storedPage), executed, pruned });
    if (pruned !== null) countPruning(world.statistics, this.core, pruned);
    if (this.#machine.diesAt('flushing')) return;
    this.#machine.afterDisk(this, world.options.disk.writeMs, () => {
      disk.complete({ sync: false });
      if (flush) this.#table.written(rows);
      if (!this.#machine.diesAt('flushed')) next();
    });
  }

  #end({ snapshotFrom }: Ready): void {
    if (snapshotFrom !== null) this.#copy.wanted(snapshotFrom);
    this.#rest();
    const arrived = this.#messages.length + this.#proposals.size + this.#reachable.size;
    const hasWork = arrived > 0 || this.#beats.isWaiting || this.core.hasReady() || this.#copy.isComplete;
    if (!hasWork) return;
    // Not at once: one turn after another must not grow the stack.
    this.#turn = 'scheduled';
    this.#machine.later(this, this.#machine.world.options.turnMs, () => this.#begin());
  }

  #note(executions: readonly Execution[]): void {
    const { world, id } = this.#machine;
    for (const execution of executions) {
      world.trace.note(world.queue.nowMs, id, 'executes', execution.id.replica, execution.id.slot);
    }
  }
}

/** A core that begins with what is on the disk. */
function restored({ id, world }: Machine, contents: DiskContents): Replica {
  const { options, prng } = world;
  const { replicas, timing, limits, thrifty } = options;
  const core = new Replica({ id, replicas, seed: prng.integer(0, 2 ** 31), timing, limits, thrifty });
  core.restore(contents);
  return core;
}
