/**
 * The deterministic state machine: what operations do to the table. The same operations in the same
 * order give the same rows and answers on every replica, and a second copy of a request changes nothing (R7.6). What each
 * kind does stands in operations/.
 *
 * What it changes lies here, in memory, until it is taken and written to the store all at once: what was written
 * over in between never gets there. The commands are in the store by then (R6.1, R6.2), so a crash loses nothing:
 * they are executed again (R7.4).
 */
import type { AnswerPage } from './answer-page.ts';
import {
  isRecorded,
  type KvOperation,
  kindOf,
  OPERATIONS,
  type ReadOperation,
} from './operations/catalogue.ts';
import type { ReadKind, Tables } from './operations/operation-kind.ts';
import type { Sessions } from './sessions.ts';
import { Table } from './table.ts';
import type { OperationResult, StampedRow, Turn } from './types.ts';

/** What has changed since the last time it was taken. */
export interface Changes {
  /** The last write of every key that was written; null removes the key. */
  readonly rows: ReadonlyMap<string, StampedRow | null>;
  /**
   * The pages that answers were added to, whole, of the generations that are kept. Gets, repeated and unrecorded
   * requests add none. They go on changing with what is executed next, which is not written yet: they are to be encoded
   * before that.
   */
  readonly pages: ReadonlySet<AnswerPage>;
  /** The present generation, if it is another one now (R7.12); null: it is not. */
  readonly generation: number | null;
}

export class KvState implements Tables {
  readonly table: Table;
  readonly sessions: Sessions;

  constructor(options: {
    /** The row of a key in the store; undefined if there is none. */
    readonly stored: (key: string) => StampedRow | undefined;
    /** The answers in the store. */
    readonly sessions: Sessions;
  }) {
    this.table = new Table(options.stored);
    this.sessions = options.sessions;
  }

  /** A key's row as it is now. */
  row(key: string): StampedRow | undefined {
    return this.table.row(key);
  }

  /** Every row that may not be in the store as it is now; null where it was removed. */
  changedRows(): ReadonlyMap<string, StampedRow | null> {
    return this.table.changedRows();
  }

  /**
   * Executes one operation. Values are kept, not copied: nobody changes the bytes of an operation or of a row.
   * @param turn with the stamp of what it writes, which nothing else has
   * @throws KvError as {@link read}, for a read: it need not be executed where nobody waits for its answer; and as
   *   {@link Sessions.check}, for a recorded write. Either has changed nothing; its outcome is not `none`
   */
  apply(operation: KvOperation, turn: Turn): OperationResult {
    const kind = kindOf(operation);
    if (kind.role === 'read') return kind.read(this, operation);
    if (!isRecorded(operation)) return kind.apply(this, operation, turn);
    const { key, request } = operation;
    this.sessions.check(request);
    const recorded = this.sessions.find(request, key);
    if (recorded !== undefined) return recorded;
    const result = kind.apply(this, operation, turn);
    this.sessions.record({ request, key, result });
    return result;
  }

  /**
   * What a read answers now.
   * @throws KvError limitExceeded, outcome notApplied, if the values that a multi-get reads have together more than
   *   `LIMITS.answerBytes`
   */
  read(operation: ReadOperation): OperationResult {
    const kind: ReadKind<ReadOperation> = OPERATIONS[operation.kind];
    return kind.read(this, operation);
  }

  /** Hands over the changes, to be written. They stay visible here. */
  takeChanges(): Changes {
    return { rows: this.table.takeChanges(), ...this.sessions.takeChanges() };
  }

  /** What was taken is in the store. */
  written(): void {
    this.table.written();
  }
}
