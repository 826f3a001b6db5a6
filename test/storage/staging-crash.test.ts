/** Installing a snapshot, with a crash at every single write of it, and at every write of the repair. */
import { beforeAll, describe, expect, test } from 'vitest';
import { KvError } from '../../src/errors.ts';
import type { ByteStore } from '../../src/storage/byte-store.ts';
import { EncodedStorage } from '../../src/storage/encoded-storage.ts';
import { MemoryStorage } from '../../src/storage/index.ts';
import { MemoryByteStore } from '../../src/storage/memory.ts';
import type { SnapshotChunk } from '../../src/wire/index.ts';
import { chunksOf, contentsOf, fillReceiver, fillSender, INSTALLED } from './contract-snapshots.ts';
import { FailingStore } from './failing-store.ts';
import { collect, effectsOf, REPLICAS, rowOf } from './samples.ts';

/** Enough that every part of an installation takes several batches. */
const ROWS = 2_500;

type Contents = ReturnType<MemoryByteStore['crash']>;

/** A receiver with a complete snapshot staged, as bytes; and what it holds before and after the installation. */
let prepared: Contents;
let before: object;
let after: object;

function rowsOf(value: string) {
  const keys = Array.from({ length: ROWS }, (_, index) => `${value} ${index}`);
  return effectsOf({ rows: keys.map((key) => ({ key, row: rowOf(value) })) });
}

function storageOn(store: ByteStore): EncodedStorage {
  return new EncodedStorage({ store, id: 'a', run: 'f', replicas: REPLICAS });
}

async function chunksOfSender(): Promise<SnapshotChunk[]> {
  const sender = new MemoryStorage({ replicas: REPLICAS });
  await fillSender(sender);
  await sender.writeEffects(rowsOf('new'));
  return await chunksOf(sender.openSnapshot(), 'id', 500);
}

beforeAll(async () => {
  const store = new MemoryByteStore(new Map());
  const receiver = storageOn(store);
  await fillReceiver(receiver);
  await receiver.writeEffects(rowsOf('old'));
  for (const chunk of await chunksOfSender()) await receiver.staging.add(2, chunk);
  await receiver.writeRecords([], { sync: true });
  before = (await contentsOf(receiver)) as object;
  prepared = new Map(store.crash(0));
  const installed = storageOn(new MemoryByteStore(prepared));
  expect(await installed.staging.install()).toBe(true);
  after = (await contentsOf(installed)) as object;
  const { rows: _, ...rest } = INSTALLED;
  expect(after).toMatchObject(rest);
});

test('no snapshot is given of what is half put in place', async () => {
  const store = new MemoryByteStore(new Map(prepared));
  const receiver = storageOn(store);
  const rows = async () => (await collect(receiver.openSnapshot().entries(null))).length;
  const write = store.write.bind(store);
  const given: (number | string)[] = [];
  store.write = async (...batch) => {
    await write(...batch);
    given.push(await rows().catch((error: KvError) => error.code));
  };
  const old = await rows();
  expect(await receiver.staging.install()).toBe(true);
  const whole = await rows();
  expect(given.length).toBeGreaterThan(9);
  expect(new Set(given)).toEqual(new Set(['overloaded', whole]));
  expect(whole).not.toBe(old);
  expect(given.lastIndexOf('overloaded')).toBeLessThan(given.indexOf(whole));
});

/** Runs `action` on these contents until it has written so often, then crashes; null if it finished before. */
async function crashedAfter(
  contents: Contents,
  options: { readonly writes: number; readonly keepUnsynced: number },
  action: (storage: EncodedStorage) => Promise<unknown>,
): Promise<Contents | null> {
  const failing = new FailingStore(new MemoryByteStore(contents), options.writes);
  const finished = await action(storageOn(failing)).then(
    () => true,
    (error: unknown) => {
      if (error instanceof KvError && error.code === 'storageFailure') return false;
      throw error;
    },
  );
  return finished ? null : new Map(failing.inner.crash(options.keepUnsynced));
}

/** What a process finds that opens the store, and whether it had to be told to install. */
async function opened(contents: Contents): Promise<unknown> {
  const storage = storageOn(new MemoryByteStore(contents));
  await storage.recover();
  return await contentsOf(storage);
}

