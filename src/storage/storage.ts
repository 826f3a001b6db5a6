/**
 * The storage port: what a replica keeps on disk. Three things live in one store, so that they can be
 * changed together: the instance space, the key-value table, and the replica's identity. One contract
 * suite (test/storage) holds for every adapter.
 */
import type { InstanceId, InstanceRecord } from '../epaxos/index.ts';
import type { OperationResult, RequestId, Row } from '../kv/index.ts';

/** The format of everything in a data directory; raised by any change that older code cannot read. */
export const FORMAT_VERSION = 1;

/** Whose data a store holds. Opening it as anybody else is refused (R6.5). */
export interface Identity {
  readonly cluster: string;
  readonly replica: number;
  /** N, the number of replicas of the cluster. */
  readonly replicas: number;
}

/** One change of the key-value table; `row` null removes the key. */
export interface RowWrite {
  /** The key's bytes as a binary string. */
  readonly key: string;
  readonly row: Row | null;
}

/** The answer of an executed write, kept so that a second copy of the request is not applied (R7.6). */
export interface Answer {
  readonly request: RequestId;
  readonly result: OperationResult;
}

/** What the execution of some instances leaves behind; written as one atomic batch (R7.4). */
export interface Effects {
  readonly rows: readonly RowWrite[];
  readonly answers: readonly Answer[];
  readonly executed: readonly InstanceId[];
}

export interface Storage {
  /**
   * Every record in the store, by row and then by slot; those marked executed have the status executed.
   * @throws KvError storageFailure if anything stored cannot be read back
   */
  records(): AsyncIterable<InstanceRecord>;
  /**
   * Writes records in one atomic batch, each replacing what was stored for its instance.
   * Resolves when it is written, with `sync` when it is on disk.
   */
  writeRecords(records: readonly InstanceRecord[], options: { readonly sync: boolean }): Promise<void>;
  /** Writes effects and executed marks in one atomic batch, not synced: execution can be repeated. */
  writeEffects(effects: Effects): Promise<void>;
  /** The row of a key, or undefined; sees every effect whose write has resolved. Synchronous. */
  row(key: string): Row | undefined;
  /** Rows in key order: `start` included, `end` excluded, null for no bound; a consistent snapshot. */
  rows(range: {
    readonly start: string | null;
    readonly end: string | null;
  }): AsyncIterable<readonly [key: string, row: Row]>;
  /** Every answer in the store, in no particular order. */
  answers(): AsyncIterable<Answer>;
  /** Waits for writes under way, then lets go of the store. Idempotent. */
  close(): Promise<void>;
}
