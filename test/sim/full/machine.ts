/** A machine of a full world, with its disk, its clock, and at most one process: it can die at any step, or stand still. */
import type { Replica, ReplicaId, RowProgress } from '../../../src/epaxos/index.ts';
import { KvError } from '../../../src/errors.ts';
import type { KvOperation } from '../../../src/kv/index.ts';
import { assert } from '../../../src/util/assert.ts';
import type { Prng } from '../../../src/util/prng.ts';
import type { Reply } from '../calls.ts';
import { Violation } from '../checkers/violation.ts';
import { between } from '../draw.ts';
import type { Loss } from '../faults.ts';
import type { Lent, Member } from '../setting.ts';
import { DurableView } from './durable-view.ts';
import type { FullWorldOptions } from './options.ts';
import { FullProcess } from './process.ts';
import type { SimulatedTransport } from './transport.ts';
import { Volume } from './volume.ts';
import type { KnownSnapshots } from './watcher.ts';

/** What the world lends to each machine. */
export interface FullSurroundings extends Lent {
  readonly options: FullWorldOptions;
  readonly snapshots: KnownSnapshots;
  readonly guard: (check: () => void) => void;
  /** The store of a replica is at a moment at which it may be asked whether it could be opened again. */
  readonly lookAt: (id: ReplicaId) => void;
  /** Promises were made or settled: what follows from them is to happen before the next event. */
  readonly stirred: () => void;
  readonly transportOf: (id: ReplicaId) => SimulatedTransport | null;
}

/** Steps of a process within which an ordered crash comes. */
const CRASH_STEPS = 60;

export class FullMachine implements Member {
  readonly id: ReplicaId;
  readonly world: FullSurroundings;
  readonly volume: Volume;
  readonly disk: DurableView;
  readonly storeId: string;
  #runs = 0;
  /** How many milliseconds of its clock pass in one. */
  readonly clockRate: number;
  isPaused = false;
  diskFactor = 1;
  /** The same for all its time. */
  readonly #ownDiskFactor: number;
  /** Whether it has died for good. */
  isGone = false;
  /** Whether its disk does nothing now, and takes everything. */
  isHanging = false;
  /** Whether all that is sent to it is lost. */
  isDeaf = false;
  #process: FullProcess | null = null;
  #rowsAtDeath: readonly RowProgress[] = [];
  #delayed: (() => void)[] = [];
  #hung: (() => void)[] = [];
  #diskFails = false;
  #stepsLeft = Number.POSITIVE_INFINITY;
  /** Steps of copying snapshots and of putting them in place. */
  #copySteps = 0;
  /** Whether nothing goes wrong in such a step any more. */
  isHealed = false;

  constructor(id: ReplicaId, world: FullSurroundings) {
    const { full, replicas } = world.options;
    this.#ownDiskFactor = id === replicas ? full.laggardFactor : 1;
    this.id = id;
    this.world = world;
    this.volume = new Volume(full);
    this.disk = new DurableView(this.volume, replicas);
    this.storeId = `store-${id}`.padEnd(32, '0');
    this.clockRate = full.clockRates[id - 1] ?? 1;
  }

  /** The name of the next run of its store. */
  nextRun(): string {
    this.#runs += 1;
    return `${this.id}`.padStart(2, '0') + `${this.#runs}`.padStart(6, '0');
  }

  get isUp(): boolean {
    return this.#process !== null;
  }

  get isExecuting(): boolean {
    return this.#process?.isBusy ?? true;
  }

  get core(): Replica | null {
    return this.#process?.core ?? null;
  }

  /** The rows of the instance space as its core tells them, or as the last one did before it died. */
  get rows(): readonly RowProgress[] {
    return this.core?.status().rows ?? this.#rowsAtDeath;
  }

  /** What the process that runs tells; 0 if there is none. */
  get generation(): number {
    return this.#process?.generation ?? 0;
  }

  get process(): FullProcess | null {
    return this.#process;
  }

