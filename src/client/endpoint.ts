/** One endpoint: the connection to one replica and the stream of requests on it, from the first request on. */
import type { KvError } from '../errors.ts';
import type { OperationResult } from '../kv/index.ts';
import { nowMs } from './clock.ts';
import { Connection } from './connection.ts';
import { Pipeline } from './pipeline.ts';
import type { Request, Stage, Target } from './request.ts';
import type { RequestIds } from './request-ids.ts';
import { RequestList } from './request-list.ts';
import { RoundTrips } from './round-trip.ts';
import { type UnaryCallLimits, type UnaryMethod, unaryCall } from './unary-call.ts';

export interface EndpointEvents {
  /** It serves. Called once for all answers that arrive together, before `onResult`. */
  onServed(endpoint: Endpoint): void;
  onResult(request: Request, result: OperationResult): void;
  onError(request: Request, error: KvError): void;
  /** The request's time was over before it was sent. */
  onExpired(request: Request): void;
  /** Its round trip was measured. */
  onMeasured(endpoint: Endpoint): void;
}

export class Endpoint implements Target {
  /** `host:port` as it was given. */
  readonly address: string;
  readonly #events: EndpointEvents;
  readonly #ids: RequestIds;
  readonly #connection: Connection;
  readonly #connecting = new RequestList<Request>();
  readonly #roundTrips = new RoundTrips();
  #pipeline: Pipeline | null = null;
  /** Ends the attempt to connect; null: there is none. */
  #stopConnecting: (() => void) | null = null;
  #lastActiveMs = Number.NEGATIVE_INFINITY;

  /** @param address `host:port`; nothing is dialled yet @param ids learn what the replica tells */
  constructor(address: string, events: EndpointEvents, ids: RequestIds) {
    this.address = address;
    this.#events = events;
    this.#ids = ids;
    this.#connection = new Connection(address);
  }

  get lastActiveMs(): number {
    return this.#lastActiveMs;
  }

  get roundTripMs(): number {
    return this.#roundTrips.shortestMs;
  }

  get isSettled(): boolean {
    return this.#roundTrips.isSettled;
  }

  send(request: Request): void {
    if (this.#pipeline !== null) {
      this.#pipeline.send(request);
      return;
    }
    this.#connecting.push(request);
    this.#connect();
  }

  takeBack(request: Request, reason: 'timeout' | 'cancel'): Stage {
    if (request.list === this.#connecting) {
      this.#connecting.remove(request);
      if (this.#connecting.size === 0) {
        this.#stopConnecting?.();
        this.#stopConnecting = null;
      }
      if (reason === 'timeout') this.#connection.giveUp();
      return 'connecting';
    }
    return this.#pipeline === null ? 'sent' : this.#pipeline.takeBack(request);
  }

  /** Sends now what is about to be sent. */
  flush(): void {
    this.#pipeline?.flush();
  }

  /** Measures the round trip; connects if need be. */
  measure(): void {
    if (this.#pipeline === null) this.#connect();
    else this.#pipeline.ping();
  }

  /** One unary call, on the same connection. @throws KvError as {@link unaryCall} */
  call<Query, Response>(
    method: UnaryMethod<Query, Response>,
    query: Query,
    limits: UnaryCallLimits,
  ): Promise<Response> {
    return unaryCall(this.#connection, method, query, limits);
  }

  /** Closes the connection. Requests that are here are the caller's. Idempotent. */
  close(): void {
    this.#pipeline?.close();
    this.#connection.close();
  }

  #connect(): void {
    this.#stopConnecting ??= this.#connection.whenSettled((client) => {
      this.#stopConnecting = null;
      const pipeline = new Pipeline(client, this.#ids, {
        onServed: () => {
          this.#lastActiveMs = nowMs();
          this.#events.onServed(this);
        },
        onTaken: () => {
          this.#lastActiveMs = nowMs();
        },
        onResult: this.#events.onResult,
        onError: this.#events.onError,
        onExpired: this.#events.onExpired,
        onRoundTrip: (roundTripMs) => {
          this.#roundTrips.add(roundTripMs);
          this.#events.onMeasured(this);
        },
        onEnd: () => {
          this.#pipeline = null;
          this.#roundTrips.clear();
        },
      });
      this.#pipeline = pipeline;
      for (const request of this.#connecting.takeAll()) pipeline.send(request);
    });
  }
}
