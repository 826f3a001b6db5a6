/** Reads several keys as they are at one moment: in order with all writes of each of them (R8.2). */
import { KvError } from '../../errors.ts';
import { LIMITS } from '../limits.ts';
import type { OperationBase, ReadKind } from './operation-kind.ts';

export interface MultiGetOperation extends OperationBase {
  readonly kind: 'multiGet';
  /** As `key`: 1 to `LIMITS.multiGetKeys`, in the client's order; one may come several times. */
  readonly keys: readonly string[];
}

export const MULTI_GET: ReadKind<MultiGetOperation> = {
  role: 'read',
  touches: 'keys',
  /** It stops at the limit, so that no more is read from the store than can be answered. */
  read({ table }, { keys }) {
    let bytes = 0;
    const rows = keys.map((key) => {
      const row = table.row(key);
      if (row === undefined) return null;
      bytes += row.value.length;
      if (bytes > LIMITS.answerBytes) throw tooLarge();
      return { value: row.value, version: row.version };
    });
    return { version: 0, value: null, previousVersion: 0, rows };
  },
};

function tooLarge(): KvError {
  return new KvError(
    'limitExceeded',
    `the values of these keys have together more than ${LIMITS.answerBytes} bytes: ask for fewer keys at once`,
    { outcome: 'notApplied' },
  );
}
