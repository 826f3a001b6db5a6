/**
 * What is called synced is on disk, also where LevelDB has changed its log in between. The database is the real one, under
 * a power cut that is played: of every log it leaves what was synced of it.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { Level } from 'level';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ByteWrite } from '../../src/storage/byte-store.ts';
import { openLevelStorage } from '../../src/storage/index.ts';
import { LevelByteStore } from '../../src/storage/level-byte-store.ts';
import { LevelLog } from '../../src/storage/level-log.ts';
import { collect } from './samples.ts';

const KIB = 1024;
const NOTHING = new Uint8Array(0);
const SMALL_BUFFER = 64 * KIB; // LevelDB takes no smaller one

let root: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'epaxos-log-'));
});
afterAll(() => rm(root, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

function newLocation(): string {
  count += 1;
  return join(root, `${count}`, 'store');
}

/** The logs of a database with their sizes, oldest first. */
async function logsOf(location: string): Promise<Map<string, number>> {
  const logs = new Map<string, number>();
  for (const name of (await readdir(location)).sort()) {
    if (!name.endsWith('.log')) continue;
    const found = await stat(join(location, name)).catch(() => null); // an old one may be removed at any time
    if (found !== null) logs.set(name, found.size);
  }
  return logs;
}

/** A store, and what of its logs the database was told to sync. */
class Watched {
  readonly store: LevelByteStore;
  readonly location: string;
  /** By name: what was synced of it. */
  readonly synced = new Map<string, number>();
  /** Of the batches, in their order: whether the database was told to sync it. */
  readonly syncs: boolean[] = [];

  private constructor(store: LevelByteStore, location: string) {
    this.store = store;
    this.location = location;
  }

  static async open(location: string, writeBufferBytes?: number): Promise<Watched> {
    await mkdir(location, { recursive: true });
    const store = await LevelByteStore.open({
      location,
      create: true,
      ...(writeBufferBytes === undefined ? {} : { writeBufferBytes }),
    });
    const watched = new Watched(store, location);
    onBatch = async (isSynced) => {
      watched.syncs.push(isSynced);
      const [name, size] = [...(await logsOf(location))].at(-1) ?? ['', 0];
      if (isSynced) watched.synced.set(name, size);
    };
    return watched;
  }

  /** What a power cut leaves, opened. */
  async afterPowerCut(): Promise<LevelByteStore> {
    const image = newLocation();
    // The database moves logs into tables in the background: until a copy was not disturbed by that.
    for (;;) {
      await mkdir(image, { recursive: true });
      const before = await this.#files();
      const isWhole = await this.#copyTo(image);
      if (isWhole && (await this.#files()) === before) break;
      await rm(image, { recursive: true });
    }
    return await LevelByteStore.open({ location: image, create: false });
  }

  /** Whether no file went away meanwhile. */
  async #copyTo(image: string): Promise<boolean> {
    for (const name of await readdir(this.location)) {
      if (name === 'LOCK') continue;
      const bytes = await readFile(join(this.location, name)).catch(() => null);
      if (bytes === null) return false;
      const kept = name.endsWith('.log') ? (this.synced.get(name) ?? 0) : bytes.length;
      await writeFile(join(image, name), bytes.subarray(0, kept));
    }
    return true;
  }

  /** The files with their sizes. */
  async #files(): Promise<string> {
    const names = (await readdir(this.location)).sort();
    const sizes = names.map(async (name) => {
      const found = await stat(join(this.location, name)).catch(() => null);
      return `${name} ${found?.size}`;
    });
    return (await Promise.all(sizes)).join();
  }
}

/** Called after every batch of the database. */
let onBatch: (isSynced: boolean) => Promise<void>;
beforeEach(async () => {
  onBatch = async () => {};
  const other = new Level(newLocation());
  await other.open();
  const batches = Object.getPrototypeOf(other.batch()) as {
    _write(options: { readonly sync?: boolean }): Promise<void>;
  };
  await other.close();
  const write = batches._write;
  vi.spyOn(batches, '_write').mockImplementation(async function (this: unknown, options) {
    await write.call(this as typeof batches, options);
    await onBatch(options.sync === true);
  });
});

/** Bytes that cannot be compressed, a function of the seed. */
function noise(bytes: number, seed: number): Buffer {
  const value = Buffer.allocUnsafe(bytes);
  let state = (seed + 1) * 2_654_435_761;
  for (let at = 0; at < bytes; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    value[at] = state >>> 24;
  }
  return value;
}

function rowsOf(batch: number, sizes: readonly number[]): ByteWrite[] {
  return sizes.map((size, index) => ({
    key: Buffer.from(`k${batch}/${index}`),
    value: noise(size, batch * 1_000 + index),
  }));
}

