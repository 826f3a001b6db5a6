/** The rows of the key-value table: those in the store, and over them what was changed and is not written yet. */
import type { KeyHandle } from '../epaxos/index.ts';
import { assert } from '../util/assert.ts';
import { NO_BYTES } from '../util/no-bytes.ts';
import type { Stamp, StampedRow } from './types.ts';

/** So many rows that are in the store already are kept for the next time, unless their values are longer. */
const CACHED_ROWS = 65_536;
const CACHED_VALUE_BYTES = 1024;

/** Where a value lies: from `valueStart` to before `valueEnd` in `source`. */
export interface ValueExtent {
  readonly source: Uint8Array;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/**
 * A key's row as it is now, whether it is in the store or not. Most values are written over before anybody asks for
 * them: so a put leaves no object here, only where its value lies.
 */
export class Cell {
  readonly key: string;
  /** The table that it is a cell of; null once that has let go of it. */
  table: Table | null;
  isChanged = false;
  /** 0: there is no row. */
  version = 0;
  #source: Uint8Array = NO_BYTES;
  #start = 0;
  #end = 0;
  /** Of the row's stamp, which is not kept as an object: it would outlive many of them, each to be collected later. */
  #epoch = 0;
  #replica = 0;
  #slot = 0;
  #place = 0;

  constructor(key: string, { table, row }: { readonly table: Table; readonly row: StampedRow | undefined }) {
    this.key = key;
    this.table = table;
    if (row !== undefined) this.keep(row);
  }

  /** Null: there is none. */
  get value(): Uint8Array | null {
    if (this.version === 0) return null;
    const isWhole = this.#start === 0 && this.#end === this.#source.length;
    return isWhole ? this.#source : this.#source.subarray(this.#start, this.#end);
  }

  get row(): StampedRow | null {
    const { value, version } = this;
    if (value === null) return null;
    const id = { replica: this.#replica, slot: this.#slot };
    return { value, version, stamp: { epoch: this.#epoch, id, place: this.#place } };
  }

  put({ source, valueStart, valueEnd }: ValueExtent, at: Stamp): void {
    this.version += 1;
    this.#source = source;
    this.#start = valueStart;
    this.#end = valueEnd;
    this.#stampWith(at);
  }

  /** The row is this one. */
  keep({ value, version, stamp }: StampedRow): void {
    this.version = version;
    this.keepValue(value);
    this.#stampWith(stamp);
  }

  /** Its value is the same, and in a place of its own. */
  keepValue(value: Uint8Array): void {
    this.#source = value;
    this.#start = 0;
    this.#end = value.length;
  }

  remove(): void {
    this.version = 0;
    this.#source = NO_BYTES;
  }

  /** It is not used any more, and may yet be attached to a key. */
  letGo(): void {
    this.table = null;
    this.#source = NO_BYTES;
  }

  #stampWith({ epoch, id, place }: Stamp): void {
    this.#epoch = epoch;
    this.#replica = id.replica;
    this.#slot = id.slot;
    this.#place = place;
  }
}

export class Table {
  readonly #stored: (key: string) => StampedRow | undefined;
  /** Every changed row, those that are being written, and others that were asked for. */
  #cells = new Map<string, Cell>();
  #changed: Cell[] = [];
  /** What was taken and is being written, and whose it is; null for nothing. */
  #writing: {
    readonly rows: ReadonlyMap<string, StampedRow | null>;
    readonly cells: readonly Cell[];
  } | null = null;

  /** @param stored the row of a key in the store; undefined if there is none */
  constructor(stored: (key: string) => StampedRow | undefined) {
    this.#stored = stored;
  }

  /** A key's row as it is now. */
  row(key: string): StampedRow | undefined {
    const cell = this.#cells.get(key);
    return cell === undefined ? this.#stored(key) : (cell.row ?? undefined);
  }

  /** The same to be changed, by {@link put} and {@link remove}. @param handle the key's, if it is at hand */
  cell(key: string, handle?: KeyHandle): Cell {
    const attached = handle?.attachment;
    if (attached instanceof Cell && attached.table === this) return attached;
    let cell = this.#cells.get(key);
    if (cell === undefined) {
      cell = new Cell(key, { table: this, row: this.#stored(key) });
      this.#cells.set(key, cell);
    }
    if (handle !== undefined) handle.attachment = cell;
    return cell;
  }

  /** Sets a key's value. It is kept, not copied. @param at the stamp of the new row */
  put(cell: Cell, value: ValueExtent, at: Stamp): void {
    cell.put(value, at);
    this.#changes(cell);
  }

  remove(cell: Cell): void {
    cell.remove();
    this.#changes(cell);
  }

  /** Every row that may not be in the store as it is now; null where it was removed. */
  changedRows(): ReadonlyMap<string, StampedRow | null> {
    const rows = new Map(this.#writing?.rows);
    for (const { key, row } of this.#changed) rows.set(key, row);
    return rows;
  }

  /** Hands over the last write of every key that was written; null removes the key. It stays visible here. */
  takeChanges(): ReadonlyMap<string, StampedRow | null> {
    assert(this.#writing === null, 'changes are written one after another');
    const rows = new Map<string, StampedRow | null>();
    for (const cell of this.#changed) {
      rows.set(cell.key, cell.row);
      cell.isChanged = false;
    }
    this.#writing = { rows, cells: this.#changed };
    this.#changed = [];
    return rows;
  }

  /** What was taken is in the store. */
  written(): void {
    assert(this.#writing !== null, 'what is written was taken');
    for (const cell of this.#writing.cells) this.#keep(cell);
    this.#writing = null;
    if (this.#cells.size <= CACHED_ROWS) return;
    for (const cell of this.#cells.values()) if (!cell.isChanged) cell.letGo();
    this.#cells = new Map(this.#changed.map((cell) => [cell.key, cell]));
  }

  /**
   * A row is in the store, and kept for the next read, with a copy of its value: that is a view of all that arrived
   * together with it.
   */
  #keep(cell: Cell): void {
    if (cell.isChanged) return;
    const { value } = cell;
    if (value !== null && value.length <= CACHED_VALUE_BYTES) {
      cell.keepValue(new Uint8Array(value));
      return;
    }
    this.#cells.delete(cell.key);
    cell.letGo();
  }

  #changes(cell: Cell): void {
    if (cell.isChanged) return;
    cell.isChanged = true;
    this.#changed.push(cell);
  }
}
