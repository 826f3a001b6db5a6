/**
 * The answers of executed writes, by request id: what makes every request take effect once (R7.6). They
 * are part of the state machine's state: loaded from the store at start, stored with the effects.
 */
import type { OperationResult, RequestId } from './operation.ts';

/** A request and what executing it answered. */
export interface RecordedAnswer {
  readonly request: RequestId;
  readonly result: OperationResult;
}

/**
 * The recorded answers, in memory. They are kept for as long as the process runs; whatever drops old ones
 * belongs here, and must drop the same ones, at the same place of the order of execution, on every replica.
 */
export class Sessions {
  readonly #clients = new Map<string, Map<number, OperationResult>>();
  #size = 0;

  constructor(answers: Iterable<RecordedAnswer> = []) {
    this.record(answers);
  }

  /** How many answers are kept. */
  get size(): number {
    return this.#size;
  }

  /** What the request answered when it was executed; undefined if it was not. */
  find(request: RequestId): OperationResult | undefined {
    return this.#clients.get(request.client)?.get(request.sequence);
  }

  /** Keeps answers. The first answer of a request stands for ever; a later one is ignored. */
  record(answers: Iterable<RecordedAnswer>): void {
    for (const { request, result } of answers) {
      let sequences = this.#clients.get(request.client);
      if (sequences === undefined) {
        sequences = new Map();
        this.#clients.set(request.client, sequences);
      }
      if (sequences.has(request.sequence)) continue;
      sequences.set(request.sequence, result);
      this.#size += 1;
    }
  }
}
