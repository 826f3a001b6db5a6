/** The client library: a key-value store served by whichever replica answers. */
import { randomBytes } from 'node:crypto';
import { KvError } from '../errors.ts';
import { type ClientKind, MAX_REQUEST_MS, type OperationResult } from '../kv/index.ts';
import { adminService, encodeDelete, encodeGet, encodeMultiGet, encodePut } from '../wire/index.ts';
import { nowMs } from './clock.ts';
import {
  type CallOptions,
  type ConnectOptions,
  DEFAULT_SILENCE_TIMEOUT_MS,
  DEFAULT_TIMEOUT_MS,
  type ReadOptions,
  type WriteOptions,
} from './connect-options.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Endpoint } from './endpoint.ts';
import { parseEndpoints } from './endpoint-list.ts';
import {
  type Bytes,
  type DeleteResult,
  deleteResult,
  type Entry,
  getResult,
  multiGetResult,
  type PutResult,
  putResult,
  type ReplicaReport,
  toBytes,
} from './entry.ts';
import { Request, type RequestKind, type RequestName } from './request.ts';
import { RequestIds } from './request-ids.ts';
import type { UnaryCallLimits } from './unary-call.ts';

const PUT: RequestKind<PutResult> = { mutates: true, stale: false, answerOf: putResult };
const GET: RequestKind<Entry | null> = { mutates: false, stale: false, answerOf: getResult };
const STALE_GET: RequestKind<Entry | null> = { ...GET, stale: true };
const MULTI_GET: RequestKind<OperationResult> = {
  mutates: false,
  stale: false,
  answerOf: (result) => result,
};
const STALE_MULTI_GET: RequestKind<OperationResult> = { ...MULTI_GET, stale: true };
const DELETE: RequestKind<DeleteResult> = { mutates: true, stale: false, answerOf: deleteResult };

const NO_OPTIONS: CallOptions = {};

/** A method for each kind of operation that clients may ask for: the compiler asks for that of a new one. */
type MethodOfEachKind = { readonly [Name in ClientKind]: (...request: never[]) => Promise<unknown> };

/**
 * A client of the cluster. Connections are made when they are needed. Safe to use from many places at once: what
 * is asked for in the same turn of the event loop travels together.
 * Every call has a deadline and rejects with a KvError: `code` names what happened, `outcome` whether a write
 * may have been applied, `retryable` whether the same call may succeed later. A call is tried at one endpoint
 * after another under one request id, so it is applied at most once however often it was sent.
 */
export class KvClient implements MethodOfEachKind {
  readonly #dispatcher: Dispatcher;
  readonly #timeoutMs: number;
  readonly #clientId = new Uint8Array(randomBytes(16));
  readonly #ids = new RequestIds();
  readonly #closed = new AbortController();

