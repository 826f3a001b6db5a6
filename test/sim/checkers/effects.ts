/**
 * Effects, and exactly once: a second, naive state machine executes what each replica executes, applies every
 * request only the first time it meets it (one that keeps no record it may meet only once), and must come to the
 * same answers and rows. The answer of a write is the same on every replica and never changes. What comes too late is
 * refused by all of them (R7.12).
 */
import { isDeepStrictEqual } from 'node:util';
import type { Execution, ReplicaId } from '../../../src/epaxos/index.ts';
import {
  asKvOperation,
  isWrite,
  type KvOperation,
  type OperationResult,
  type Row,
} from '../../../src/kv/index.ts';
import { requestKey } from '../calls.ts';
import { demand } from './violation.ts';

interface ModelRow {
  readonly version: number;
  readonly value: Uint8Array;
}

/** A write, where it took effect. */
export interface AppliedWrite {
  readonly request: string;
  /** Null for a delete. */
  readonly value: Uint8Array | null;
}

/** What the end of a generation answers. */
const NOTHING: OperationResult = { version: 0, value: null, previousVersion: 0 };

/** An operation that was executed, and had no effect because of its generation. */
export interface Refused {
  /** The error's code. */
  readonly refused: string;
}

/** What executing an operation came to. */
export type Executed = OperationResult | Refused;

/** The naive state machine of one replica. It forgets no answer: what is refused it tells by the numbers alone. */
class Model {
  /** The commands executed, an entry an instance. */
  readonly log: (readonly KvOperation[])[] = [];
  readonly table = new Map<string, ModelRow>();
  generation = 1;
  readonly answers = new Map<string, OperationResult>();
  /** By key: the writes that took effect, in their order. */
  readonly writes = new Map<string, AppliedWrite[]>();

  execute(operations: readonly KvOperation[]): Executed[] {
    this.log.push(operations);
    return operations.map((operation) => this.#apply(operation));
  }

  /** A model that has executed only the first entries of the log. */
  first(count: number): Model {
    const model = new Model();
    for (const operations of this.log.slice(0, count)) model.execute(operations);
    return model;
  }

  #apply(operation: KvOperation): Executed {
    const { key } = operation;
    if (operation.kind === 'advance') {
      if (operation.generation === this.generation) this.generation += 1;
      return NOTHING;
    }
    const row = this.table.get(key);
    const version = row?.version ?? 0;
    if (operation.kind === 'multiGet') {
      const rows = operation.keys.map((each) => this.table.get(each) ?? null);
      return { version: 0, value: null, previousVersion: 0, rows };
    }
    if (!isWrite(operation)) return { version, value: row?.value ?? null, previousVersion: 0 };
    const request = requestKey(operation.request);
    const { generation } = operation.request;
    if (!operation.unrecorded && generation < this.generation - 1) return { refused: 'requestTooOld' };
    if (!operation.unrecorded && generation > this.generation) return { refused: 'invalidArgument' };
    const known = this.answers.get(request);
    if (known !== undefined) {
      demand(!operation.unrecorded, 'exactlyOnce', () => `${request} was to be executed once, and was twice`);
      return known;
    }
    const asked = operation.returnPrevious;
    const answer = {
      version: operation.kind === 'put' ? version + 1 : version,
      value: asked ? (row?.value ?? null) : null,
      previousVersion: asked ? version : 0,
    };
    if (operation.kind === 'put') this.table.set(key, { version: version + 1, value: operation.value });
    else this.table.delete(key);
    this.answers.set(request, answer);
    const writes = this.writes.get(key) ?? [];
    this.writes.set(key, writes);
    writes.push({ request, value: operation.kind === 'put' ? operation.value : null });
    return answer;
  }
}

export class Effects {
  readonly #models: Model[];
  /** By snapshot. */
  readonly #snapshots = new Map<string, Model>();
  /** The answers of writes, whoever executed them first. */
  readonly answers = new Map<string, OperationResult>();
  /** Requests that some replica has executed at some time. */
  readonly requests = new Set<string>();

  constructor(replicas: number) {
    this.#models = Array.from({ length: replicas }, () => new Model());
  }

  /**
   * A replica writes the effects of some instances. Rows that it leaves out are found when its table is compared.
   * @param effects.results one for each operation of the executions, in their order
   * @throws Violation effects
   */
  executed(
    replica: ReplicaId,
    effects: {
      readonly executions: readonly Execution[];
      readonly results: readonly Executed[];
      readonly rows: ReadonlyMap<string, Row | null>;
    },
  ): void {
    const model = this.#model(replica);
    let next = 0;
    for (const { command } of effects.executions) {
      const operations = command?.operations.map(asKvOperation) ?? [];
      for (const [index, expected] of model.execute(operations).entries()) {
        const operation = operations[index];
        const result = effects.results[next];
        next += 1;
        if (operation !== undefined) this.#compare(replica, operation, { expected, result });
      }
    }
    for (const [key, row] of effects.rows) this.#compareRow(replica, key, row ?? undefined);
  }

