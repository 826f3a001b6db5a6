/**
 * Requests that wait for their answer. Several calls may wait for one request (a retry that meets the
 * first attempt): they share its one proposal, and each has its own deadline.
 */
import { KvError, type Outcome } from '../errors.ts';
import type { KvOperation, OperationResult, RequestId } from '../kv/index.ts';
import { createDeferred, type Deferred } from '../util/deferred.ts';
import { Deadlines } from './deadlines.ts';

export interface PendingLimits {
  /** Calls that wait at once. */
  readonly requests: number;
  /** Bytes of the operations they wait for. */
  readonly requestBytes: number;
}

/** One call of a client. */
export interface Call {
  /** Rejects with a KvError that carries an outcome. */
  readonly result: Promise<OperationResult>;
  /** The caller no longer waits; nothing happens if the call has ended. */
  cancel(): void;
}

export interface PendingOptions {
  readonly limits: PendingLimits;
  readonly nowMs: number;
  /** Takes an operation back. True: it will never be proposed; false: it may have been. */
  withdraw(operation: KvOperation): boolean;
  /** Whether a majority of replicas, this one included, can be reached now. */
  hasQuorum(): boolean;
}

interface Entry {
  readonly operation: KvOperation;
  readonly waiters: Set<Waiter>;
}

interface Waiter {
  readonly entry: Entry;
  readonly deferred: Deferred<OperationResult>;
}

export class PendingRequests {
  readonly #options: PendingOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #deadlines: Deadlines<Waiter>;
  #calls = 0;
  #bytes = 0;

  constructor(options: PendingOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.nowMs);
  }

  /** How many calls wait. */
  get size(): number {
    return this.#calls;
  }

  /** Every operation that somebody waits for. */
  operations(): readonly KvOperation[] {
    return Array.from(this.#entries.values(), ({ operation }) => operation);
  }

  /**
   * Adds a call. `isNew`: nobody waited for this request yet, so the operation is to be proposed.
   * @throws KvError overloaded if a limit is reached; invalidArgument if the request id is in use for
   * something else on the same key; both with the outcome notApplied
   */
  add(operation: KvOperation, deadlineMs: number): { readonly call: Call; readonly isNew: boolean } {
    const key = answerId(operation.request, operation.key);
    const existing = this.#entries.get(key);
    if (existing !== undefined && Buffer.compare(existing.operation.bytes, operation.bytes) !== 0) {
      throw new KvError('invalidArgument', 'the request id is already in use for another request', {
        outcome: 'notApplied',
      });
    }
    const { requests, requestBytes } = this.#options.limits;
    const bytes = existing === undefined ? operation.bytes.length : 0;
    if (this.#calls >= requests || this.#bytes + bytes > requestBytes) {
      throw new KvError('overloaded', 'too many requests are waiting at this replica; try again', {
        outcome: 'notApplied',
      });
    }
    const entry = existing ?? { operation, waiters: new Set() };
    if (existing === undefined) this.#entries.set(key, entry);
    const waiter = { entry, deferred: createDeferred<OperationResult>() };
    entry.waiters.add(waiter);
    this.#deadlines.add(waiter, deadlineMs);
    this.#calls += 1;
    this.#bytes += bytes;
    const call = { result: waiter.deferred.promise, cancel: () => this.#cancel(waiter) };
    return { call, isNew: existing === undefined };
  }

  /** The request was executed, by whoever proposed it: every call that waits for it is answered. */
  answer(operation: KvOperation, result: OperationResult): void {
    const entry = this.#entries.get(answerId(operation.request, operation.key));
    if (entry === undefined) return;
    // Executed through another replica's copy: our own need not be proposed any more.
    if (entry.operation !== operation) this.#options.withdraw(entry.operation);
    for (const waiter of this.#close(entry)) waiter.deferred.resolve(result);
  }

  /** Ends every call that waits for this very operation. */
  fail(operation: KvOperation, error: KvError): void {
    const entry = this.#entries.get(answerId(operation.request, operation.key));
    if (entry === undefined || entry.operation !== operation) return;
    for (const waiter of this.#close(entry)) waiter.deferred.reject(error);
  }

  /** Ends the calls whose deadline has passed. */
  expire(nowMs: number): void {
    for (const waiter of this.#deadlines.takePassed(nowMs)) {
      if (!waiter.entry.waiters.has(waiter)) continue; // ended by what ended the ones before
      const outcome = this.#leave(waiter);
      waiter.deferred.reject(this.#deadlineError(outcome));
    }
  }

  /** Ends every call, each request taken back where it still can be. */
  failAll(error: (outcome: Outcome) => KvError): void {
    for (const entry of [...this.#entries.values()]) {
      const outcome = this.#options.withdraw(entry.operation) ? 'notApplied' : 'unknown';
      for (const waiter of this.#close(entry)) waiter.deferred.reject(error(outcome));
    }
  }

  /** Ends every call without taking anything back: the core is not to be touched any more. */
  abandon(error: KvError): void {
    for (const entry of [...this.#entries.values()]) {
      for (const waiter of this.#close(entry)) waiter.deferred.reject(error);
    }
  }

  #cancel(waiter: Waiter): void {
    if (!waiter.entry.waiters.has(waiter)) return;
    const outcome = this.#leave(waiter);
    waiter.deferred.reject(new KvError('cancelled', 'the caller gave the request up', { outcome }));
  }

  /** One call stops waiting; the last one takes the operation with it if it still can. */
  #leave(waiter: Waiter): Outcome {
    const { entry } = waiter;
    if (entry.waiters.size > 1) {
      entry.waiters.delete(waiter);
      this.#deadlines.remove(waiter);
      this.#calls -= 1;
      return 'unknown';
    }
    this.#close(entry);
    return this.#options.withdraw(entry.operation) ? 'notApplied' : 'unknown';
  }

  /** Removes a request and returns the calls that waited for it. */
  #close(entry: Entry): readonly Waiter[] {
    const key = answerId(entry.operation.request, entry.operation.key);
    if (this.#entries.get(key) !== entry) return [];
    this.#entries.delete(key);
    this.#bytes -= entry.operation.bytes.length;
    const waiters = [...entry.waiters];
    entry.waiters.clear();
    for (const waiter of waiters) this.#deadlines.remove(waiter);
    this.#calls -= waiters.length;
    return waiters;
  }

  #deadlineError(outcome: Outcome): KvError {
    if (outcome === 'notApplied') {
      return new KvError('deadlineExceeded', 'the deadline passed before the request was proposed', {
        outcome,
      });
    }
    if (!this.#options.hasQuorum()) {
      return new KvError(
        'noQuorum',
        'the deadline passed, and a majority of replicas cannot be reached; the request may yet be applied',
        { outcome },
      );
    }
    return new KvError(
      'deadlineExceeded',
      'the deadline passed while the request was under way; it may yet be applied',
      { outcome },
    );
  }
}

function answerId({ client, sequence }: RequestId, key: string): string {
  return `${client}${sequence}/${key}`;
}
