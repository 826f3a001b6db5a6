/**
 * No-ops that were executed and pruned here while the snapshot of a peer was being copied, which therefore need not have
 * them. They are remembered until the snapshot is put in place, so that they can be executed in the new state as well (R9.8).
 *
 * What is remembered of an instance stays true whatever happens, so nothing is lost if some of it stays behind.
 */

import type { InstanceId } from '../epaxos/index.ts';
import { decodeRecordApart } from '../wire/index.ts';
import type { ByteReader, ByteWrite } from './byte-store.ts';
import {
  commandKey,
  innerKey,
  PRUNED_NO_OP_RANGE,
  parseInstanceKey,
  prunedNoOpKey,
  recordKey,
} from './keys.ts';

/** Whether the instance is a no-op, as far as its record says. @throws KvError invalidArgument */
export function isNoOp(store: Pick<ByteReader, 'get'>, id: InstanceId, replicas: number): boolean {
  const record = store.get(recordKey(id));
  return record !== undefined && decodeRecordApart(record, { replicas }).state.noOp;
}

/** What remembers an instance that is pruned in the same batch, if it is a no-op. */
export function rememberNoOp(
  store: Pick<ByteReader, 'get'>,
  id: InstanceId,
  replicas: number,
): readonly ByteWrite[] {
  if (!isNoOp(store, id, replicas)) return [];
  return [recordKey(id), commandKey(id)].flatMap((key) => {
    const value = store.get(key);
    return value === undefined ? [] : [{ key: prunedNoOpKey(key), value }];
  });
}

/** Whether the instance is remembered. */
export function isRemembered(store: Pick<ByteReader, 'get'>, id: InstanceId): boolean {
  return store.get(prunedNoOpKey(recordKey(id))) !== undefined;
}

/** The parts of the instances that are remembered, under their own keys. */
export async function* rememberedParts(
  store: Pick<ByteReader, 'entries'>,
): AsyncIterable<{ readonly id: InstanceId; readonly key: Uint8Array; readonly value: Uint8Array }> {
  for await (const [place, value] of store.entries(PRUNED_NO_OP_RANGE)) {
    const key = innerKey(place);
    const id = parseInstanceKey(key)?.id;
    if (id !== undefined) yield { id, key, value };
  }
}