  start(): void {
    if (this.isGone) return;
    assert(this.#process === null, 'one process at a time');
    this.#process = new FullProcess(this);
    this.#process.start();
  }

  crash(loss: Loss): void {
    const process = this.#process;
    if (process === null) return;
    const { prng, statistics, trace, queue } = this.world;
    this.#rowsAtDeath = this.rows;
    process.isDead = true;
    process.transport.died();
    this.#process = null;
    const lost = this.volume.crash(loss, prng);
    trace.note(queue.nowMs, this.id, 'crashes, batches lost:', lost);
    statistics.crashes += 1;
    statistics.batchesLost += lost;
    this.isPaused = false;
    this.#delayed = [];
    this.#hung = [];
    this.calm();
  }

  crashAtSomeStep(prng: Prng): void {
    this.#stepsLeft = prng.integer(1, CRASH_STEPS);
  }

  /** The next step of copying a snapshot, or of putting it in place, is about to be written. */
  copying(): void {
    const { options, prng, trace, queue, lookAt } = this.world;
    const { copyFault } = options.full;
    lookAt(this.id);
    this.#copySteps += 1;
    if (this.isHealed || this.#copySteps !== copyFault?.step) return;
    trace.note(queue.nowMs, this.id, 'fault', 'while copying', copyFault.kind);
    if (copyFault.kind === 'diskError') this.failDisk();
    else this.#stepsLeft = prng.integer(1, 3);
  }

  failDisk(): void {
    this.#diskFails = true;
  }

  calm(): void {
    this.#stepsLeft = Number.POSITIVE_INFINITY;
    this.#diskFails = false;
  }

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
  }

  /** From now on the disk does nothing of what it is asked. */
  hang(): void {
    this.isHanging = true;
  }

  /** What it was asked meanwhile is done. */
  unhang(): void {
    this.isHanging = false;
    const hung = this.#hung;
    this.#hung = [];
    for (const action of hung) action();
  }

  /** The production loop recovers nothing that it does not need. */
  recoverAny(): void {}

  receive(from: ReplicaId, messages: Parameters<SimulatedTransport['receive']>[1]): void {
    const process = this.#process;
    if (process === null || this.isDeaf) return;
    if (this.isPaused && this.world.options.faults.pausesLose) return;
    this.later(process, 0, () => {
      for (const message of messages) {
        this.world.trace.delivered(this.world.queue.nowMs, { from, to: this.id }, message);
      }
      process.transport.receive(from, messages);
    });
  }

  setReachable(peer: ReplicaId, reachable: boolean): void {
    if (this.isPaused) return;
    const roundTripMs = this.world.network.roundTripMs(this.id, peer);
    this.#process?.transport.found(peer, { reachable, roundTripMs });
  }

  submit(operation: KvOperation, timeoutMs: number, reply: Reply): boolean {
    const process = this.#process;
    if (process === null) return false;
    if (!this.isPaused) return process.submit(operation, timeoutMs, reply);
    this.later(process, 0, () => void process.submit(operation, timeoutMs, reply));
    return true;
  }

  /** Does something for a process after some time, once the machine is not paused; nothing if the process is dead then. */
  later(process: FullProcess, delayMs: number, action: () => void): void {
    const run = () => {
      if (process.isDead) return;
      if (this.isPaused) this.#delayed.push(run);
      else action();
    };
    this.world.queue.after(delayMs, run);
  }

  /** The same for when the disk has done something. */
  afterDisk(process: FullProcess, kind: 'write' | 'sync', done: (error: Error | null) => void): void {
    const { options, prng } = this.world;
    const usualMs = kind === 'sync' ? options.disk.syncMs : options.disk.writeMs;
    const finish = () => {
      if (process.isDead) return;
      if (this.isHanging) {
        this.#hung.push(finish);
        return;
      }
      if (!this.#diskFails) {
        done(null);
        return;
      }
      this.world.trace.note(this.world.queue.nowMs, this.id, 'has a disk error');
      this.world.statistics.diskErrors += 1;
      process.hasDiskError = true;
      done(new Error('simulated disk error'));
    };
    this.later(process, between(prng, 0.5, 1.5) * usualMs * this.diskFactor * this.#ownDiskFactor, finish);
  }

  /** A step of the process, at which a crash may have been ordered. */
  step(what: string): void {
    this.#stepsLeft -= 1;
    if (this.#stepsLeft > 0) return;
    this.world.trace.note(this.world.queue.nowMs, this.id, 'dies while', what);
    this.#die();
  }

  /** The process has ended itself. */
  failed(error: unknown): void {
    if (this.#process?.hasDiskError !== true) {
      const isStorage = error instanceof KvError && error.code === 'storageFailure';
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.world.guard(() => {
        throw new Violation(isStorage ? 'storage' : 'assertion', `replica ${this.id}: ${reason}`);
      });
    }
    this.#die();
  }

  /** Where a write has failed, the process may end alone, and what it had handed over before is written all the same. */
  #die(): void {
    const luck = this.world.prng.next();
    const most = this.#process?.hasDiskError === true && luck > 0.6 ? 'nothing' : 'some';
    this.crash(luck < 0.2 ? 'everything' : most);
    this.world.onDeath(this.id);
  }
}