  /** A replica was restarted; the effects of its first `executions` executions are still there. */
  rewind(replica: ReplicaId, executions: number): void {
    const model = this.#model(replica);
    if (executions < model.log.length) this.#models[replica - 1] = model.first(executions);
  }

  /** A replica has opened a snapshot that stands for its first `executions` executions. */
  opened(
    replica: ReplicaId,
    { snapshot, executions }: { readonly snapshot: string; readonly executions: number },
  ): void {
    this.#snapshots.set(snapshot, this.#model(replica).first(executions));
  }

  /** A replica has executed now what a snapshot stands for, and as many no-ops as make it `executions`. */
  install(replica: ReplicaId, snapshot: string, executions: number): void {
    const model = this.#snapshots.get(snapshot);
    if (model === undefined) throw new RangeError(`no snapshot ${snapshot}`);
    const installed = model.first(model.log.length);
    while (installed.log.length < executions) installed.execute([]);
    this.#models[replica - 1] = installed;
  }

  /** In which generation a replica must be now. */
  generation(replica: ReplicaId): number {
    return this.#model(replica).generation;
  }

  /** What a replica's table must be now. */
  table(replica: ReplicaId): ReadonlyMap<string, Row> {
    return this.#model(replica).table;
  }

  /** By key: the writes that took effect on a replica's table, in their order. */
  writes(replica: ReplicaId): ReadonlyMap<string, readonly AppliedWrite[]> {
    return this.#model(replica).writes;
  }

  #compare(
    replica: ReplicaId,
    operation: KvOperation,
    results: { readonly expected: Executed; readonly result: Executed | undefined },
  ): void {
    const { expected, result } = results;
    const request = requestKey(operation.request);
    const what = `replica ${replica}, ${operation.kind} ${operation.key} (${request})`;
    // Where nobody waits for a multi-get nothing is read.
    const isUnread =
      operation.kind === 'multiGet' &&
      result !== undefined &&
      !('refused' in result) &&
      result.rows === undefined;
    demand(
      isUnread || (result !== undefined && isSameOutcome(result, expected)),
      'effects',
      () => `${what} answered ${formatResult(result)} instead of ${formatResult(expected)}`,
    );
    if ('refused' in expected) return;
    this.requests.add(request);
    if (!isWrite(operation)) return;
    const first = this.answers.get(request) ?? expected;
    this.answers.set(request, first);
    demand(
      isSameResult(first, expected),
      'effects',
      () => `${what} answered ${formatResult(expected)}, and ${formatResult(first)} before`,
    );
  }

  #compareRow(replica: ReplicaId, key: string, row: Row | undefined): void {
    const expected = this.#model(replica).table.get(key);
    demand(
      isSameRow(row, expected),
      'effects',
      () => `replica ${replica} holds version ${row?.version} of ${key} instead of ${expected?.version}`,
    );
  }

  #model(replica: ReplicaId): Model {
    const model = this.#models[replica - 1];
    if (model === undefined) throw new RangeError(`no replica ${replica}`);
    return model;
  }
}

/** True if both are absent, or are the same in version and bytes; and, where both have one, in their stamp. */
export function isSameRow(one: Row | undefined, other: Row | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  if ('stamp' in one && 'stamp' in other && !isDeepStrictEqual(one.stamp, other.stamp)) return false;
  return one.version === other.version && isSameValue(one.value, other.value);
}

function isSameOutcome(one: Executed, other: Executed): boolean {
  if ('refused' in one || 'refused' in other) {
    return 'refused' in one && 'refused' in other && one.refused === other.refused;
  }
  return isSameResult(one, other);
}

export function isSameResult(one: OperationResult, other: OperationResult): boolean {
  return (
    one.version === other.version &&
    one.previousVersion === other.previousVersion &&
    isSameValue(one.value, other.value) &&
    isSameRows(one.rows, other.rows)
  );
}

function isSameRows(one: OperationResult['rows'], other: OperationResult['rows']): boolean {
  if (one === undefined || other === undefined) return one === other;
  return (
    one.length === other.length &&
    one.every((row, index) => isSameRow(row ?? undefined, other[index] ?? undefined))
  );
}

function isSameValue(one: Uint8Array | null, other: Uint8Array | null): boolean {
  if (one === other) return true;
  return one !== null && other !== null && Buffer.compare(one, other) === 0;
}

function formatResult(result: Executed | undefined): string {
  if (result === undefined) return 'nothing';
  if ('refused' in result) return result.refused;
  const value = result.value === null ? '-' : Buffer.from(result.value).toString();
  const rows = result.rows?.map((row) => `${row?.version ?? 0}`).join() ?? '-';
  return `(version ${result.version}, previous ${result.previousVersion}, value ${value}, rows ${rows})`;
}
