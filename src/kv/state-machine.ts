/**
 * The deterministic state machine: what operations do to the table. The same operations in the same
 * order give the same rows and answers on every replica, and a second copy of a request changes nothing (R7.6).
 *
 * What it changes lies here, in memory, until it is taken and written to the store all at once: what was written
 * over in between never gets there. The commands are in the store by then (R6.1, R6.2), so a crash loses nothing:
 * they are executed again (R7.4).
 */
import { KvError } from '../errors.ts';
import { assert, assertNever } from '../util/assert.ts';
import type { AnswerPage } from './answer-page.ts';
import { LIMITS } from './limits.ts';
import {
  type AdvanceOperation,
  type DeleteOperation,
  isWrite,
  type KvOperation,
  type MultiGetOperation,
  type PutOperation,
  type ReadOperation,
} from './operation.ts';
import type { Sessions } from './sessions.ts';
import type { OperationResult, Stamp, StampedRow } from './types.ts';

/** What has changed since the last time it was taken. */
export interface Changes {
  /** The last write of every key that was written; `row` null removes the key. */
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

/** So many rows are kept for the next time when they are in the store already, unless their values are longer. */
const KEPT_ROWS = 65_536;
const KEPT_VALUE_BYTES = 1024;

const NO_BYTES = new Uint8Array(0);

/**
 * A key's row as it is now, whether it is in the store or not. Most values are written over before anybody asks for
 * them: so a put leaves no object here, only where its value lies.
 */
class Cell {
  readonly key: string;
  isChanged = false;
  /** 0: there is no row. */
  version = 0;
  #source: Uint8Array = NO_BYTES;
  #start = 0;
  #end = 0;
  /** Null: there is no row. */
  #stamp: Stamp | null = null;

  constructor(key: string, row: StampedRow | undefined) {
    this.key = key;
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
    const stamp = this.#stamp;
    return value === null || stamp === null ? null : { value, version, stamp };
  }

  put({ source, valueStart, valueEnd }: PutOperation, at: Stamp): void {
    this.version += 1;
    this.#stamp = at;
    this.#source = source;
    this.#start = valueStart;
    this.#end = valueEnd;
  }

  /** The row is this one. */
  keep({ value, version, stamp }: StampedRow): void {
    this.version = version;
    this.#stamp = stamp;
    this.#source = value;
    this.#start = 0;
    this.#end = value.length;
  }

  remove(): void {
    this.version = 0;
    this.#stamp = null;
    this.#source = NO_BYTES;
  }
}

export class KvState {
  readonly sessions: Sessions;
  readonly #stored: (key: string) => StampedRow | undefined;
  /** Every changed row, those that are being written, and others that were asked for. */
  #cells = new Map<string, Cell>();
  #changed: Cell[] = [];
  #pages = new Set<AnswerPage>();
  #hasAdvanced = false;
  /** What was taken and is being written; null for nothing. */
  #writing: Changes | null = null;

  constructor(options: {
    /** The row of a key in the store; undefined if there is none. */
    readonly stored: (key: string) => StampedRow | undefined;
    /** The answers in the store. */
    readonly sessions: Sessions;
  }) {
    this.#stored = options.stored;
    this.sessions = options.sessions;
  }

  /** A key's row as it is now. */
  row(key: string): StampedRow | undefined {
    const cell = this.#cells.get(key);
    return cell === undefined ? this.#stored(key) : (cell.row ?? undefined);
  }

