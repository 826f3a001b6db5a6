/** The table in a store, as a snapshot of it would show it: nobody but tests reads a whole table. */
import type { StampedRow } from '../../src/kv/index.ts';
import { kindOf, parseRowKey } from '../../src/storage/keys.ts';
import { decodeRow } from '../../src/storage/row-codec.ts';
import type { Storage } from '../../src/storage/storage.ts';

/** In the order of the keys; as they are when it begins. @throws KvError storageFailure */
export async function* storedRows(
  storage: Pick<Storage, 'openSnapshot'>,
): AsyncIterable<readonly [key: string, row: StampedRow]> {
  const view = storage.openSnapshot();
  try {
    for await (const { key, value } of view.entries(null)) {
      if (kindOf(key) === 'row') yield [parseRowKey(key) ?? '', decodeRow(value)];
    }
  } finally {
    await view.close();
  }
}
