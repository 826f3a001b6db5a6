/**
 * Requests that wait for their answer. Several calls may wait for one request (a retry that meets the
 * first attempt): they share its one proposal, and each has its own deadline.
 */
import { Proposal } from '../epaxos/index.ts';
import { KvError, type Outcome } from '../errors.ts';
import { isRepeatable, type KvOperation, type OperationResult } from '../kv/index.ts';
import { Timed, TimingWheel } from '../util/timing-wheel.ts';
import { RequestIndex } from './request-index.ts';

export interface PendingLimits {
  /** Calls that wait at once. */
  readonly requests: number;
  /** Bytes of the operations they wait for. */
  readonly requestBytes: number;
}

/** Whoever waits for an answer: one of the two is called, once, and must not throw. */
export interface Waiter {
  answered(result: OperationResult): void;
  /** @param error with an outcome */
  failed(error: KvError): void;
}

/** One operation that is waited for, and as which it is proposed. */
export class Request extends Proposal<KvOperation> {
  /** It waits in the inbox, not yet handed to the core; kept by the inbox. */
  isQueued = false;
  /** It was proposed by a core that is no more: it may yet be applied, whatever becomes of it here. */
  mayBeApplied = false;
  /** The first of the calls that wait for it; null: the request has ended. */
  calls: Call | null = null;

  /** Whether it does no harm to propose it, maybe for the second time. */
  get mayBeProposed(): boolean {
    return !this.mayBeApplied || isRepeatable(this.operation);
  }

  /** What can be said of it once it is taken back. */
  get outcomeTakenBack(): Outcome {
    return this.mayBeApplied ? 'unknown' : 'notApplied';
  }
}

/** One call of a client. */
export class Call extends Timed {
  readonly request: Request;
  readonly waiter: Waiter;
  /** Another call that waits for the same request. */
  next: Call | null = null;
  hasEnded = false;

  constructor(request: Request, waiter: Waiter) {
    super();
    this.request = request;
    this.waiter = waiter;
  }
}

export interface PendingOptions {
  readonly limits: PendingLimits;
  readonly nowMs: number;
  /** Takes a request that nobody waited for yet. */
  propose(request: Request): void;
  /** Takes a request back. True: it will not be proposed any more; false: it may have been just now. */
  withdraw(request: Request): boolean;
  /** Whether a majority of replicas, this one included, can be reached now. */
  hasQuorum(): boolean;
}

export class PendingRequests {
  readonly #options: PendingOptions;
  readonly #requests = new RequestIndex<Request>();
  readonly #deadlines: TimingWheel<Call>;
  #calls = 0;
  #bytes = 0;

  constructor(options: PendingOptions) {
    this.#options = options;
    this.#deadlines = new TimingWheel(options.nowMs);
  }

  /** How many calls wait. */
  get size(): number {
    return this.#calls;
  }

  /** Every request that somebody waits for. */
  requests(): readonly Request[] {
    return this.#requests.all();
  }

  /**
   * Adds a call. The request is proposed if nobody waited for it yet.
   * @throws KvError overloaded if a limit is reached; invalidArgument if the request id is in use for
   * something else on the same key; both with the outcome notApplied
   */
  add(operation: KvOperation, deadlineMs: number, waiter: Waiter): Call {
    const existing = this.#requests.find(operation);
    if (existing !== undefined && Buffer.compare(existing.operation.bytes, operation.bytes) !== 0) {
      throw new KvError('invalidArgument', 'the request id is already in use for another request', {
        outcome: 'notApplied',
      });
    }
    const { requests, requestBytes } = this.#options.limits;
    const bytes = existing === undefined ? operation.size : 0;
    if (this.#calls >= requests || this.#bytes + bytes > requestBytes) {
      throw new KvError('overloaded', 'too many requests are waiting at this replica; try again', {
        outcome: 'notApplied',
      });
    }
    const request = existing ?? new Request(operation);
    const call = new Call(request, waiter);
    call.next = request.calls;
    request.calls = call;
    this.#deadlines.set(call, deadlineMs);
    this.#calls += 1;
    this.#bytes += bytes;
    if (existing === undefined) {
      this.#requests.add(request);
      this.#options.propose(request);
    }
    return call;
  }

  /** The caller no longer waits; nothing happens if the call has ended. */
  cancel(call: Call): void {
    if (call.hasEnded) return;
    const outcome = this.#leave(call);
    call.waiter.failed(new KvError('cancelled', 'the caller gave the request up', { outcome }));
  }

