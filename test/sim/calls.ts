/** Calls of clients that wait at a replica: what the server's pending requests are, without promises. */
import { Proposal } from '../../src/epaxos/index.ts';
import type { KvOperation, OperationResult, RequestId } from '../../src/kv/index.ts';

/** How a call ends, in the words of the client's errors. */
export type Outcome =
  | { readonly type: 'answered'; readonly result: OperationResult }
  | { readonly type: 'notApplied' }
  | { readonly type: 'unknown' }
  /** This copy had no effect. */
  | { readonly type: 'tooOld' };

export type Reply = (outcome: Outcome) => void;

/** One call. Several may wait for one request: a retry that meets the first attempt. */
export interface Call {
  readonly operation: KvOperation;
  readonly reply: Reply;
}

interface Entry {
  readonly proposal: Proposal<KvOperation>;
  readonly calls: Set<Call>;
}

export class Calls {
  readonly #entries = new Map<string, Entry>();
  readonly #withdraw: (proposal: Proposal<KvOperation>) => boolean;

  /** @param withdraw takes an operation back; true if it will never be proposed */
  constructor(withdraw: (proposal: Proposal<KvOperation>) => boolean) {
    this.#withdraw = withdraw;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Every operation that somebody waits for. */
  proposals(): readonly Proposal<KvOperation>[] {
    return Array.from(this.#entries.values(), ({ proposal }) => proposal);
  }

  /** True if somebody waits for this request. */
  has(operation: KvOperation): boolean {
    return this.#entries.has(requestKey(operation.request));
  }

  /** Adds a call. If nobody waited for this request yet, returns its operation, to be proposed; otherwise null. */
  add(call: Call): Proposal<KvOperation> | null {
    const key = requestKey(call.operation.request);
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      entry.calls.add(call);
      return null;
    }
    const proposal = new Proposal(call.operation);
    this.#entries.set(key, { proposal, calls: new Set([call]) });
    return proposal;
  }

  /** The request was executed, by whoever proposed it. */
  answer(operation: KvOperation, result: OperationResult): void {
    const entry = this.#take(operation.request);
    if (entry === undefined) return;
    if (entry.proposal.operation !== operation) this.#withdraw(entry.proposal);
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
    call.reply({ type: this.#withdraw(entry.proposal) ? 'notApplied' : 'unknown' });
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