  /** Every row that may not be in the store as it is now; null where it was removed. */
  changedRows(): ReadonlyMap<string, StampedRow | null> {
    const rows = new Map(this.#writing?.rows);
    for (const { key, row } of this.#changed) rows.set(key, row);
    return rows;
  }

  /**
   * Executes one operation. Values are kept, not copied: nobody changes the bytes of an operation or of a row.
   * @param at the stamp of what it writes, which nothing else has
   * @throws KvError as {@link read}, for a multi-get: it need not be executed where nobody waits for its answer; and as
   *   {@link Sessions.check}, for a recorded write. Either has changed nothing; its outcome is not `none`
   */
  apply(operation: KvOperation, at: Stamp): OperationResult {
    if (operation.kind === 'advance') return this.#advance(operation);
    if (!isWrite(operation)) return this.read(operation);
    const { key, request } = operation;
    if (operation.unrecorded) return this.#write(operation, at);
    this.sessions.check(request);
    const recorded = this.sessions.find(request, key);
    if (recorded !== undefined) return recorded;
    const result = this.#write(operation, at);
    this.#pages.add(this.sessions.record({ request, key, result }));
    return result;
  }

  /**
   * What a read of the operation's key, or keys, answers now.
   * @throws KvError limitExceeded, outcome notApplied, if the values that a multi-get reads have together more than
   *   `LIMITS.answerBytes`
   */
  read(operation: ReadOperation): OperationResult {
    if (operation.kind === 'multiGet') return this.#readMany(operation);
    const row = this.row(operation.key);
    return { version: row?.version ?? 0, value: row?.value ?? null, previousVersion: 0 };
  }

  /** Hands over the changes, to be written. They stay visible here. */
  takeChanges(): Changes {
    assert(this.#writing === null, 'changes are written one after another');
    const rows = new Map<string, StampedRow | null>();
    for (const cell of this.#changed) {
      rows.set(cell.key, cell.row);
      cell.isChanged = false;
    }
    this.#writing = {
      rows,
      pages: this.#pages,
      generation: this.#hasAdvanced ? this.sessions.generation : null,
    };
    this.#changed = [];
    this.#pages = new Set();
    this.#hasAdvanced = false;
    return this.#writing;
  }

  /** What was taken is in the store. */
  written(): void {
    assert(this.#writing !== null, 'what is written was taken');
    for (const key of this.#writing.rows.keys()) this.#keep(key);
    this.#writing = null;
    if (this.#cells.size <= KEPT_ROWS) return;
    this.#cells = new Map(this.#changed.map((cell) => [cell.key, cell]));
  }

  /** What is gone with the generation need not be written any more. */
  #advance({ generation }: AdvanceOperation): OperationResult {
    if (this.sessions.advance(generation)) {
      this.#hasAdvanced = true;
      for (const page of this.#pages) {
        if (page.generation < this.sessions.oldestKept) this.#pages.delete(page);
      }
    }
    return { version: 0, value: null, previousVersion: 0 };
  }

  /** It stops at the limit, so that no more is read from the store than can be answered. */
  #readMany({ keys }: MultiGetOperation): OperationResult {
    let bytes = 0;
    const rows = keys.map((key) => {
      const row = this.row(key);
      if (row === undefined) return null;
      bytes += row.value.length;
      if (bytes > LIMITS.answerBytes) throw tooLarge();
      return { value: row.value, version: row.version };
    });
    return { version: 0, value: null, previousVersion: 0, rows };
  }

  /**
   * A row is in the store, and kept for the next read, with a copy of its value: that is a view of all that arrived
   * together with it.
   */
  #keep(key: string): void {
    const cell = this.#cells.get(key);
    if (cell === undefined || cell.isChanged) return;
    const { row } = cell;
    if (row === null || row.value.length > KEPT_VALUE_BYTES) this.#cells.delete(key);
    else cell.keep({ ...row, value: new Uint8Array(row.value) });
  }

  #write(operation: PutOperation | DeleteOperation, at: Stamp): OperationResult {
    const cell = this.#cell(operation.key);
    const before = cell.version;
    const value = operation.returnPrevious ? cell.value : null;
    const previousVersion = operation.returnPrevious ? before : 0;
    switch (operation.kind) {
      case 'put':
        cell.put(operation, at);
        this.#changes(cell);
        return { version: cell.version, value, previousVersion };
      case 'delete':
        if (before > 0) {
          cell.remove();
          this.#changes(cell);
        }
        return { version: before, value, previousVersion };
      default:
        return assertNever(operation, 'write');
    }
  }

  #cell(key: string): Cell {
    let cell = this.#cells.get(key);
    if (cell === undefined) {
      cell = new Cell(key, this.#stored(key));
      this.#cells.set(key, cell);
    }
    return cell;
  }

  #changes(cell: Cell): void {
    if (cell.isChanged) return;
    cell.isChanged = true;
    this.#changed.push(cell);
  }
}

function tooLarge(): KvError {
  return new KvError(
    'limitExceeded',
    `the values of these keys have together more than ${LIMITS.answerBytes} bytes: ask for fewer keys at once`,
    { outcome: 'notApplied' },
  );
}