describe('a log that LevelDB leaves behind', () => {
  const batchOf = fc.record({
    values: fc.oneof(
      { weight: 3, arbitrary: fc.array(fc.nat({ max: 300 }), { maxLength: 30 }) },
      { weight: 2, arbitrary: fc.array(fc.nat({ max: 4_000 }), { maxLength: 5 }) },
      { weight: 1, arbitrary: fc.array(fc.nat({ max: 90 * KIB }), { maxLength: 2 }) },
    ),
    repeated: fc.integer({ min: 1, max: 20 }),
    sync: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn === 0),
  });

  test('was synced to its end, whatever was written', async () => {
    let changes = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(batchOf, { minLength: 5, maxLength: 30 }), async (batches) => {
        const watched = await Watched.open(newLocation(), SMALL_BUFFER);
        let [name, size] = ['', 0];
        let number = 0;
        for (const { values, repeated, sync } of batches) {
          for (let n = 0; n < repeated; n += 1) {
            number += 1;
            await watched.store.write(rowsOf(number, values), { sync });
            const [newest, bytes] = [...(await logsOf(watched.location))].at(-1) ?? ['', 0];
            if (name !== '' && newest !== name) {
              expect(watched.synced.get(name), `log ${name}`).toBe(size);
              changes += 1;
            }
            [name, size] = [newest, bytes];
          }
        }
        await watched.store.close();
      }),
      { numRuns: 10 },
    );
    expect(changes).toBeGreaterThan(10);
  });

  test.each([20, 200, 816, 1_020, 5_000])(
    'was synced to its end where all values have %d bytes, also after a restart',
    async (bytes) => {
      const location = newLocation();
      let changes = 0;
      for (const start of [1, 2]) {
        const watched = await Watched.open(location, SMALL_BUFFER);
        let last = '';
        for (let batch = 0; batch < (3 * SMALL_BUFFER) / (bytes + 150); batch += 1) {
          const before = [...(await logsOf(location))].at(-1) ?? ['', 0];
          await watched.store.write(rowsOf(start * 100_000 + batch, [bytes]), { sync: false });
          const [newest] = [...(await logsOf(location))].at(-1) ?? [''];
          if (last !== '' && newest !== before[0]) {
            expect(watched.synced.get(before[0]), `batch ${batch}`).toBe(before[1]);
            changes += 1;
          }
          last = newest;
        }
        await watched.store.close();
      }
      expect(changes).toBeGreaterThan(3);
    },
  );

  test('is followed by one whose name is on disk before the next batch', async () => {
    const events: string[] = [];
    let newest = 1;
    const directory = {
      newestLog: async () => newest,
      sync: async () => {
        events.push('names');
      },
    };
    const log = await LevelLog.open({ directory, writeBufferBytes: SMALL_BUFFER });
    const changes = [{ keyBytes: 10, valueBytes: SMALL_BUFFER }];
    for (const batch of ['fills the log', 'begins the next']) {
      await log.write(changes, async () => {
        if (batch === 'begins the next') newest = 2;
        events.push(batch);
      });
    }
    expect(events).toEqual(['names', 'fills the log', 'begins the next', 'names']);
  });

  test('costs a few syncs, and the batches before it none', async () => {
    const watched = await Watched.open(newLocation(), 512 * KIB);
    for (let batch = 0; batch < 4_000; batch += 1) {
      await watched.store.write(rowsOf(batch, [100, 100]), { sync: false });
    }
    await watched.store.close();
    const syncs = watched.syncs.filter((isSynced) => isSynced).length;
    expect(syncs).toBeGreaterThan(1);
    expect(syncs).toBeLessThan(watched.syncs.length / 20);
    expect(watched.syncs.slice(0, 500)).not.toContain(true);
  });
});

describe('a power cut', () => {
  test.each([
    ['one batch of 18 MiB', 1, 24, 768 * KIB],
    ['batches of 3 MiB', 8, 4, 768 * KIB],
    ['batches of 64 KiB', 400, 1, 64 * KIB],
    ['batches of 3,000 small rows', 30, 3_000, 120],
  ])('takes nothing of %s that a later sync had covered', async (_what, batches, rows, bytes) => {
    const watched = await Watched.open(newLocation());
    await watched.store.write([], { sync: true });
    const written: ByteWrite[] = [];
    for (let batch = 0; batch < batches; batch += 1) {
      const row = rowsOf(batch, new Array(rows).fill(bytes));
      written.push(...row);
      await watched.store.write(row, { sync: false });
    }
    await watched.store.write([], { sync: true });
    const left = await watched.afterPowerCut();
    for (const { key, value } of written) {
      expect(Buffer.compare(left.get(key) ?? NOTHING, value ?? NOTHING)).toBe(0);
    }
    await left.close();
    await watched.store.close();
  });

  test('at any moment leaves all that was synced, and of the rest a beginning', async () => {
    const watched = await Watched.open(newLocation(), SMALL_BUFFER);
    let durable = 0;
    for (let batch = 1; batch <= 600; batch += 1) {
      const sync = batch % 7 === 0;
      await watched.store.write(rowsOf(batch, [400, 20]), { sync });
      if (sync) durable = batch;
      if (batch % 25 > 0) continue;
      const left = await watched.afterPowerCut();
      const range = { start: Buffer.from('k'), end: Buffer.from('l') };
      const found = (await collect(left.keys(range))).length / 2;
      expect(found).toBeGreaterThanOrEqual(durable);
      const first = Array.from({ length: found }, (_, index) => index + 1);
      expect(first.every((each) => left.get(Buffer.from(`k${each}/1`)) !== undefined)).toBe(true);
      await left.close();
    }
    await watched.store.close();
  });
});

describe('a data directory', () => {
  const identity = { cluster: 'orders', replica: 1, replicas: 3 };

  test('has the identity of a new store on disk before the store has its name', async () => {
    const directory = newLocation();
    const batches: { readonly isSynced: boolean; readonly names: readonly string[] }[] = [];
    onBatch = async (isSynced) => {
      batches.push({ isSynced, names: await readdir(directory) });
    };
    await (await openLevelStorage({ directory, identity })).close();
    expect(batches).toEqual([{ isSynced: true, names: ['store.new'] }]);
  });

  test('has the store of a peer on disk once it is remembered', async () => {
    const storage = await openLevelStorage({ directory: newLocation(), identity });
    const syncs: boolean[] = [];
    onBatch = async (isSynced) => {
      syncs.push(isSynced);
    };
    await storage.rememberPeerStore(2, 'of 2');
    expect(syncs).toEqual([true]);
    await storage.close();
  });
});
