/** One run of a replica's program: the production loop on the production store, with simulated ports around it. */
import type { Envelope, Replica, ReplicaId } from '../../../src/epaxos/index.ts';
import { KvError } from '../../../src/errors.ts';
import type { KvOperation } from '../../../src/kv/index.ts';
import { gaitFor } from '../../../src/node/gait.ts';
import { type Clock, createPeerStores, type OpenedNode, openNode } from '../../../src/node/index.ts';
import { DEFAULT_SNAPSHOT_LIMITS } from '../../../src/node/snapshot-server.ts';
import { LevelByteStore } from '../../../src/storage/level-byte-store.ts';
import { PinnedStore } from '../../../src/storage/pinned-store.ts';
import type { StoreMark } from '../../../src/wire/index.ts';
import type { Reply } from '../calls.ts';
import { SimulatedDatabase } from './database.ts';
import { silentLogger } from './logger.ts';
import type { FullMachine } from './machine.ts';
import { SimulatedTransport } from './transport.ts';
import { WaitingCalls } from './waiting-calls.ts';
import { WatchedStorage, Watcher } from './watcher.ts';

/** Beats of a timer by which a call whose deadline has passed may hear so late: one may have been on its way, at rest. */
const LATE_BEATS = 2;

export class FullProcess {
  readonly transport: SimulatedTransport;
  readonly watcher: Watcher;
  isDead = false;
  /** Whether it was told that its disk has failed, so that it may end itself. */
  hasDiskError = false;
  readonly #machine: FullMachine;
  readonly #calls: WaitingCalls;
  readonly #database: SimulatedDatabase;
  readonly #storage: { current: WatchedStorage | null } = { current: null };
  readonly #startedMs: number;
  #opened: OpenedNode | null = null;