  /** The request was executed, by whoever proposed it: every call that waits for it is answered. */
  answer(operation: KvOperation, result: OperationResult): void {
    for (let call = this.#executed(operation); call !== null; call = call.next) call.waiter.answered(result);
  }

  /** The same, where what it answers cannot be told. @param error with an outcome; it speaks of one copy of the operation */
  refuse(operation: KvOperation, error: KvError): void {
    const isOnlyCopy = this.#requests.find(operation)?.mayBeApplied !== true;
    const told = isOnlyCopy || error.outcome === 'notApplied' ? error : lost(error);
    for (let call = this.#executed(operation); call !== null; call = call.next) call.waiter.failed(told);
  }

  /** Whether any call waits for the request. */
  isAwaited(operation: KvOperation): boolean {
    return this.#requests.find(operation) !== undefined;
  }

  /** Ends every call that waits for this very operation. */
  fail(operation: KvOperation, error: KvError): void {
    const request = this.#requests.find(operation);
    if (request?.operation === operation) this.#failCalls(request, error);
  }

  /** Ends the calls whose deadline has passed. */
  expire(nowMs: number): void {
    for (const call of this.#deadlines.takeDue(nowMs)) {
      if (call.hasEnded) continue; // ended by what ended the ones before
      const outcome = this.#leave(call);
      call.waiter.failed(this.#deadlineError(outcome));
    }
  }

  /** Ends every call, each request taken back where it still can be. */
  failAll(error: (outcome: Outcome) => KvError): void {
    for (const request of this.#requests.all()) {
      this.#failCalls(request, error(this.#options.withdraw(request) ? request.outcomeTakenBack : 'unknown'));
    }
  }

  /** Ends every call without asking the core, which is not to be touched any more. */
  abandon(error: (outcome: Outcome) => KvError): void {
    for (const request of this.#requests.all()) {
      this.#failCalls(request, error(request.isQueued ? request.outcomeTakenBack : 'unknown'));
    }
  }

  /** @returns the first of the calls that waited for it; null if there is none */
  #executed(operation: KvOperation): Call | null {
    const request = this.#requests.find(operation);
    if (request === undefined) return null;
    // Executed through another replica's copy: our own need not be proposed any more.
    if (request.operation !== operation) this.#options.withdraw(request);
    return this.#close(request);
  }

  #failCalls(request: Request, error: KvError): void {
    for (let call = this.#close(request); call !== null; call = call.next) call.waiter.failed(error);
  }

  /** One call stops waiting; the last one takes the operation with it if it still can. */
  #leave(call: Call): Outcome {
    const { request } = call;
    if (request.calls === call && call.next === null) {
      this.#close(request);
      return this.#options.withdraw(request) ? request.outcomeTakenBack : 'unknown';
    }
    this.#unlink(call);
    this.#end(call);
    return 'unknown';
  }

  #unlink(call: Call): void {
    const { request } = call;
    if (request.calls === call) {
      request.calls = call.next;
      return;
    }
    for (let before = request.calls; before !== null; before = before.next) {
      if (before.next === call) before.next = call.next;
    }
  }

  /** Removes a request and returns the first of the calls that waited for it; null if it has ended already. */
  #close(request: Request): Call | null {
    const first = request.calls;
    if (first === null) return null;
    request.calls = null;
    this.#requests.delete(request);
    this.#bytes -= request.operation.size;
    for (let call: Call | null = first; call !== null; call = call.next) this.#end(call);
    return first;
  }

  #end(call: Call): void {
    call.hasEnded = true;
    this.#deadlines.remove(call);
    this.#calls -= 1;
  }

  #deadlineError(outcome: Outcome): KvError {
    const mayYet = outcome === 'notApplied' ? '' : '; it may yet be applied';
    if (!this.#options.hasQuorum()) {
      const reason = `the deadline of the request passed, and a majority of replicas cannot be reached${mayYet}`;
      return new KvError('noQuorum', reason, { outcome });
    }
    const when =
      outcome === 'notApplied' ? 'before the request was proposed' : 'while the request was under way';
    return new KvError('deadlineExceeded', `the deadline passed ${when}${mayYet}`, { outcome });
  }
}

/** What is told of a request of which this copy had no effect, while one that an earlier core proposed may have had. */
function lost(cause: KvError): KvError {
  return new KvError(
    'connectionLost',
    'the replica put a snapshot in place while it held the request, which may have been applied',
    { outcome: 'unknown', cause },
  );
}
