/** Reads a key's value, in order with all writes of the key. */
import type { OperationBase, ReadKind } from './operation-kind.ts';

export interface GetOperation extends OperationBase {
  readonly kind: 'get';
}

export const GET: ReadKind<GetOperation> = {
  role: 'read',
  touches: 'key',
  read({ table }, { key }) {
    const row = table.row(key);
    return { version: row?.version ?? 0, value: row?.value ?? null, previousVersion: 0 };
  },
};