describe.each([
  ['all that was not synced is lost', 0],
  ['one batch that was not synced is kept', 1],
  ['nothing is lost', Number.POSITIVE_INFINITY],
])('a crash of an installation where %s', (_what, keepUnsynced) => {
  test('at every write leaves the old state or the new one', async () => {
    let crashes = 0;
    const outcomes = new Set<string>();
    for (let writes = 0; ; writes += 1) {
      const left = await crashedAfter(prepared, { writes, keepUnsynced }, ({ staging }) => staging.install());
      if (left === null) break;
      crashes += 1;
      const found = await opened(left);
      outcomes.add(JSON.stringify(found) === JSON.stringify(after) ? 'new' : 'old');
      expect([JSON.stringify(before), JSON.stringify(after)]).toContain(JSON.stringify(found));
    }
    expect(crashes).toBeGreaterThan(9);
    expect(outcomes).toEqual(new Set(['old', 'new']));
  });

  test('and of its repair, at every write, leads to the new state', async () => {
    const first = await crashedAfter(prepared, { writes: 6, keepUnsynced: 5 }, ({ staging }) =>
      staging.install(),
    );
    if (first === null) throw new Error('the installation takes more writes');
    let crashes = 0;
    for (let writes = 0; ; writes += 1) {
      const left = await crashedAfter(first, { writes, keepUnsynced }, (storage) => storage.recover());
      if (left === null) break;
      crashes += 1;
      expect(await opened(left)).toEqual(after);
    }
    expect(crashes).toBeGreaterThan(6);
  });

  test('of dropping what was staged leaves all of it or none', async () => {
    const [all, none] = [JSON.stringify(before), JSON.stringify({ ...before, staged: null })];
    const outcomes: string[] = [];
    for (let writes = 0; ; writes += 1) {
      const left = await crashedAfter(prepared, { writes, keepUnsynced }, ({ staging }) => staging.clear());
      if (left === null) break;
      const found = JSON.stringify(await opened(left));
      expect([all, none]).toContain(found);
      outcomes.push(found);
    }
    expect(outcomes.length).toBeGreaterThan(2);
    // Nothing of it is synced.
    expect(new Set(outcomes)).toEqual(new Set(keepUnsynced === 0 ? [all] : [all, none]));
  });

  test('of dropping what was staged leaves nothing of it for the next snapshot', async () => {
    const next = new MemoryStorage({ replicas: REPLICAS });
    await fillSender(next);
    const chunks = await chunksOf(next.openSnapshot(), 'next', 500);
    let crashes = 0;
    for (let writes = 0; ; writes += 1) {
      const left = await crashedAfter(prepared, { writes, keepUnsynced }, ({ staging }) => staging.clear());
      if (left === null) break;
      crashes += 1;
      const storage = storageOn(new MemoryByteStore(left));
      await storage.recover();
      for (const chunk of chunks) await storage.staging.add(3, chunk);
      expect(await storage.staging.install()).toBe(true);
      expect(await contentsOf(storage)).toEqual(INSTALLED);
    }
    expect(crashes).toBeGreaterThan(2);
  });
});

describe('a crash while chunks arrive', () => {
  test('leaves a beginning of them, which can be gone on with', async () => {
    const chunks = await chunksOfSender();
    for (let kept = 0; kept <= chunks.length; kept += 1) {
      const storage = new MemoryStorage({ replicas: REPLICAS });
      for (const chunk of chunks) await storage.staging.add(2, chunk);
      const left = storage.crash({ keepUnsynced: kept });
      await left.recover();
      const staged = left.staging.status();
      expect(staged?.entries ?? 0).toBe(
        chunks.slice(0, kept).reduce((sum, { entries }) => sum + entries.length, 0),
      );
      expect(staged?.complete ?? false).toBe(kept === chunks.length);
      for (const chunk of chunks.slice(kept)) await left.staging.add(2, chunk);
      expect(await left.staging.install()).toBe(true);
      expect(left.row('new 0')).toEqual(rowOf('new'));
    }
  });
});
