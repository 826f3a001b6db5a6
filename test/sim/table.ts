/** A replica's table: what its disk holds of it, and over that what the state machine has not written yet. */
import { type Changes, KvState, type Row, Sessions } from '../../src/kv/index.ts';
import type { DiskContents } from './disk-state.ts';

export class Table {
  readonly state: KvState;
  readonly #stored: Map<string, Row>;

  constructor({ rows, pages }: DiskContents) {
    this.#stored = new Map(rows);
    this.state = new KvState({ stored: (key) => this.#stored.get(key), sessions: new Sessions(pages) });
  }

  /** Changes that were taken are written. */
  written(rows: Changes['rows']): void {
    for (const [key, row] of rows) {
      if (row === null) this.#stored.delete(key);
      else this.#stored.set(key, row);
    }
    this.state.written();
  }

  rows(): Map<string, Row> {
    const rows = new Map(this.#stored);
    for (const [key, row] of this.state.changedRows()) {
      if (row === null) rows.delete(key);
      else rows.set(key, row);
    }
    return rows;
  }
}