  /** @throws KvError `invalidArgument` for an unusable list of endpoints or time */
  constructor(options: ConnectOptions) {
    this.#timeoutMs = positive('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    this.#dispatcher = new Dispatcher({
      addresses: parseEndpoints(options.endpoints),
      silenceTimeoutMs: positive('silenceTimeoutMs', options.silenceTimeoutMs ?? DEFAULT_SILENCE_TIMEOUT_MS),
      retryForMs: options.retryForMs === undefined ? null : atLeastZero('retryForMs', options.retryForMs),
      nearest: options.prefer !== 'first',
      ids: this.#ids,
    });
  }

  /** Sets a key's value. The key has 1 to 4096 bytes, the value at most 1 MiB. Resolves when it was executed. */
  put(key: Bytes, value: Bytes, options: WriteOptions = NO_OPTIONS): Promise<PutResult> {
    return this.#run(PUT, key, options, ({ sequence, generation }) =>
      encodePut({
        client: this.#clientId,
        sequence,
        generation,
        key: toBytes(key, 'key'),
        value: toBytes(value, 'value'),
        returnPrevious: options.returnPrevious === true,
      }),
    );
  }

  /**
   * Reads a key. Null: it does not exist. Linearizable, unless the level is `stale`: every write that was answered
   * before the call is seen.
   */
  get(key: Bytes, options: ReadOptions = NO_OPTIONS): Promise<Entry | null> {
    return this.#run(options.level === 'stale' ? STALE_GET : GET, key, options, ({ sequence }) =>
      encodeGet({ client: this.#clientId, sequence, key: toBytes(key, 'key') }),
    );
  }

  /**
   * Reads several keys as they are at one moment: an entry for each key in the order of the keys, null where it does not
   * exist. 1 to 1024 keys, one may be named twice; together the values may have 4 MiB, with more the call rejects with
   * `limitExceeded`. Linearizable as {@link get}; if the level is `stale`, the moment is one that a replica has seen.
   */
  async multiGet(
    keys: readonly Bytes[],
    options: ReadOptions = NO_OPTIONS,
  ): Promise<readonly (Entry | null)[]> {
    const asked = keys.map((key) => toBytes(key, 'key'));
    const kind = options.level === 'stale' ? STALE_MULTI_GET : MULTI_GET;
    const result = await this.#run(kind, asked[0] ?? '', options, ({ sequence }) =>
      encodeMultiGet({ client: this.#clientId, sequence, keys: asked }),
    );
    return multiGetResult(result, asked);
  }

  /** Removes a key; no error if it does not exist. */
  delete(key: Bytes, options: WriteOptions = NO_OPTIONS): Promise<DeleteResult> {
    return this.#run(DELETE, key, options, ({ sequence, generation }) =>
      encodeDelete({
        client: this.#clientId,
        sequence,
        generation,
        key: toBytes(key, 'key'),
        returnPrevious: options.returnPrevious === true,
      }),
    );
  }

  /** Asks every endpoint for its own view, all at once. Rejects only if the call is cancelled or misused. */
  async status(options: CallOptions = NO_OPTIONS): Promise<readonly ReplicaReport[]> {
    const timeoutMs = this.#timeoutOf(options);
    const signals = options.signal === undefined ? [] : [options.signal];
    const signal = AbortSignal.any([this.#closed.signal, ...signals]);
    const limits = { timeoutMs, signal };
    const reports = await Promise.all(this.#dispatcher.endpoints.map((endpoint) => report(endpoint, limits)));
    if (signal.aborted) throw notSent('cancelled', 'the request was cancelled');
    return reports;
  }

  /** Closes every connection; calls under way, and later ones, are rejected with `cancelled`. Idempotent. */
  close(): void {
    this.#closed.abort();
    this.#dispatcher.close();
  }

  /** @param encode makes the operation, under that name; what it throws becomes the rejection */
  #run<Answer>(
    kind: RequestKind<Answer>,
    key: Bytes,
    options: CallOptions,
    encode: (name: RequestName) => Uint8Array,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const allowedMs = this.#timeoutOf(options);
      const name = { sequence: this.#ids.next(), generation: kind.mutates ? this.#ids.generation : 0 };
      const operation = encode(name);
      const startedMs = nowMs();
      const request = new Request({ kind, key, operation, name, startedMs, allowedMs, resolve, reject });
      this.#dispatcher.submit(request as Request, options.signal); // nobody else minds what it answers
    });
  }

  /** @throws KvError if the call cannot begin */
  #timeoutOf({ timeoutMs, signal }: CallOptions): number {
    if (this.#closed.signal.aborted) throw notSent('cancelled', 'the client is closed');
    if (signal?.aborted) throw notSent('cancelled', 'the request was cancelled');
    return timeoutMs === undefined ? this.#timeoutMs : positive('timeoutMs', timeoutMs);
  }
}

async function report(endpoint: Endpoint, limits: UnaryCallLimits): Promise<ReplicaReport> {
  try {
    const status = await endpoint.call(adminService.Status, {}, limits);
    return { endpoint: endpoint.address, status, error: null };
  } catch (error) {
    if (!(error instanceof KvError)) throw error;
    return { endpoint: endpoint.address, status: null, error };
  }
}

function positive(name: string, milliseconds: number): number {
  if (!(milliseconds > 0 && milliseconds <= MAX_REQUEST_MS)) {
    throw notSent(
      'invalidArgument',
      `${name} must be more than 0 and at most ${MAX_REQUEST_MS} milliseconds`,
    );
  }
  return milliseconds;
}

function atLeastZero(name: string, milliseconds: number): number {
  if (milliseconds >= 0) return milliseconds;
  throw notSent('invalidArgument', `${name} must be at least 0 milliseconds`);
}

function notSent(code: 'invalidArgument' | 'cancelled', message: string): KvError {
  return new KvError(code, message, { outcome: 'notApplied' });
}
