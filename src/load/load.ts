/**
 * A load: clients that keep requests under way, and measurements of stretches of it.
 *
 * Closed loop: every place sends its next operation when the last one has ended. Open loop: operations come at a
 * steady rate whatever becomes of the ones before, each takes the first place that is free, and its latency
 * counts from when it was to be sent. So a stall of the store counts for everyone who would have come meanwhile, and
 * not only for the one request that met it (what is known as coordinated omission).
 */
import { KvError } from '../errors.ts';
import { assert } from '../util/assert.ts';
import { createDeferred } from '../util/deferred.ts';
import { Prng } from '../util/prng.ts';
import { type KeyOptions, KeySource } from './keys.ts';
import { type Measurement, Window } from './measurement.ts';
import { type LoadClock, systemLoadClock, type Target } from './target.ts';
import { valuesOf } from './values.ts';

export interface LoadOptions {
  /** At least one; operations are spread over them evenly. */
  readonly clients: readonly Target[];
  /** How many operations each client has under way: exactly in a closed loop, at most in an open one. */
  readonly depth: number;
  /** Open loop: operations a second, all clients together, at least 1. Null: closed loop. */
  readonly rate: number | null;
  /** The load ends by itself once so many operations were sent. Null: it goes on until it is stopped. */
  readonly operations: number | null;
  readonly keys: KeyOptions;
  /** Bytes. */
  readonly valueSize: number;
  /** The part of all operations that are gets, 0 to 1; the others are puts. */
  readonly readRatio: number;
  /** Keys, and what is read, are functions of it. */
  readonly seed: number;
  readonly clock?: LoadClock;
}

/** A place for one operation. What it needs is made once, so that an operation costs the load next to nothing. */
interface Lane {
  readonly target: Target;
  readonly keys: KeySource;
  /** When the operation was sent, or was to be sent. */
  startedMs: number;
  isRead: boolean;
  window: Window | null;
  onAnswer: () => void;
  onFailure: (error: unknown) => void;
}

export class Load {
  readonly #options: LoadOptions;
  readonly #clock: LoadClock;
  readonly #lanes: readonly Lane[];
  readonly #random: Prng;
  readonly #values: readonly Uint8Array[];
  /** Open loop: places without an operation, the one that has been free for longest first. */
  readonly #free = new Set<Lane>();
  readonly #finished = createDeferred<void>();
  #state: 'new' | 'running' | 'stopping' | 'failed' = 'new';
  #startedMs = 0;
  #sent = 0;
  #answered = 0;
  #underWay = 0;
  #window: Window | null = null;
  #windowStartedMs = 0;

  constructor(options: LoadOptions) {
    const { clients, depth, rate, keys, seed } = options;
    assert(clients.length >= 1 && depth >= 1, 'a load has a client and a depth of at least 1');
    assert(rate === null || rate >= 1, 'a rate is at least one operation a second');
    this.#options = options;
    this.#clock = options.clock ?? systemLoadClock;
    this.#random = new Prng(seed);
    this.#values = valuesOf(options);
    const sources = clients.map(
      (_, client) => new KeySource({ keys, seed, client, clients: clients.length }),
    );
    // One of each client after the other, so that any few of them are of different clients.
    this.#lanes = Array.from({ length: depth }, () =>
      clients.map((target, client) => this.#createLane(target, sources[client] as KeySource)),
    ).flat();
    this.#finished.promise.catch(() => undefined); // told by stop() and by the windows
  }

  /** Resolves when the last operation has ended; rejects with what a target threw that is no KvError. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** Operations answered so far, measured or not. */
  get answered(): number {
    return this.#answered;
  }

