/** The key-value table of one replica: the production state machine in memory. */
import {
  applyOperations,
  type KvOperation,
  type OperationResult,
  type Row,
  Sessions,
} from '../../src/kv/index.ts';

export class Table {
  readonly rows = new Map<string, Row>();
  /** Stays empty: no request of this world is ever repeated. */
  readonly #sessions = new Sessions();

  /** Applies operations in their order. One result for each. */
  apply(operations: readonly KvOperation[]): readonly OperationResult[] {
    const view = { row: (key: string) => this.rows.get(key), sessions: this.#sessions };
    const { results, rows } = applyOperations(view, operations);
    for (const { key, row } of rows) {
      if (row === null) this.rows.delete(key);
      else this.rows.set(key, row);
    }
    return results;
  }
}
