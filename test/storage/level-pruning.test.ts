/** The store on disk, entry by entry: what pruning and installing leave of it, and what syncing nothing writes. */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Level } from 'level';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLevelStorage, type Storage } from '../../src/storage/index.ts';
import { chunksOf, fillReceiver, fillSender } from './contract-snapshots.ts';
import { committedRecord, effectsOf, REPLICAS } from './samples.ts';

const sync = { sync: true };
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'epaxos-pruning-'));
});
afterEach(() => rm(root, { recursive: true }));

function open(name: string): Promise<Storage> {
  const identity = { cluster: 'orders', replica: 1, replicas: REPLICAS };
  return openLevelStorage({ directory: join(root, name), identity });
}

/** How many entries a closed store has, by the first byte of their keys; compacted before. */
async function countEntries(name: string): Promise<Record<number, number>> {
  const database = new Level<Uint8Array, Uint8Array>(join(root, name, 'store'), {
    keyEncoding: 'view',
    valueEncoding: 'view',
  });
  await database.open();
  try {
    const counts: Record<number, number> = {};
    for await (const key of database.keys()) {
      const kind = key[0] ?? -1;
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    return counts;
  } finally {
    await database.close();
  }
}

test('pruning removes the entries of what was pruned, all but the vector', async () => {
  const storage = await open('pruned');
  const slots = Array.from({ length: 1_000 }, (_, index) => index + 1);
  const ids = slots.map((slot) => ({ replica: 2, slot }));
  await storage.writeRecords(
    ids.map((id) => committedRecord(id)),
    sync,
  );
  await storage.writeEffects(effectsOf({ executed: ids }));
  await storage.close();
  expect(await countEntries('pruned')).toEqual({ 0: 1, 1: 3_000, 4: 1, 13: 1 });

  const again = await open('pruned');
  for (const slot of [400, 990]) {
    await again.writeEffects(effectsOf({ pruned: { pruned: [0, slot, 0], floor: [0, 0, 0] } }));
  }
  await again.close();
  expect(await countEntries('pruned')).toEqual({ 0: 1, 1: 30, 4: 1, 5: 1, 13: 1 });
});

test('an installed snapshot leaves nothing of its staging behind', async () => {
  const sender = await open('sender');
  await fillSender(sender);
  const receiver = await open('receiver');
  await fillReceiver(receiver);
  const view = sender.openSnapshot();
  for (const chunk of await chunksOf(view, 'id')) await receiver.staging.add(2, chunk);
  await view.close();
  await receiver.staging.install();
  await receiver.close();
  await sender.close();
  // Of the instances 6 are executed, with a mark each, and 3 are not; 7 have commands; one page of answers and 4 rows.
  expect(await countEntries('receiver')).toEqual({ 0: 1, 1: 20, 2: 1, 3: 4, 4: 1, 5: 1, 13: 1 });
});

test('syncing without a record writes a batch, which LevelDB cannot skip', async () => {
  const storage = await open('synced');
  const logBytes = async () => {
    const store = join(root, 'synced', 'store');
    const logs = (await readdir(store)).filter((name) => name.endsWith('.log'));
    expect(logs).toHaveLength(1);
    return (await stat(join(store, logs[0] ?? ''))).size;
  };
  const before = await logBytes();
  await storage.writeRecords([], { sync: false });
  expect(await logBytes()).toBe(before);
  await storage.writeRecords([], sync);
  expect(await logBytes()).toBeGreaterThan(before);
  await storage.close();
});
