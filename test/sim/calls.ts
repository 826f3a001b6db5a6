/** Calls of clients that wait at a replica: what the server's pending requests are, without promises. */
import type { KvOperation, OperationResult, RequestId } from '../../src/kv/index.ts';

/** How a call ends, in the words of the client's errors. */
export type Outcome =
  | { readonly type: 'answered'; readonly result: OperationResult }
  | { readonly type: 'notApplied' }
  | { readonly type: 'unknown' };

export type Reply = (outcome: Outcome) => void;

/** One call. Several may wait for one request: a retry that meets the first attempt. */
export interface Call {
  readonly operation: KvOperation;
  readonly reply: Reply;
}

interface Entry {
  readonly operation: KvOperation;
  readonly calls: Set<Call>;
}

export class Calls {
  readonly #entries = new Map<string, Entry>();
  readonly #withdraw: (operation: KvOperation) => boolean;

  /** @param withdraw takes an operation back; true if it will never be proposed */
  constructor(withdraw: (operation: KvOperation) => boolean) {
    this.#withdraw = withdraw;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Every operation that somebody waits for. */
  operations(): readonly KvOperation[] {
    return Array.from(this.#entries.values(), ({ operation }) => operation);
  }

  /** True if somebody waits for this request. */
  has(operation: KvOperation): boolean {
    return this.#entries.has(requestKey(operation.request));
  }

  /** Adds a call. True: nobody waited for this request yet, so the operation is to be proposed. */
  add(call: Call): boolean {
    const key = requestKey(call.operation.request);
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      entry.calls.add(call);
      return false;
    }
    this.#entries.set(key, { operation: call.operation, calls: new Set([call]) });
    return true;
  }

  /** The request was executed, by whoever proposed it. */
  answer(operation: KvOperation, result: OperationResult): void {
    const entry = this.#take(operation.request);
    if (entry === undefined) return;
    if (entry.operation !== operation) this.#withdraw(entry.operation);
    for (const call of entry.calls) call.reply({ type: 'answered', result });
  }

  /** The operation was not taken. */
  refuse(operation: KvOperation): void {
    for (const call of this.#take(operation.request)?.calls ?? []) call.reply({ type: 'notApplied' });
  }

  /** The deadline of a call has passed; the last one takes the operation with it if it still can. */
  expire(call: Call): void {
    const key = requestKey(call.operation.request);
    const entry = this.#entries.get(key);
    if (entry === undefined || !entry.calls.delete(call)) return;
    if (entry.calls.size > 0) {
      call.reply({ type: 'unknown' });
      return;
    }
    this.#entries.delete(key);
    call.reply({ type: this.#withdraw(entry.operation) ? 'notApplied' : 'unknown' });
  }

  #take(request: RequestId): Entry | undefined {
    const key = requestKey(request);
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    return entry;
  }
}

/** A request's name as one string. */
export function requestKey(request: RequestId): string {
  return `${request.client}/${request.sequence}`;
}
