/** A replica's table: what its disk holds of it, and over that what the state machine has not written yet. */
import { type Execution, FIRST_EPOCH } from '../../src/epaxos/index.ts';
import {
  asKvOperation,
  type Changes,
  type KvOperation,
  KvState,
  type OperationResult,
  Sessions,
  type StampedRow,
} from '../../src/kv/index.ts';
import type { DiskContents } from './disk-state.ts';

/** Where nobody waits for a multi-get its rows are not read. */
const NOT_READ: OperationResult = { version: 0, value: null, previousVersion: 0 };

export class Table {
  readonly state: KvState;
  readonly #stored: Map<string, StampedRow>;

  constructor({ rows, pages }: DiskContents) {
    this.#stored = new Map(rows);
    this.state = new KvState({ stored: (key) => this.#stored.get(key), sessions: new Sessions(pages) });
  }

  /** Executes instances in their order. @param isUnread tells for which operations nobody waits: they are not executed */
  execute(
    executions: readonly Execution[],
    isUnread: (operation: KvOperation) => boolean,
  ): OperationResult[] {
    return executions.flatMap(({ id, command }) =>
      (command?.operations ?? []).map(asKvOperation).map((operation, place) => {
        const at = { epoch: FIRST_EPOCH, id, place };
        return isUnread(operation) ? NOT_READ : this.state.apply(operation, at);
      }),
    );
  }

  /** Changes that were taken are written. */
  written(rows: Changes['rows']): void {
    for (const [key, row] of rows) {
      if (row === null) this.#stored.delete(key);
      else this.#stored.set(key, row);
    }
    this.state.written();
  }

  rows(): Map<string, StampedRow> {
    const rows = new Map(this.#stored);
    for (const [key, row] of this.state.changedRows()) {
      if (row === null) rows.delete(key);
      else rows.set(key, row);
    }
    return rows;
  }
}
