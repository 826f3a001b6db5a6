/** What LevelDB does not tell by itself: damaged tables, filters, and what rests on them. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ByteReader, ByteStore } from '../../src/storage/byte-store.ts';
import { openLevelStorage } from '../../src/storage/index.ts';
import { PRUNED_KEY, RESERVATION_KEY, rowKey } from '../../src/storage/keys.ts';
import { openChecked } from '../../src/storage/level.ts';
import { LevelByteStore } from '../../src/storage/level-byte-store.ts';
import { MemoryByteStore } from '../../src/storage/memory.ts';
import { PinnedStore } from '../../src/storage/pinned-store.ts';
import { SLICE_LIMITS, scrubEntries } from '../../src/storage/scrub.ts';
import { checkTable } from '../../src/storage/table-file.ts';
import { checkTables } from '../../src/storage/tables.ts';
import { failureOf } from '../support/failure-of.ts';
import { DamageBench, FILE_KINDS, type FileKind, type Outcome } from './disk-damage.ts';
import { collect, effectsOf, rowOf } from './samples.ts';

const identity = { cluster: 'orders', replica: 1, replicas: 3 };
const ROWS = 200;
/** What comes of it in some cases, whatever else in others. */
const EXPECTED: Readonly<Record<FileKind, readonly Outcome[]>> = {
  table: ['refused'],
  log: ['refused', 'older'],
  MANIFEST: ['refused'],
  CURRENT: ['refused'],
  LOG: ['harmless'],
  LOCK: ['harmless'],
};
const FILTER = 'filter.leveldb.BuiltinBloomFilter2';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'epaxos-disk-damage-'));
});

afterEach(() => rm(root, { recursive: true, force: true }));

/** A store with rows in one table. @returns its files' directory */
async function makeStore(): Promise<string> {
  const storage = await openLevelStorage({ directory: root, identity });
  const rows = Array.from({ length: ROWS }, (_, index) => ({ key: `acct-${index}`, row: rowOf(`${index}`) }));
  await storage.writeEffects(effectsOf({ rows }));
  await storage.close();
  await (await openLevelStorage({ directory: root, identity })).close();
  return join(root, 'store');
}

/** The table with the rows: the other one has the identity. */
async function tableIn(location: string): Promise<string> {
  const tables = (await readdir(location)).filter((name) => name.endsWith('.ldb')).sort();
  expect(tables).toHaveLength(2);
  return join(location, tables[1] ?? '');
}

/** Where the filter begins. */
function filterAt(table: Buffer): number {
  const handle = table.indexOf(FILTER) + FILTER.length;
  let at = 0;
  for (let index = 0; ; index += 1) {
    const byte = table.readUInt8(handle + index);
    at += (byte & 127) * 128 ** index;
    if (byte < 128) return at;
  }
}

describe('a table', () => {
  test('with a wrong bit in its filter is refused, as is one with a wrong bit in a row', async () => {
    const path = await tableIn(await makeStore());
    const whole = await readFile(path);
    for (const at of [filterAt(whole), filterAt(whole) + 9, 20]) {
      const table = Buffer.from(whole);
      table.writeUInt8(table.readUInt8(at) ^ 4, at);
      await writeFile(path, table);
      const error = await failureOf(openLevelStorage({ directory: root, identity }));
      expect(error.code).toBe('storageFailure');
      expect(error.message).toMatch(/ldb is damaged: wrong checksum of the block at \d+/);
    }
    await writeFile(path, whole);
    const storage = await openLevelStorage({ directory: root, identity });
    expect(storage.row('acct-7')?.version).toBe(1);
    await storage.close();
  });

  test('that a merge has left without finishing it is none of the store: whatever it holds, it is removed', async () => {
    const location = await makeStore();
    const path = await tableIn(location);
    const left = await readFile(path);
    left.writeUInt8(left.readUInt8(20) ^ 4, 20);
    await writeFile(join(location, '000990.ldb'), left);
    await writeFile(join(location, '000991.ldb'), left.subarray(0, 100));
    const storage = await openLevelStorage({ directory: root, identity });
    expect(storage.row('acct-7')?.version).toBe(1);
    await storage.close();
    expect(await readdir(location)).not.toContain('000990.ldb');
  });

  test('is found damaged while the store is open, but not one that is still being written', async () => {
    const location = await makeStore();
    const store = await openChecked(location);
    const path = await tableIn(location);
    const whole = await readFile(path);
    await writeFile(
      join(location, '000990.ldb'),
      Buffer.concat([whole.subarray(0, 1_000), whole.subarray(-8)]),
    );
    expect(await collect(checkTables(location))).not.toHaveLength(0);
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(20) ^ 4, 20);
    await writeFile(path, damaged);
    expect((await failureOf(collect(checkTables(location)))).message).toContain('wrong checksum');
    await writeFile(path, whole);
    await store.close();
  });

  test('is covered by its blocks', async () => {
    const path = await tableIn(await makeStore());
    const whole = await readFile(path);
    expect(await checkTable(path)).toEqual({ bytes: whole.length, damage: null });
    await writeFile(path, Buffer.concat([whole.subarray(0, -48), Buffer.alloc(10), whole.subarray(-48)]));
    expect((await checkTable(path)).damage).toMatch(/its blocks have \d+ bytes of \d+/);
  });
});