  constructor(machine: FullMachine) {
    const { world, id, volume, disk } = machine;
    this.#machine = machine;
    this.#startedMs = world.queue.nowMs;
    this.watcher = new Watcher({
      id,
      replicas: world.options.replicas,
      volume,
      disk,
      observers: world.observers,
      statistics: world.statistics,
      snapshots: world.snapshots,
      guard: world.guard,
      limits: world.options.full.limits,
      snapshotLimits: { ...DEFAULT_SNAPSHOT_LIMITS, ...world.options.full.snapshots },
      onStaging: () => machine.copying(),
      print: (line) => world.trace.printer?.(`${world.queue.nowMs.toFixed(3).padStart(10)} r${id} ${line}`),
      note: (what, ...details) => world.trace.note(world.queue.nowMs, id, what, ...details),
    });
    this.#calls = new WaitingCalls({
      name: `replica ${id}`,
      limits: world.options.full.limits,
      guard: world.guard,
    });
    this.#database = new SimulatedDatabase(volume, {
      step: (what) => this.step(what),
      afterDisk: (kind, done) => machine.afterDisk(this, kind, done),
      afterCompaction: (done) => world.queue.after(world.options.full.compactionMs, done),
      lineageAfter: (changes, before) => this.watcher.lineageAfter(changes, before),
      stirred: world.stirred,
    });
    const storage = this.#storage;
    const peerStore = {
      get id() {
        return machine.storeId;
      },
      peerStore: (peer: ReplicaId) => storage.current?.peerStore(peer),
      rememberPeerStore: (peer: ReplicaId, store: string) =>
        storage.current?.rememberPeerStore(peer, store) ?? Promise.resolve(),
      peerMark: (peer: ReplicaId) => storage.current?.peerMark(peer) ?? null,
      rememberPeerMark: (peer: ReplicaId, store: string, mark: StoreMark) =>
        storage.current?.rememberPeerMark(peer, store, mark) ?? Promise.resolve(),
      mark: () => storage.current?.mark() ?? null,
      holds: (mark: StoreMark) => storage.current?.holds(mark) ?? true,
    };
    this.transport = new SimulatedTransport({
      host: {
        id,
        isDead: () => this.isDead,
        step: (what) => this.step(what),
        stirred: world.stirred,
        later: (delayMs, action) => machine.later(this, delayMs, action),
        sending: (envelopes) => this.#sending(envelopes),
        serving: (chunk) => this.watcher.serving(chunk),
        peer: (peer) => world.transportOf(peer),
        snapshotTimeoutMs: world.options.snapshots.timeoutMs,
      },
      network: world.network,
      stores: createPeerStores(peerStore, (error) => this.#fail(error)),
      replicas: world.options.replicas,
    });
  }

  get core(): Replica | null {
    return this.watcher.core;
  }

  /** True while a turn may be under way: all that a turn waits for is the disk. */
  get isBusy(): boolean {
    return this.#opened === null || this.#database.writing > 0;
  }

  get generation(): number {
    return this.#opened?.node.generation ?? 0;
  }

  /** Opens the store and begins to serve. */
  start(): void {
    this.#machine.world.stirred();
    this.#open().catch((error: unknown) => this.#fail(error));
  }

  /** A client's call, as the services hand it over. False: it does not serve yet. */
  submit(operation: KvOperation, timeoutMs: number, reply: Reply): boolean {
    if (this.#opened === null) return false;
    let isOver = false;
    let ended = () => {};
    const answering = (tell: () => void) => {
      isOver = true;
      ended();
      if (this.step('answering')) tell();
    };
    try {
      const call = this.#opened.node.submit(operation, timeoutMs, {
        answered: (result) => answering(() => reply({ type: 'answered', result })),
        failed: (error) => answering(() => reply(outcomeOf(error))),
      });
      if (call !== null && !isOver) {
        ended = this.#calls.taken(operation);
        this.#afterDeadline(timeoutMs, () => this.#calls.late(operation, { isOver }));
      }
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      answering(() => reply(outcomeOf(error)));
    }
    return true;
  }

  /** When a call that waits so long must have heard that it is over. */
  #afterDeadline(timeoutMs: number, action: () => void): void {
    const machine = this.#machine;
    const { tickMs } = machine.world.options.full;
    const lateMs = LATE_BEATS * gaitFor(tickMs).restTicks * tickMs;
    machine.later(this, (timeoutMs + lateMs) / machine.clockRate, action);
  }

  /** Stops as a server does: everything that it knows is in its store when this resolves. */
  async stop(): Promise<void> {
    this.#machine.world.stirred();
    await this.#opened?.node.stop(0);
    this.watcher.settle();
    await this.#opened?.snapshots.close();
    this.#machine.world.stirred();
  }

  /** One more step. False: the process is dead, by now or for long. */
  step(what: string): boolean {
    if (!this.isDead) this.#machine.step(what);
    return !this.isDead;
  }

  async #open(): Promise<void> {
    const { world, storeId } = this.#machine;
    const { options } = world;
    const { full, replicas } = options;
    const location = `the store of replica ${this.#machine.id}`;
    const bytes = await LevelByteStore.over({
      location,
      database: this.#database.asLevel,
      directory: this.#database.directory,
      writeBufferBytes: full.writeBufferBytes,
    });
    const store = await PinnedStore.over(bytes);
    const storage = new WatchedStorage(
      { store, id: storeId, run: this.#machine.nextRun(), replicas },
      this.watcher,
    );
    await storage.recover();
    if (this.isDead) return;
    this.#storage.current = storage;
    const opened = await openNode({
      loop: {
        id: this.#machine.id,
        replicas,
        storage,
        transport: this.transport,
        clock: this.#clock(),
        tickMs: full.tickMs,
        limits: full.limits,
        advance: full.advance,
        logger: silentLogger(world.trace.printer === null ? null : (line) => this.watcher.log(line)),
      },
      replica: { timing: options.timing, limits: options.limits, thrifty: options.thrifty },
      snapshots: full.snapshots,
      drawSeed: () => world.prng.integer(0, 2 ** 31),
      watch: (restored) => this.watcher.restored(restored),
    });
    if (this.isDead) return;
    this.#opened = opened;
    void opened.node.failed.then((error) => this.#fail(error));
    opened.node.start();
    world.stirred();
  }

  #clock(): Clock {
    const machine = this.#machine;
    const { world } = machine;
    const rate = machine.clockRate;
    return {
      nowMs: () => (world.queue.nowMs - this.#startedMs) * rate,
      every: (periodMs, callback) => {
        let isStopped = false;
        const beat = () =>
          machine.later(this, periodMs / rate, () => {
            if (isStopped) return;
            world.stirred();
            callback();
            beat();
          });
        beat();
        return () => {
          isStopped = true;
        };
      },
      soon: (callback) =>
        machine.later(this, world.options.turnMs, () => {
          world.stirred();
          callback();
        }),
    };
  }

  #sending(envelopes: readonly Envelope[]): void {
    this.watcher.sending(envelopes);
  }

  /** The process can do nothing any more, and ends. */
  #fail(error: unknown): void {
    if (!this.isDead) this.#machine.failed(error);
  }
}

function outcomeOf({ code, outcome }: KvError): { readonly type: 'notApplied' | 'unknown' | 'tooOld' } {
  if (code === 'requestTooOld') return { type: 'tooOld' };
  return { type: outcome === 'notApplied' ? 'notApplied' : 'unknown' };
}
