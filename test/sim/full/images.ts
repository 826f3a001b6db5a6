/** Whether a store could be opened again after a crash at this moment, and everything in it read back. */

import { EncodedStorage } from '../../../src/storage/encoded-storage.ts';
import { LevelByteStore } from '../../../src/storage/level-byte-store.ts';
import { storedRows } from '../../support/stored-rows.ts';
import { Violation } from '../checkers/violation.ts';
import { SimulatedDatabase } from './database.ts';
import { checkLeftovers, checkRecovered } from './leftovers.ts';
import type { Volume } from './volume.ts';

/**
 * @param image what the crash would leave; nobody else uses it
 * @throws Violation storage, bounds
 */
export async function checkImage(
  image: Volume,
  store: { readonly id: string; readonly name: string /** N. */; readonly replicas: number },
): Promise<void> {
  const database = new SimulatedDatabase(image, {
    step: () => true,
    afterDisk: (_kind, done) => done(null),
    afterCompaction: (done) => done(),
    lineageAfter: (_changes, before) => before,
    stirred: () => {},
  });
  try {
    const bytes = await LevelByteStore.over({
      location: store.name,
      database: database.asLevel,
      directory: database.directory,
      writeBufferBytes: image.writeBufferBytes,
    });
    const storage = new EncodedStorage({ store: bytes, id: store.id, run: '0a', replicas: store.replicas });
    await storage.recover();
    storage.pruned();
    storage.reserved();
    checkRecovered(image.current, store);
    await readAll(storage.records());
    await readAll(storage.answerPages());
    await readAll(storedRows(storage));
    checkLeftovers(image.current, store);
  } catch (error) {
    if (error instanceof Violation) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Violation('storage', `after a crash now ${store.name} could not be read back: ${reason}`);
  }
}

async function readAll(all: AsyncIterable<unknown>): Promise<void> {
  for await (const _one of all);
}
