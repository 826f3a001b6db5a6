/**
 * The deterministic state machine: what operations do to the table. The same operations in the same
 * order give the same rows and answers on every replica, and a second copy of a request changes nothing (R7.6).
 */
import { assertNever } from '../util/assert.ts';
import type { DeleteOperation, KvOperation, OperationResult, PutOperation, Row } from './operation.ts';
import { type RecordedAnswer, Sessions } from './sessions.ts';

/** The state that operations meet: the table and the answers of earlier requests. It is only read. */
export interface StateView {
  row(key: string): Row | undefined;
  readonly sessions: Sessions;
}

/** What operations leave behind; nothing of it is in the {@link StateView} yet. */
export interface Applied {
  /** One for each operation, in their order. */
  readonly results: readonly OperationResult[];
  /** The last write of every key that was written; `row` null removes the key. */
  readonly rows: readonly { readonly key: string; readonly row: Row | null }[];
  /** The answers of the writes that were applied; gets, repeated and unrecorded requests add none. */
  readonly answers: readonly RecordedAnswer[];
}

/**
 * Applies operations one after another; each sees the effects of those before it. Values are kept, not
 * copied: nobody changes the bytes of an operation or of a row.
 */
export function applyOperations(view: StateView, operations: Iterable<KvOperation>): Applied {
  const written = new Map<string, Row | null>();
  const fresh = new Sessions();
  const answers: RecordedAnswer[] = [];
  const results: OperationResult[] = [];

  for (const operation of operations) {
    const { key, request } = operation;
    const pending = written.get(key);
    const row = pending === undefined ? view.row(key) : (pending ?? undefined);
    if (operation.kind === 'get') {
      results.push(found(row));
      continue;
    }
    const recorded = operation.unrecorded
      ? undefined
      : (view.sessions.find(request, key) ?? fresh.find(request, key));
    if (recorded !== undefined) {
      results.push(recorded);
      continue;
    }
    const { result, write } = applyWrite(operation, row);
    if (write !== undefined) written.set(key, write);
    results.push(result);
    if (operation.unrecorded) continue;
    const answer = { request, key, result };
    fresh.record([answer]);
    answers.push(answer);
  }

  return { results, rows: Array.from(written, ([key, row]) => ({ key, row })), answers };
}

function found(row: Row | undefined): OperationResult {
  return { version: row?.version ?? 0, value: row?.value ?? null, previousVersion: 0 };
}

/** `write` undefined: the table does not change. */
function applyWrite(
  operation: PutOperation | DeleteOperation,
  row: Row | undefined,
): { readonly result: OperationResult; readonly write: Row | null | undefined } {
  const before = row?.version ?? 0;
  const previous = operation.returnPrevious
    ? { value: row?.value ?? null, previousVersion: before }
    : { value: null, previousVersion: 0 };
  switch (operation.kind) {
    case 'put': {
      const version = before + 1;
      return { result: { version, ...previous }, write: { value: operation.value, version } };
    }
    case 'delete':
      return { result: { version: before, ...previous }, write: row === undefined ? undefined : null };
    default:
      return assertNever(operation, 'write');
  }
}