/** A reader whose `get` does not find a key that its iterators find, as LevelDB's behind a wrong filter. */
function hiding<T extends ByteReader>(reader: T, hidden: Uint8Array): T {
  const get = reader.get.bind(reader);
  reader.get = (key) => (Buffer.compare(key, hidden) === 0 ? undefined : get(key));
  return reader;
}

function hidingStore(hidden: Uint8Array): ByteStore {
  const store = hiding(new MemoryByteStore(new Map()), hidden);
  const snapshot = store.snapshot.bind(store);
  store.snapshot = () => hiding(snapshot(), hidden);
  return store;
}

async function write(store: ByteStore, entries: Iterable<readonly [Uint8Array, string]>): Promise<void> {
  const writes = Array.from(entries, ([key, value]) => ({ key, value: Buffer.from(value) }));
  await store.write(writes, { sync: true });
}

describe('the scrub', () => {
  test('finds what get does not find', async () => {
    const store = hidingStore(rowKey('b'));
    await write(store, [
      [rowKey('a'), '1'],
      [rowKey('b'), '2'],
    ]);
    const error = await failureOf(collect(scrubEntries(store)));
    expect(error.code).toBe('storageFailure');
    expect(error.message).toContain('is there, but not found');
  });

  test('finds the rows that a damaged filter of LevelDB hides', async () => {
    const location = await makeStore();
    const path = await tableIn(location);
    const table = await readFile(path);
    await writeFile(path, table.fill(0, filterAt(table), filterAt(table) + 20));
    const store = await LevelByteStore.open({ location, create: false });
    const keys = Array.from({ length: ROWS }, (_, index) => rowKey(`acct-${index}`));
    expect(keys.some((key) => store.get(key) === undefined)).toBe(true);
    const error = await failureOf(collect(scrubEntries(store)));
    expect(error.message).toContain('is there, but not found');
    await store.close();
  });

  test('looks at every entry once, in slices', async () => {
    const store = new MemoryByteStore(new Map());
    const count = 2 * SLICE_LIMITS.entries + 1;
    await write(
      store,
      Array.from({ length: count }, (_, index) => [rowKey(`${index}`), 'value']),
    );
    const slices = await collect(scrubEntries(store));
    expect(slices.map(({ entries }) => entries)).toEqual([SLICE_LIMITS.entries, SLICE_LIMITS.entries, 1]);
  });

  test('ends a slice with the entry that makes it large', async () => {
    const store = new MemoryByteStore(new Map());
    const large = 'x'.repeat(SLICE_LIMITS.bytes);
    await write(store, [
      [rowKey('a'), large],
      [rowKey('b'), large],
      [rowKey('c'), 'small'],
    ]);
    expect((await collect(scrubEntries(store))).map(({ entries }) => entries)).toEqual([1, 1, 1]);
  });
});

describe('pinned entries', () => {
  test('are found though a filter hides them', async () => {
    const hiding = hidingStore(RESERVATION_KEY);
    await write(hiding, [[RESERVATION_KEY, '7']]);
    expect(hiding.get(RESERVATION_KEY)).toBeUndefined();
    const store = await PinnedStore.over(hiding);
    expect(store.get(RESERVATION_KEY)).toEqual(Buffer.from('7'));
    await write(store, [[RESERVATION_KEY, '8']]);
    expect(store.get(RESERVATION_KEY)).toEqual(Buffer.from('8'));
    await store.write([{ key: RESERVATION_KEY, value: null }], { sync: true });
    expect(store.get(RESERVATION_KEY)).toBeUndefined();
  });

  test('that a snapshot does not find are not taken for missing', async () => {
    const hiding = hidingStore(PRUNED_KEY);
    await write(hiding, [[PRUNED_KEY, '7']]);
    const view = (await PinnedStore.over(hiding)).snapshot();
    expect(() => view.get(PRUNED_KEY)).toThrow('no longer finds entry');
  });

  test('are in a snapshot as they were, or as a batch that was being written has them', async () => {
    const store = await PinnedStore.over(new MemoryByteStore(new Map()));
    await write(store, [[PRUNED_KEY, '7']]);
    const before = store.snapshot();
    const written = write(store, [[PRUNED_KEY, '8']]);
    const meanwhile = [store.snapshot()];
    await Promise.resolve();
    meanwhile.push(store.snapshot());
    await written;
    expect(before.get(PRUNED_KEY)).toEqual(Buffer.from('7'));
    for (const view of meanwhile)
      expect(['7', '8']).toContain(Buffer.from(view.get(PRUNED_KEY) ?? '').toString());
    expect(store.get(PRUNED_KEY)).toEqual(Buffer.from('8'));
  });
});

describe('damage to a file is told, or harmless, or takes the last batches', () => {
  let bench: DamageBench;
  let benchRoot: string;

  beforeAll(async () => {
    benchRoot = await mkdtemp(join(tmpdir(), 'epaxos-disk-damage-'));
    bench = await DamageBench.make(benchRoot, 1);
  });

  afterAll(() => rm(benchRoot, { recursive: true, force: true }));

  test.each(FILE_KINDS)('%s', async (kind) => {
    const outcomes = new Set<Outcome>();
    const cases = kind === 'LOG' || kind === 'LOCK' ? 5 : 20;
    for (let seed = 1; seed <= cases; seed += 1) outcomes.add(await bench.run(kind, seed));
    expect([...outcomes]).toEqual(expect.arrayContaining([...EXPECTED[kind]]));
  });
});
