/** One machine of the simulated world, with a disk and a production replica on it: it can die at any step, or stand still. */
import type { Message, Replica, ReplicaId } from '../../src/epaxos/index.ts';
import type { KvOperation, Row } from '../../src/kv/index.ts';
import { assert } from '../../src/util/assert.ts';
import type { Prng } from '../../src/util/prng.ts';
import type { Reply } from './calls.ts';
import { Disk } from './disk.ts';
import { between, pick } from './draw.ts';
import type { Loss } from './faults.ts';
import type { WorldOptions } from './options.ts';
import { type Machine, Process, STAGES, type Stage } from './process.ts';
import { forgetful } from './sabotage.ts';
import type { Lent, Member } from './setting.ts';
import type { ServedSnapshot } from './snapshot-source.ts';

/** What the world lends to each replica. */
export interface Surroundings extends Lent {
  readonly options: WorldOptions;
  /** A replica is asked for a chunk of its snapshot. */
  readonly serveSnapshot: (source: ReplicaId, served: ServedSnapshot) => void;
}

export class SimulatedReplica implements Machine, Member {
  readonly id: ReplicaId;
  readonly world: Surroundings;
  readonly disk: Disk;
  readonly generation = 1;
  crashStage: Stage | null = null;
  snapshots = 0;
  isPaused = false;
  /** How many times slower the disk is now. */
  diskFactor = 1;
  #process: Process | null = null;
  /** What would have gone on while it was paused. */
  #delayed: (() => void)[] = [];
  #diskFails = false;

  constructor(id: ReplicaId, world: Surroundings) {
    this.id = id;
    this.world = world;
    const { replicas, disk } = world.options;
    this.disk = new Disk({ replicas, encoded: disk.encoded });
  }

  get isUp(): boolean {
    return this.#process !== null;
  }

  /** True while what the core counts as executed may not be in the table yet. */
  get isExecuting(): boolean {
    return this.#process?.isInTurn ?? false;
  }

  /** The core of the running process; null if there is none. To be looked at only. */
  get core(): Replica | null {
    return this.#process?.core ?? null;
  }

  /** The table of the running process. */
  get rows(): ReadonlyMap<string, Row> {
    return this.#process?.rows() ?? new Map();
  }

  /** Starts a process on what the disk holds. */
  start(): void {
    assert(this.#process === null, 'one process at a time');
    const { options, trace, queue, observers } = this.world;
    const contents = forgetful(options.sabotage, this.id, this.disk.load());
    trace.note(queue.nowMs, this.id, 'starts', contents.records.length, contents.executions);
    observers.restarted(this.id, contents);
    this.#process = new Process(this, contents);
    this.#process.wake();
  }

  /** The process dies at once. */
  crash(loss: Loss): void {
    if (this.#process === null) return;
    const { prng, statistics, trace, queue } = this.world;
    const { unsynced } = this.disk;
    const some = loss === 'some' ? prng.integer(0, unsynced) : unsynced;
    const kept = loss === 'everything' ? 0 : some;
    trace.note(queue.nowMs, this.id, 'crashes, batches lost:', unsynced - kept);
    statistics.crashes += 1;
    statistics.batchesLost += unsynced - kept;
    this.disk.crash(kept);
    this.#process = null;
    this.isPaused = false;
    this.#delayed = [];
    this.calm();
  }

  /** Orders a crash at the next such step of a turn. */
  crashAtSomeStep(prng: Prng): void {
    this.crashStage = pick(prng, STAGES);
  }

  /** The next write fails, and the process dies of it. */
  failDisk(): void {
    this.#diskFails = true;
  }

  /** Takes back what was ordered and has not happened. */
  calm(): void {
    this.crashStage = null;
    this.#diskFails = false;
  }

  /** Stands still: no ticks, no turns; what arrives waits, or is lost. */
  pause(): void {
    if (this.#process === null || this.isPaused) return;
    this.isPaused = true;
    this.world.trace.note(this.world.queue.nowMs, this.id, 'pauses');
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.world.trace.note(this.world.queue.nowMs, this.id, 'goes on');
    const delayed = this.#delayed;
    this.#delayed = [];
    for (const action of delayed) action();
    this.#process?.wake();
  }

  receive(from: ReplicaId, messages: readonly Message[]): void {
    if (this.isPaused && this.world.options.faults.pausesLose) return;
    this.#process?.receive(from, messages);
  }

  /** A peer asks for a chunk of a snapshot. Who is down does not answer. */
  serveSnapshot(served: ServedSnapshot): void {
    const process = this.#process;
    if (process !== null) this.later(process, 0, () => process.snapshots.serve(served));
  }

  tick(): void {
    if (!this.isPaused) this.#process?.tick();
  }

  /** Tells how a peer looks. */
  setReachable(peer: ReplicaId, reachable: boolean): void {
    if (!this.isPaused) this.#process?.setReachable(peer, reachable);
  }

  /** Recovers an instance that is open here, though nobody asked for it. */
  recoverAny(): void {
    if (!this.isPaused) this.#process?.recoverAny();
  }

  /** A client's call. False: nobody is there. Who dies of it was there, and may have proposed it. */
  submit(operation: KvOperation, timeoutMs: number, reply: Reply): boolean {
    if (this.#process === null) return false;
    this.#process.submit(operation, timeoutMs, reply);
    return true;
  }

  later(process: Process, delayMs: number, action: () => void): void {
    const run = () => {
      if (process !== this.#process) return;
      if (this.isPaused) this.#delayed.push(run);
      else action();
    };
    this.world.queue.after(delayMs, run);
  }

  afterDisk(process: Process, usualMs: number, action: () => void): void {
    this.later(process, between(this.world.prng, 0.5, 1.5) * usualMs * this.diskFactor, () => {
      if (!this.#diskFails) {
        action();
        return;
      }
      this.world.trace.note(this.world.queue.nowMs, this.id, 'has a disk error');
      this.world.statistics.diskErrors += 1;
      this.#die();
    });
  }

  diesAt(stage: Stage): boolean {
    if (this.crashStage !== stage) return false;
    this.world.trace.note(this.world.queue.nowMs, this.id, 'dies while', stage);
    this.#die();
    return true;
  }

  #die(): void {
    this.crash('some');
    this.world.onDeath(this.id);
  }
}
