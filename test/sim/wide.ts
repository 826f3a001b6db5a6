/**
 * Operations that touch everything (R2.8). The store has none that clients can send, so here some stand for them: a write of
 * the key below is taken for a write of everything, and a multi-get that names it first for a read of everything.
 */
import { EVERYTHING, type InstanceRecord } from '../../src/epaxos/index.ts';
import type { KvOperation } from '../../src/kv/index.ts';

/** No other operation names it. */
export const WIDE_KEY = '*';

/** The operation as it is, or made wide if it is to be; whoever decodes one has to ask. */
export function widened<T extends KvOperation>(operation: T): T {
  const [first] = operation.accesses;
  if (first?.key !== WIDE_KEY) return operation;
  const accesses = [{ key: EVERYTHING, writes: first.writes }];
  return Object.defineProperty(operation, 'accesses', { value: accesses });
}

/** The same for what a record holds. */
export function withWidened(record: InstanceRecord): InstanceRecord {
  for (const operation of record.command?.operations ?? []) widened(operation as KvOperation);
  return record;
}
