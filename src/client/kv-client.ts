/** The client library: a key-value store served by whichever replica answers. */
import { randomBytes } from 'node:crypto';
import { KvError } from '../errors.ts';
import { LIMITS, MAX_REQUEST_MS } from '../kv/index.ts';
import { adminService, type KeyValue, kvService, type RequestIdentity } from '../rpc/index.ts';
import { CallSlots } from './call-slots.ts';
import {
  type CallOptions,
  type ConnectOptions,
  DEFAULT_SILENCE_TIMEOUT_MS,
  DEFAULT_TIMEOUT_MS,
  type WriteOptions,
} from './connect-options.ts';
import type { Endpoint } from './endpoint.ts';
import { parseEndpoints } from './endpoint-list.ts';
import { EndpointPool } from './endpoint-pool.ts';
import {
  type Bytes,
  type DeleteResult,
  Entry,
  type PutResult,
  type ReplicaReport,
  toBytes,
} from './entry.ts';
import { type AttemptLimits, runWithFailover } from './failover.ts';
import type { UnaryMethod } from './unary-call.ts';

/** Requests of one client: on the wire at once, and waiting for that. */
const REQUEST_LIMITS = { active: 256, waiting: 100_000 } as const;

/**
 * A client of the cluster. Connections are made when they are needed. Safe to use from many places at once.
 * Every call has a deadline and rejects with a KvError: `code` names what happened, `outcome` whether a write
 * may have been applied, `retryable` whether the same call may succeed later. A call is tried at one endpoint
 * after another under one request id, so it is applied at most once however often it was sent.
 */
export class KvClient {
  readonly #pool: EndpointPool;
  readonly #timeoutMs: number;
  readonly #silenceTimeoutMs: number;
  readonly #slots = new CallSlots(REQUEST_LIMITS);
  readonly #clientId = new Uint8Array(randomBytes(16));
  #sequence = 0;
  readonly #calls = new Set<AbortController>();
  #closed = false;

