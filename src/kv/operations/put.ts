/** Sets a key's value. */
import type { WriteBase, WriteKind } from './operation-kind.ts';

export interface PutOperation extends WriteBase {
  readonly kind: 'put';
  /** Not to be changed, and part of what arrived together with it: a copy if it is kept for long. */
  readonly value: Uint8Array;
  /** Where the value lies: from `valueStart` to before `valueEnd` in `source`. Who keeps these need not keep the operation. */
  readonly source: Uint8Array;
  readonly valueStart: number;
  readonly valueEnd: number;
}

export const PUT: WriteKind<PutOperation> = {
  role: 'write',
  touches: 'key',
  apply({ table }, operation, turn) {
    const cell = table.cell(operation.key, turn.handle);
    const value = operation.returnPrevious ? cell.value : null;
    const previousVersion = operation.returnPrevious ? cell.version : 0;
    table.put(cell, operation, turn);
    return { version: cell.version, value, previousVersion };
  },
};