  /** Begins to send. Called once. */
  start(): void {
    assert(this.#state === 'new', 'a load is started once');
    this.#state = 'running';
    this.#startedMs = this.#clock.nowMs();
    if (this.#options.rate === null) {
      for (const lane of this.#lanes) this.#next(lane, this.#startedMs);
    } else {
      for (const lane of this.#lanes) this.#free.add(lane);
      this.#tick();
    }
  }

  /** Measures from now on. May come before start(). */
  beginWindow(): void {
    assert(this.#window === null, 'one window at a time');
    this.#windowStartedMs = this.#clock.nowMs();
    this.#window = new Window(this.#windowStartedMs);
  }

  /** Measures up to now. Resolves when the operations that were counted have ended; the load goes on meanwhile. */
  endWindow(): Promise<Measurement> {
    const window = this.#window;
    assert(window !== null, 'a window was begun');
    const nowMs = this.#clock.nowMs();
    this.#sendDue(nowMs);
    this.#window = null;
    return window.end(nowMs, { unsent: this.#unsentAt(nowMs) });
  }

  /** Sends nothing any more. Resolves when the last operation has ended. @throws as `finished` */
  stop(): Promise<void> {
    if (this.#state !== 'failed') this.#state = 'stopping';
    this.#settle();
    return this.#finished.promise;
  }

  #createLane(target: Target, keys: KeySource): Lane {
    const lane: Lane = {
      target,
      keys,
      startedMs: 0,
      isRead: false,
      window: null,
      onAnswer: () => this.#onAnswer(lane),
      onFailure: (error) => this.#onFailure(lane, error),
    };
    return lane;
  }

  #onAnswer(lane: Lane): void {
    const nowMs = this.#clock.nowMs();
    this.#underWay -= 1;
    this.#answered += 1;
    lane.window?.answered(lane.isRead, nowMs - lane.startedMs);
    this.#next(lane, nowMs);
  }

  #onFailure(lane: Lane, error: unknown): void {
    this.#underWay -= 1;
    if (!(error instanceof KvError)) {
      this.#fail(error);
      return;
    }
    lane.window?.failed(error);
    this.#settle();
    // Later: a target that refuses at once must not become a loop that nothing else gets through.
    if (this.#isOpen()) this.#clock.after(1, () => this.#next(lane, this.#clock.nowMs()));
  }

  /** The place is free: it takes the next operation, or waits for one. */
  #next(lane: Lane, nowMs: number): void {
    if (!this.#isOpen()) this.#settle();
    else if (this.#options.rate === null) this.#send(lane, nowMs);
    else if (this.#dueMs() <= nowMs) this.#send(lane, this.#dueMs());
    else this.#free.add(lane);
  }

  /** Open loop: hands what is due to free places, and looks again when more is. */
  #tick(): void {
    const nowMs = this.#clock.nowMs();
    this.#sendDue(nowMs);
    if (this.#isOpen()) this.#clock.after(Math.max(1, this.#dueMs() - nowMs), () => this.#tick());
  }

  #sendDue(nowMs: number): void {
    for (const lane of this.#free) {
      if (!this.#isOpen() || this.#dueMs() > nowMs) return;
      this.#free.delete(lane);
      this.#send(lane, this.#dueMs());
    }
  }

  #send(lane: Lane, startedMs: number): void {
    const { readRatio } = this.#options;
    this.#sent += 1;
    this.#underWay += 1;
    lane.startedMs = startedMs;
    lane.isRead = readRatio > 0 && (readRatio >= 1 || this.#random.next() < readRatio);
    lane.window = startedMs >= this.#windowStartedMs ? this.#window : null;
    lane.window?.sent();
    const key = lane.keys.next();
    const answer = lane.isRead ? lane.target.get(key) : lane.target.put(key, this.#nextValue());
    answer.then(lane.onAnswer, lane.onFailure);
  }

  #nextValue(): Uint8Array {
    return this.#values[this.#sent % this.#values.length] as Uint8Array;
  }

  /** Open loop: when the next operation is to be sent. */
  #dueMs(): number {
    return this.#startedMs + (this.#sent * 1000) / (this.#options.rate ?? 1);
  }

  /** Open loop: how many were to be sent in the window that ends now, and were not. */
  #unsentAt(nowMs: number): number {
    const { rate, operations } = this.#options;
    if (rate === null || !this.#isOpen()) return 0;
    const dueBefore = (ms: number) => Math.ceil(((ms - this.#startedMs) * rate) / 1000);
    const due = Math.min(dueBefore(nowMs), operations ?? Number.POSITIVE_INFINITY);
    return Math.max(0, due - Math.max(this.#sent, dueBefore(this.#windowStartedMs)));
  }

  /** Whether more is to be sent. */
  #isOpen(): boolean {
    const { operations } = this.#options;
    return this.#state === 'running' && (operations === null || this.#sent < operations);
  }

  #settle(): void {
    if (this.#underWay === 0 && !this.#isOpen() && this.#state !== 'failed') this.#finished.resolve();
  }

  #fail(error: unknown): void {
    this.#state = 'failed';
    for (const lane of this.#lanes) lane.window?.abandon(error);
    this.#window?.abandon(error);
    this.#finished.reject(error);
  }
}
