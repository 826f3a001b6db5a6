/**
 * The deterministic state machine: what operations do to the table. The same operations in the same
 * order give the same rows and answers on every replica, and a second copy of a request changes nothing (R7.6).
 *
 * What it changes lies here, in memory, until it is taken and written to the store all at once: what was written
 * over in between never gets there. The commands are in the store by then (R6.1, R6.2), so a crash loses nothing:
 * they are executed again (R7.4).
 */
import { assert, assertNever } from '../util/assert.ts';
import type { DeleteOperation, KvOperation, OperationResult, PutOperation, Row } from './operation.ts';
import type { AnswerPage, Sessions } from './sessions.ts';

/** What has changed since the last time it was taken. */
export interface Changes {
  /** The last write of every key that was written; `row` null removes the key. */
  readonly rows: ReadonlyMap<string, Row | null>;
  /** The pages that answers were added to, whole. Gets, repeated and unrecorded requests add none. */
  readonly pages: ReadonlySet<AnswerPage>;
}

const NO_CHANGES: Changes = { rows: new Map(), pages: new Set() };

export class KvState {
  readonly sessions: Sessions;
  readonly #stored: (key: string) => Row | undefined;
  #rows = new Map<string, Row | null>();
  #pages = new Set<AnswerPage>();
  /** What was taken last: rows that are being written, or that the store holds just so. They are often asked for. */
  #taken: Changes = NO_CHANGES;
  #isWriting = false;

  constructor(options: {
    /** The row of a key in the store; undefined if there is none. */
    readonly stored: (key: string) => Row | undefined;
    /** The answers in the store. */
    readonly sessions: Sessions;
  }) {
    this.#stored = options.stored;
    this.sessions = options.sessions;
  }

  /** A key's row as it is now. */
  row(key: string): Row | undefined {
    let changed = this.#rows.get(key);
    if (changed === undefined) changed = this.#taken.rows.get(key);
    return changed === undefined ? this.#stored(key) : (changed ?? undefined);
  }

  /** Every row that may not be in the store as it is now; null where it was removed. */
  changedRows(): ReadonlyMap<string, Row | null> {
    return new Map([...this.#taken.rows, ...this.#rows]);
  }

  /** Executes one operation. Values are kept, not copied: nobody changes the bytes of an operation or of a row. */
  apply(operation: KvOperation): OperationResult {
    const { key, request } = operation;
    if (operation.kind === 'get') return this.read(key);
    if (operation.unrecorded) return this.#write(operation);
    const recorded = this.sessions.find(request, key);
    if (recorded !== undefined) return recorded;
    const result = this.#write(operation);
    this.#pages.add(this.sessions.record({ request, key, result }));
    return result;
  }

  /** What a read of the key answers now. */
  read(key: string): OperationResult {
    const row = this.row(key);
    return { version: row?.version ?? 0, value: row?.value ?? null, previousVersion: 0 };
  }

  /** True if something has changed since the last time it was taken. */
  get hasChanges(): boolean {
    return this.#rows.size > 0 || this.#pages.size > 0;
  }

  /** Hands over the changes, to be written. Until {@link written} is called they are found here. */
  takeChanges(): Changes {
    assert(!this.#isWriting, 'changes are written one after another');
    const changes = { rows: this.#rows, pages: this.#pages };
    this.#taken = changes;
    this.#isWriting = true;
    this.#rows = new Map();
    this.#pages = new Set();
    return changes;
  }

  /** What was taken is in the store. */
  written(): void {
    this.#taken = { rows: this.#taken.rows, pages: NO_CHANGES.pages };
    this.#isWriting = false;
  }

  /** Drops a page of answers that are no longer needed. False: answers were added to it just now, and it stays. */
  forget(page: AnswerPage): boolean {
    if (this.#pages.has(page) || this.#taken.pages.has(page)) return false;
    this.sessions.forget(page);
    return true;
  }

  #write(operation: PutOperation | DeleteOperation): OperationResult {
    const { key } = operation;
    const row = this.row(key);
    const before = row?.version ?? 0;
    const value = operation.returnPrevious ? (row?.value ?? null) : null;
    const previousVersion = operation.returnPrevious ? before : 0;
    switch (operation.kind) {
      case 'put': {
        const version = before + 1;
        this.#rows.set(key, { value: operation.value, version });
        return { version, value, previousVersion };
      }
      case 'delete':
        if (row !== undefined) this.#rows.set(key, null);
        return { version: before, value, previousVersion };
      default:
        return assertNever(operation, 'write');
    }
  }
}
