/**
 * Runs the requests of one client: has them wait their turn, hands them to failover, and looks at them again when
 * their time has come. One coarse timer does for all of them, and rests while there is none.
 */
import type { KvError } from '../errors.ts';
import type { OperationResult } from '../kv/index.ts';
import { TimingWheel } from '../util/timing-wheel.ts';
import { nowMs } from './clock.ts';
import { Endpoint, type EndpointEvents } from './endpoint.ts';
import { EndpointPool } from './endpoint-pool.ts';
import { Failover } from './failover.ts';
import type { Request } from './request.ts';
import type { RequestIds } from './request-ids.ts';
import { RequestWindow, WINDOW_LIMITS } from './request-window.ts';

/** How often it is looked whose time has come: so much too late at the most, never too early. */
const TICK_MS = 10;

/**
 * How far away the endpoints are is measured so often while the client is in use; not at first, so that what asks once
 * and goes away connects to one endpoint only.
 */
const MEASURE_INTERVAL_MS = 1000;
const FIRST_MEASURE_AFTER_MS = 1000;

export interface DispatcherOptions {
  /** At least one, each once. */
  readonly addresses: readonly string[];
  readonly silenceTimeoutMs: number;
  /** While no endpoint takes a connection; null: to the deadline. */
  readonly retryForMs: number | null;
  /** Whether to go to the nearest endpoint; else to the first that serves. */
  readonly nearest: boolean;
  readonly ids: RequestIds;
}

export class Dispatcher {
  /** In the order they were given. */
  readonly endpoints: readonly Endpoint[];
  readonly #pool: EndpointPool;
  readonly #failover: Failover;
  readonly #window: RequestWindow;
  /** When each open request is to be looked at again: its deadline, silence, or the end of a pause. */
  readonly #wakeUps = new TimingWheel<Request>(nowMs());
  readonly #measures: boolean;
  #measureAtMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor({ addresses, silenceTimeoutMs, retryForMs, nearest, ids }: DispatcherOptions) {
    this.#measures = nearest && addresses.length > 1;
    const events: EndpointEvents = {
      onServed: (endpoint) => this.#pool.served(endpoint),
      onResult: (request: Request, result: OperationResult) => this.#failover.served(request, result),
      onError: (request: Request, error: KvError) => this.#failover.failed(request, error),
      onExpired: (request: Request) => this.#failover.expired(request),
      onMeasured: () => this.#pool.preferNearest(),
    };
    this.endpoints = addresses.map((address) => new Endpoint(address, events, ids));
    this.#pool = new EndpointPool(this.endpoints, nowMs);
    this.#failover = new Failover(this.#pool, {
      silenceTimeoutMs,
      retryForMs,
      wakeUps: this.#wakeUps,
      ids,
      now: nowMs,
      onSettled: (request) => {
        request.release?.();
        this.#window.leave(request);
      },
    });
    this.#window = new RequestWindow(WINDOW_LIMITS, (request, hasWaited) =>
      this.#failover.begin(request, hasWaited ? nowMs() : request.startedMs),
    );
  }

  /**
   * Takes a request over: one of its callbacks will be called, perhaps within this call.
   * @param signal ends it with `cancelled`; it has not fired yet
   * @throws KvError `overloaded` with the outcome `notApplied` if too many requests wait already
   */
  submit(request: Request, signal: AbortSignal | undefined): void {
    this.#window.enter(request);
    if (request.isSettled) return;
    if (!this.#wakeUps.has(request)) this.#wakeUps.set(request, request.deadlineMs); // it waits its turn
    if (signal !== undefined) {
      const onAbort = () => this.#failover.cancel(request, 'the request was cancelled');
      signal.addEventListener('abort', onAbort, { once: true });
      request.release = () => signal.removeEventListener('abort', onAbort);
    }
    this.#timer ??= setInterval(() => this.#onTick(), TICK_MS);
  }

  /** Ends every request with `cancelled`, and every connection. Idempotent; nothing is submitted afterwards. */
  close(): void {
    this.#stopTimer();
    // One that begins now, because another one has ended, is among them: it goes no further.
    for (const request of this.#wakeUps.all()) this.#failover.cancel(request, 'the client was closed');
    for (const endpoint of this.endpoints) endpoint.close();
  }

  /**
   * What has arrived meanwhile is read first, and what is about to leave leaves, or is found to be late: if it was this
   * process that was late, nobody else is.
   */
  #onTick(): void {
    setImmediate(() => {
      if (this.#timer === null) return;
      for (const endpoint of this.endpoints) endpoint.flush();
      const atMs = nowMs();
      for (const request of this.#wakeUps.takeDue(atMs)) {
        if (!request.isSettled) this.#failover.wake(request, atMs);
      }
      if (this.#measures) this.#measure(atMs);
      if (this.#wakeUps.size === 0) this.#stopTimer();
    });
  }

  #measure(atMs: number): void {
    this.#measureAtMs ??= atMs + FIRST_MEASURE_AFTER_MS;
    if (atMs < this.#measureAtMs) return;
    this.#measureAtMs = atMs + MEASURE_INTERVAL_MS;
    for (const endpoint of this.endpoints) endpoint.measure();
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
