/** What the clients did and saw, on a clock of its own that orders every beginning and every answer. */
import { isWrite, type KvOperation, type OperationResult } from '../../src/kv/index.ts';
import { assert } from '../../src/util/assert.ts';
import { requestKey } from './calls.ts';
import type { AppliedWrite } from './checkers/effects.ts';
import type { HistoryOperation, SeenResult } from './checkers/linearizability.ts';
import type { ClientOperation, OrderedWrite } from './checkers/serializability.ts';

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

  /** What the linearizability checker looks at: all but what was not applied. A multi-get is a get of each of its keys. */
  operations(): HistoryOperation[] {
    return this.entries
      .filter(({ outcome }) => outcome !== 'notApplied')
      .flatMap((entry) => {
        const { operation, invokedAt, answeredAt, result } = entry;
        if (!isWrite(operation)) return reads(entry);
        return {
          kind: operation.kind,
          key: operation.key,
          value: operation.kind === 'put' ? text(operation.value) : null,
          returnPrevious: operation.returnPrevious,
          invokedAt,
          answeredAt,
          result: result && { ...result, value: text(result.value) },
        };
      });
  }

  /**
   * What the serializability checker looks at: every operation, and where its writes are in the orders.
   * @param orders by key: the requests that wrote it, in the order in which they took effect
   */
  transactions(orders: ReadonlyMap<string, readonly AppliedWrite[]>): {
    readonly operations: readonly ClientOperation[];
    readonly orders: ReadonlyMap<string, readonly OrderedWrite[]>;
  } {
    const operations = new Map(
      this.entries.map((entry) => [requestKey(entry.operation.request), transaction(entry)]),
    );
    const ordered = ({ request, value }: AppliedWrite): OrderedWrite => {
      const by = operations.get(request);
      assert(by !== undefined, 'what was executed was asked for');
      return { by, value: text(value) };
    };
    return {
      operations: [...operations.values()],
      orders: new Map([...orders].map(([key, writes]) => [key, writes.map(ordered)])),
    };
  }

  /** The writes that were acknowledged, with the answers. */
  acknowledged(): { readonly request: string; readonly result: OperationResult }[] {
    return this.entries.flatMap(({ operation, result }) =>
      result === null || !isWrite(operation) ? [] : { request: requestKey(operation.request), result },
    );
  }
}

/** What a get or a multi-get saw, or would have, key by key. */
function reads({ operation, invokedAt, answeredAt, result }: Entry): HistoryOperation[] {
  const rows = operation.kind === 'multiGet' ? result?.rows : result && [result];
  const keys = keysOf(operation);
  assert(result === null || rows?.length === keys.length, 'a row for each key');
  return keys.map((key, index) => ({
    kind: 'get',
    key,
    value: null,
    returnPrevious: false,
    invokedAt,
    answeredAt,
    result: rows ? seen(rows[index] ?? null) : null,
  }));
}

/** What it is about, also where it touches everything. */
function keysOf(operation: KvOperation): readonly string[] {
  return operation.kind === 'multiGet' ? operation.keys : [operation.key];
}

function seen(row: { readonly version: number; readonly value: Uint8Array | null } | null): SeenResult {
  return { version: row?.version ?? 0, value: text(row?.value ?? null), previousVersion: 0 };
}

function transaction(entry: Entry): ClientOperation {
  const { operation, invokedAt, answeredAt } = entry;
  const { client, sequence } = operation.request;
  return {
    name: `${operation.kind} ${keysOf(operation).join()} (${client.trim()}/${sequence})`,
    invokedAt,
    answeredAt,
    reads: isWrite(operation)
      ? []
      : reads(entry).flatMap(({ key, result }) => (result === null ? [] : { key, value: result.value })),
  };
}

function text(value: Uint8Array): string;
function text(value: Uint8Array | null): string | null;
function text(value: Uint8Array | null): string | null {
  return value && Buffer.from(value).toString('latin1');
}