  /** @throws KvError `invalidArgument` for an unusable list of endpoints or time */
  constructor(options: ConnectOptions) {
    this.#timeoutMs = positive('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    this.#silenceTimeoutMs = positive(
      'silenceTimeoutMs',
      options.silenceTimeoutMs ?? DEFAULT_SILENCE_TIMEOUT_MS,
    );
    this.#pool = new EndpointPool(parseEndpoints(options.endpoints));
  }

  /** Sets a key's value. The key has 1 to 4096 bytes, the value at most 1 MiB. Resolves when it was executed. */
  async put(key: Bytes, value: Bytes, options: WriteOptions = {}): Promise<PutResult> {
    const keyBytes = checkedKey(key);
    const request = {
      key: keyBytes,
      value: checkedValue(value),
      returnPrevious: options.returnPrevious ?? false,
      requestId: this.#nextRequestId(),
    };
    const response = await this.#write(kvService.Put, request, options);
    return { version: response.version, previous: entryOf(keyBytes, response.previous) };
  }

  /** Reads a key, linearizably: every write that was answered before the call is seen. Null: it does not exist. */
  async get(key: Bytes, options: CallOptions = {}): Promise<Entry | null> {
    const keyBytes = checkedKey(key);
    const response = await this.#callAnywhere(
      kvService.Get,
      { key: keyBytes },
      { ...options, mutates: false },
    );
    return entryOf(keyBytes, response.found);
  }

  /** Removes a key; no error if it does not exist. */
  async delete(key: Bytes, options: WriteOptions = {}): Promise<DeleteResult> {
    const keyBytes = checkedKey(key);
    const request = {
      key: keyBytes,
      returnPrevious: options.returnPrevious ?? false,
      requestId: this.#nextRequestId(),
    };
    const response = await this.#write(kvService.Delete, request, options);
    return {
      deleted: response.version > 0,
      version: response.version,
      previous: entryOf(keyBytes, response.previous),
    };
  }

  /** Asks every endpoint for its own view, all at once. Rejects only if the call is cancelled or misused. */
  async status(options: CallOptions = {}): Promise<readonly ReplicaReport[]> {
    return this.#cancellable(options, async ({ timeoutMs, signal }) => {
      const limits = { timeoutMs, silenceMs: timeoutMs, signal };
      const reports = await Promise.all(this.#pool.all.map((endpoint) => report(endpoint, limits)));
      if (signal.aborted) throw cancelled();
      return reports;
    });
  }

  /** Closes every connection; calls under way, and later ones, are rejected with `cancelled`. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const call of this.#calls) call.abort();
    this.#pool.close();
  }

  #write<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response> {
    return this.#callAnywhere(method, request, { ...options, mutates: true });
  }

  #callAnywhere<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    options: CallOptions & { readonly mutates: boolean },
  ): Promise<Response> {
    return this.#cancellable(options, ({ timeoutMs, signal }) => {
      const startedMs = performance.now();
      return this.#slots.run({ timeoutMs, signal }, () =>
        runWithFailover(this.#pool, {
          timeoutMs,
          startedMs,
          silenceTimeoutMs: this.#silenceTimeoutMs,
          signal,
          mutates: options.mutates,
          attempt: (endpoint, limits) => endpoint.call(method, request, limits),
        }),
      );
    });
  }

  /** Runs a call so that the caller's signal and close() both end it. */
  async #cancellable<T>(
    options: CallOptions,
    run: (limits: { readonly timeoutMs: number; readonly signal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const timeoutMs = positive('timeoutMs', options.timeoutMs ?? this.#timeoutMs);
    if (this.#closed || options.signal?.aborted)
      throw cancelled(this.#closed ? 'the client is closed' : undefined);
    const call = new AbortController();
    const abort = () => call.abort();
    options.signal?.addEventListener('abort', abort, { once: true });
    this.#calls.add(call);
    try {
      return await run({ timeoutMs, signal: call.signal });
    } finally {
      this.#calls.delete(call);
      options.signal?.removeEventListener('abort', abort);
    }
  }

  #nextRequestId(): RequestIdentity {
    this.#sequence += 1;
    return { client: this.#clientId, sequence: this.#sequence };
  }
}

async function report(endpoint: Endpoint, limits: AttemptLimits): Promise<ReplicaReport> {
  try {
    const status = await endpoint.call(adminService.Status, {}, limits);
    return { endpoint: endpoint.address, status, error: null };
  } catch (error) {
    if (!(error instanceof KvError)) throw error;
    return { endpoint: endpoint.address, status: null, error };
  }
}

function entryOf(key: Uint8Array, row: KeyValue | null): Entry | null {
  return row === null ? null : new Entry({ key, value: row.value, version: row.version });
}

/** The key as bytes. @throws KvError as the server would answer */
function checkedKey(key: Bytes): Uint8Array {
  const bytes = toBytes(key);
  if (bytes.length === 0) throw notSent('invalidArgument', 'the key is empty: it needs at least one byte');
  if (bytes.length > LIMITS.keyBytes) {
    throw notSent(
      'limitExceeded',
      `the key has ${bytes.length} bytes; at most ${LIMITS.keyBytes} are allowed`,
    );
  }
  return bytes;
}

/** The value as bytes. @throws KvError as the server would answer */
function checkedValue(value: Bytes): Uint8Array {
  const bytes = toBytes(value);
  if (bytes.length > LIMITS.valueBytes) {
    throw notSent(
      'limitExceeded',
      `the value has ${bytes.length} bytes; at most ${LIMITS.valueBytes} are allowed`,
    );
  }
  return bytes;
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

function cancelled(message = 'the request was cancelled'): KvError {
  return notSent('cancelled', message);
}

function notSent(code: 'invalidArgument' | 'limitExceeded' | 'cancelled', message: string): KvError {
  return new KvError(code, message, { outcome: 'notApplied' });
}
