/** What the clients did and saw, on a clock of its own that orders every beginning and every answer. */
import { isWrite, type KvOperation, type OperationResult } from '../../src/kv/index.ts';
import { requestKey } from './calls.ts';
import type { HistoryOperation } from './checkers/linearizability.ts';

/** One operation of a client, from its first attempt to its end. */
export interface Entry {
  readonly operation: KvOperation;
  readonly invokedAt: number;
  answeredAt: number;
  result: OperationResult | null;
  /** `notApplied`: every attempt was told so, and it must be true. */
  outcome: 'open' | 'answered' | 'unknown' | 'notApplied';
}

export class History {
  readonly entries: Entry[] = [];
  #clock = 0;

  begin(operation: KvOperation): Entry {
    this.#clock += 1;
    const entry: Entry = {
      operation,
      invokedAt: this.#clock,
      answeredAt: Number.POSITIVE_INFINITY,
      result: null,
      outcome: 'open',
    };
    this.entries.push(entry);
    return entry;
  }

  answer(entry: Entry, result: OperationResult): void {
    this.#clock += 1;
    entry.answeredAt = this.#clock;
    entry.result = result;
    entry.outcome = 'answered';
  }

  /** The client gives up. */
  giveUp(entry: Entry, outcome: 'unknown' | 'notApplied'): void {
    entry.outcome = outcome;
  }

  /** What the linearizability checker looks at: all but what was not applied. */
  operations(): HistoryOperation[] {
    return this.entries
      .filter(({ outcome }) => outcome !== 'notApplied')
      .map(({ operation, invokedAt, answeredAt, result }) => ({
        kind: kindOf(operation),
        key: operation.key,
        value: operation.kind === 'put' ? text(operation.value) : null,
        returnPrevious: isWrite(operation) && operation.returnPrevious,
        invokedAt,
        answeredAt,
        result: result && { ...result, value: text(result.value) },
      }));
  }

  /** The writes that were acknowledged, with the answers. */
  acknowledged(): { readonly request: string; readonly result: OperationResult }[] {
    return this.entries.flatMap(({ operation, result }) =>
      result === null || !isWrite(operation) ? [] : { request: requestKey(operation.request), result },
    );
  }
}

/** @throws RangeError for a multi-get: nobody draws any */
function kindOf({ kind }: KvOperation): HistoryOperation['kind'] {
  if (kind === 'multiGet') throw new RangeError('a multi-get is no operation on one key');
  return kind;
}

function text(value: Uint8Array): string;
function text(value: Uint8Array | null): string | null;
function text(value: Uint8Array | null): string | null {
  return value && Buffer.from(value).toString('latin1');
}
