/** Removes a key; no effect if it does not exist. */
import type { WriteBase, WriteKind } from './operation-kind.ts';

export interface DeleteOperation extends WriteBase {
  readonly kind: 'delete';
}

export const DELETE: WriteKind<DeleteOperation> = {
  role: 'write',
  touches: 'key',
  apply({ table }, operation, { handle }) {
    const cell = table.cell(operation.key, handle);
    const { version } = cell;
    const value = operation.returnPrevious ? cell.value : null;
    if (version > 0) table.remove(cell);
    return { version, value, previousVersion: operation.returnPrevious ? version : 0 };
  },
};
