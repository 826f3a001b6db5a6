/** The key-value table of one replica: the production state machine in memory. */
import { type KvOperation, KvState, type OperationResult, type Row, Sessions } from '../../src/kv/index.ts';

export class Table {
  // Nothing is ever written: the changes since the beginning are the table. No request is ever repeated.
  readonly #state = new KvState({ stored: () => undefined, sessions: new Sessions() });

  #executed = 0;

  /** Applies operations in their order. One result for each. */
  apply(operations: readonly KvOperation[]): readonly OperationResult[] {
    return operations.map((operation) => {
      this.#executed += 1;
      const id = { replica: 1, slot: this.#executed };
      return this.#state.apply(operation, { epoch: 1, id, place: 0 });
    });
  }

  /** By key. */
  get rows(): ReadonlyMap<string, Row> {
    const rows = new Map<string, Row>();
    for (const [key, row] of this.#state.changedRows()) if (row !== null) rows.set(key, row);
    return rows;
  }
}
