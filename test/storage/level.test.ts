/** The store on disk: the contract, whose data a directory holds, locks, and damage. */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Level } from 'level';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { LIMITS } from '../../src/kv/index.ts';
import { encodeIdentity, withFormat } from '../../src/storage/identity.ts';
import { FORMAT_VERSION, type Identity, openLevelStorage, type Storage } from '../../src/storage/index.ts';
import { IDENTITY_KEY, recordKey } from '../../src/storage/keys.ts';
import { LevelByteStore } from '../../src/storage/level-byte-store.ts';
import { assert } from '../../src/util/assert.ts';
import { failureOf } from '../support/failure-of.ts';
import { testStorageContract } from './contract.ts';
import { collect, committedRecord, effectsOf, REPLICAS, rowOf } from './samples.ts';

const identity: Identity = { cluster: 'orders', replica: 1, replicas: REPLICAS };
const sync = { sync: true };

/** Directories of this file's tests, and the stores that are open in them. */
class Workshop {
  #root: string | null = null;
  #count = 0;
  readonly #open = new Map<Storage, string>();

  async directory(): Promise<string> {
    this.#root ??= await mkdtemp(join(tmpdir(), 'epaxos-storage-'));
    this.#count += 1;
    return join(this.#root, `${this.#count}`);
  }

  async open(directory: string, as: Identity = identity): Promise<Storage> {
    const storage = await openLevelStorage({ directory, identity: as });
    this.#open.set(storage, directory);
    return storage;
  }

  async reopen(storage: Storage): Promise<Storage> {
    const directory = this.#open.get(storage);
    assert(directory !== undefined, 'a store of this workshop');
    await storage.close();
    return await this.open(directory);
  }

  async closeAll(): Promise<void> {
    for (const storage of this.#open.keys()) await storage.close();
    this.#open.clear();
  }

  async dispose(): Promise<void> {
    await this.closeAll();
    if (this.#root !== null) await rm(this.#root, { recursive: true });
    this.#root = null;
  }
}

const workshop = new Workshop();

testStorageContract('on disk', {
  create: async () => await workshop.open(await workshop.directory()),
  reopen: (storage) => workshop.reopen(storage),
  dispose: () => workshop.dispose(),
});

describe('a data directory', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await workshop.directory();
  });
  afterEach(() => workshop.dispose());

  test('is made where there is none, with the directories above it', async () => {
    const deep = join(directory, 'a', 'b');
    const storage = await workshop.open(deep);
    await storage.writeRecords([committedRecord({ replica: 1, slot: 1 })], sync);
    expect(await readdir(deep)).toEqual(['store']);
  });

  test('may be there already, if it is empty', async () => {
    await mkdir(directory);
    await workshop.open(directory);
    expect(await readdir(directory)).toEqual(['store']);
  });

  test.each([
    ['another cluster', { ...identity, cluster: 'stock' }, 'replica 1 of 3 in cluster "stock" (format 6)'],
    ['another replica', { ...identity, replica: 2 }, 'replica 2 of 3 in cluster "orders" (format 6)'],
    ['another size', { ...identity, replicas: 5 }, 'replica 1 of 5 in cluster "orders" (format 6)'],
  ])('of %s is refused, and left as it is', async (_what, other, asked) => {
    const storage = await workshop.open(directory);
    await storage.writeEffects(effectsOf({ rows: [{ key: 'a', row: rowOf('1') }] }));
    await storage.close();
    const failure = await failureOf(workshop.open(directory, other));
    expect(failure.code).toBe('dataDirectoryMismatch');
    expect(failure.message).toContain('belongs to replica 1 of 3 in cluster "orders" (format 6)');
    expect(failure.message).toContain(`but ${asked} was asked for`);
    expect(failure.message).toContain(directory);
    expect((await workshop.open(directory)).row('a')).toEqual(rowOf('1'));
  });

  test('of another format version is refused', async () => {
    await (await workshop.open(directory)).close();
    const format = FORMAT_VERSION + 1;
    const store = await LevelByteStore.open({ location: join(directory, 'store'), create: false });
    await store.write(
      [{ key: IDENTITY_KEY, value: encodeIdentity({ ...identity, format, store: 'a' }) }],
      sync,
    );
    await store.close();
    const failure = await failureOf(workshop.open(directory));
    expect(failure.code).toBe('dataDirectoryMismatch');
    expect(failure.message).toContain(`has format ${format}, of a later version`);
    expect(failure.message).toContain(`format ${FORMAT_VERSION} only`);
  });

  test('that version 0.1.0 has written is refused, with words that say what to do, and left as it is', async () => {
    const text = (value: string) => Buffer.from(value, 'latin1');
    // Its identity, in format 4: field 1 the format, 2 the cluster, 3 the replica, 4 N, 5 the id of the store.
    const storedIdentity = text('\x08\x04\x12\x06orders\x18\x01\x20\x03\x2a\x01a');
    // The row of the key k, which was of no bucket: version 1, value v, and no stamp.
    const [key, row] = [text('\x03k'), text('\x08\x01\x12\x01v')];
    const location = join(directory, 'store');
    const store = await LevelByteStore.open({ location, create: true });
    await store.write([{ key: IDENTITY_KEY, value: storedIdentity }], sync);
    await store.write([{ key, value: row }], sync);
    await store.close();
    const failure = await failureOf(workshop.open(directory));
    expect(failure.code).toBe('dataDirectoryMismatch');
    expect(failure.message).toContain('has format 4, of an earlier version of this program');
    expect(failure.message).toContain('begin a new cluster in empty directories and copy the keys over');
    const again = await LevelByteStore.open({ location, create: false });
    expect(again.get(IDENTITY_KEY)).toEqual(storedIdentity);
    expect(again.get(key)).toEqual(row);
    await again.close();
  });

  test('with a store without identity is refused', async () => {
    const store = await LevelByteStore.open({ location: join(directory, 'store'), create: true });
    await store.write([{ key: Buffer.from('some'), value: Buffer.from('thing') }], sync);
    await store.close();
    const failure = await failureOf(workshop.open(directory));
    expect(failure.code).toBe('dataDirectoryMismatch');
    expect(failure.message).toContain('without identity');
  });

  test('with another database of LevelDB in it is refused, and left as it is', async () => {
    const foreign = new Level(directory);
    await foreign.put('key', 'value');
    await foreign.close();
    const before = await readdir(directory);
    expect((await failureOf(workshop.open(directory))).code).toBe('dataDirectoryMismatch');
    expect(await readdir(directory)).toEqual(before);
  });

  test('with foreign files in it is refused, and left as it is', async () => {
    await mkdir(directory);
    await writeFile(join(directory, 'thesis.txt'), 'chapter 1');
    const failure = await failureOf(workshop.open(directory));
    expect(failure.code).toBe('dataDirectoryMismatch');
    expect(failure.message).toContain('thesis.txt');
    expect(await readdir(directory)).toEqual(['thesis.txt']);
  });

  const firstStarts: [string, (store: LevelByteStore | null) => Promise<void>][] = [
    ['before there was a database', async () => {}],
    ['before the identity was written', async (store) => store?.close()],
    [
      'after the identity was written',
      async (store) => {
        const value = encodeIdentity({ ...withFormat({ ...identity, replica: 2 }), store: 'a' });
        await store?.write([{ key: IDENTITY_KEY, value }], sync);
        await store?.close();
      },
    ],
  ];
  test.each(firstStarts)('whose first start was cut off %s is begun again', async (when, prepare) => {
    const location = join(directory, 'store.new');
    await mkdir(location, { recursive: true });
    const noDatabase = when === 'before there was a database';
    await prepare(noDatabase ? null : await LevelByteStore.open({ location, create: true }));
    const storage = await workshop.open(directory);
    expect(await collect(storage.records())).toEqual([]);
    expect(await readdir(directory)).toEqual(['store']);
    await workshop.reopen(storage);
  });

  test('that is a file is refused', async () => {
    await mkdir(join(directory, '..'), { recursive: true });
    await writeFile(directory, 'not a directory');
    for (const path of [directory, join(directory, 'below')]) {
      const failure = await failureOf(workshop.open(path));
      expect(failure.code).toBe('storageFailure');
      expect(failure.message).toContain(path);
    }
  });

  test('that is open cannot be opened again in this process', async () => {
    const storage = await workshop.open(directory);
    const failure = await failureOf(workshop.open(directory));
    expect(failure.code).toBe('dataDirectoryLocked');
    expect(failure.message).toContain(directory);
    await storage.close();
    await workshop.open(directory);
  });

  test('that another process has open is refused until that process has ended, however it ends', async () => {
    const child = fork(fileURLToPath(new URL('holder.ts', import.meta.url)), [directory], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const exited = once(child, 'exit');
    try {
      expect(await Promise.race([once(child, 'message'), exited])).toEqual(['open', undefined]);
      expect((await failureOf(workshop.open(directory))).code).toBe('dataDirectoryLocked');
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
    // What that process wrote before it was killed is all there.
    const storage = await workshop.open(directory);
    expect((await collect(storage.records())).map((record) => record.id.slot)).toEqual([1, 2]);
    expect(storage.row('key')).toEqual(rowOf('value'));
  });
});

/** Long enough for 200 of them to fill several blocks (32 KiB) of the log, for damage costs the rest of a block. */
function textOf(slot: number): string {
  // Hashes, so that the tables can hardly be compressed, and damage is not found out by the decompression.
  return Array.from({ length: 16 }, (_, index) =>
    createHash('sha256').update(`${slot} ${index}`).digest('base64'),
  ).join('');
}

describe('a damaged store', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await workshop.directory();
    const storage = await workshop.open(directory);
    for (let slot = 1; slot <= 200; slot++) {
      await storage.writeRecords([committedRecord({ replica: 1, slot }, textOf(slot))], {
        sync: slot === 200,
      });
    }
    await storage.close();
  });
  afterEach(() => workshop.dispose());

  async function filesOf(pattern: RegExp): Promise<string[]> {
    const store = join(directory, 'store');
    const files = (await readdir(store)).filter((name) => pattern.test(name));
    expect(files.length).toBeGreaterThan(0);
    return files.map((name) => join(store, name));
  }

  async function damage(file: string, at: number): Promise<void> {
    const handle = await open(file, 'r+');
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, at);
    await handle.write(Buffer.from([(byte[0] ?? 0) ^ 0xff]), 0, 1, at);
    await handle.close();
  }

  test('is refused if its list of files is damaged', async () => {
    for (const file of await filesOf(/^CURRENT$/)) await writeFile(file, 'nonsense');
    const failure = await failureOf(workshop.open(directory));
    expect(failure.code).toBe('storageFailure');
    expect(failure.message).toContain(directory);
  });

  test('is refused if it is gone', async () => {
    for (const file of await filesOf(/./)) await rm(file);
    expect((await failureOf(workshop.open(directory))).code).toBe('storageFailure');
    expect(await readdir(join(directory, 'store'))).not.toContain('CURRENT');
  });

  test('is refused if batches are missing in the middle of the log', async () => {
    for (const file of await filesOf(/\.log$/)) {
      const { size } = await stat(file);
      await damage(file, Math.floor(size / 3));
    }
    for (let attempt = 0; attempt < 2; attempt++) {
      const failure = await failureOf(workshop.open(directory));
      expect(failure.code).toBe('storageFailure');
      expect(failure.message).toContain('batches are missing');
    }
  });

  test('is opened if only the end of the log is missing, as after a crash', async () => {
    for (const file of await filesOf(/\.log$/)) {
      const bytes = await readFile(file);
      await writeFile(file, bytes.subarray(0, bytes.length - 10));
    }
    const slots = (await collect((await workshop.open(directory)).records())).map((record) => record.id.slot);
    expect(slots).toEqual(Array.from({ length: 199 }, (_, index) => index + 1));
  });

  test('never returns a byte that was not written', async () => {
    // Opening moves what is in the log into tables. In the largest of them bytes all over are hit, one at a time.
    await (await workshop.open(directory)).close();
    const tables = await Promise.all(
      (await filesOf(/\.ldb$/)).map(async (file) => ({ file, bytes: await readFile(file) })),
    );
    const largest = tables.toSorted((left, right) => right.bytes.length - left.bytes.length)[0];
    assert(largest !== undefined, 'a table');
    let failures = 0;
    for (let at = 0; at < largest.bytes.length; at += Math.ceil(largest.bytes.length / 100)) {
      await writeFile(largest.file, largest.bytes);
      await damage(largest.file, at);
      try {
        const storage = await workshop.open(directory);
        for (const record of await collect(storage.records())) {
          expect(record).toEqual(committedRecord(record.id, textOf(record.id.slot)));
        }
      } catch (error) {
        if (!(error instanceof KvError)) throw error;
        expect(error.code).toBe('storageFailure');
        failures += 1;
      }
      await workshop.closeAll();
    }
    expect(failures).toBeGreaterThan(0);
  });

  test('is reported where an entry does not hold what it should', async () => {
    const store = await LevelByteStore.open({ location: join(directory, 'store'), create: false });
    const key = recordKey({ replica: 1, slot: 100 });
    await store.write([{ key, value: Buffer.from('nonsense') }], sync);
    await store.close();
    const storage = await workshop.open(directory);
    const failure = await failureOf(collect(storage.records()));
    expect(failure.code).toBe('storageFailure');
    expect(failure.message).toContain('instance 1.100');
    expect(failure.message).toContain(directory);
  });

  test('is reported where a record lies in the place of another', async () => {
    const store = await LevelByteStore.open({ location: join(directory, 'store'), create: false });
    const value = store.get(recordKey({ replica: 1, slot: 7 }));
    assert(value !== undefined, 'a record');
    await store.write([{ key: recordKey({ replica: 2, slot: 7 }), value }], sync);
    await store.close();
    const storage = await workshop.open(directory);
    expect((await failureOf(collect(storage.records()))).message).toContain('instance 2.7');
  });
});

describe('a write that fails', () => {
  afterEach(() => workshop.dispose());

  test('is told, and no later write is taken', async () => {
    const directory = await workshop.directory();
    const storage = await workshop.open(directory);
    await rm(directory, { recursive: true }); // noticed as soon as the database needs another file
    const large = { ...rowOf(''), value: Buffer.alloc(LIMITS.valueBytes, 'x') };
    const fill = async () => {
      for (let index = 0; index < 64; index++) {
        await storage.writeEffects(effectsOf({ rows: [{ key: `${index}`, row: large }] }));
      }
    };
    const failure = await failureOf(fill());
    expect(failure.code).toBe('storageFailure');
    expect(failure.message).toContain(directory);
    await mkdir(join(directory, 'store'), { recursive: true }); // the database could go on now
    const later = [
      storage.writeRecords([committedRecord({ replica: 1, slot: 1 })], sync),
      storage.writeEffects(effectsOf({ rows: [{ key: 'a', row: rowOf('1') }] })),
    ];
    for (const attempt of later) expect((await failureOf(attempt)).code).toBe('storageFailure');
  });

  test('takes the writes behind it along', async () => {
    const directory = await workshop.directory();
    const storage = await workshop.open(directory);
    await rm(directory, { recursive: true });
    const large = { ...rowOf(''), value: Buffer.alloc(LIMITS.valueBytes, 'x') };
    const outcomes = await Promise.allSettled(
      Array.from({ length: 64 }, (_, index) =>
        storage.writeEffects(effectsOf({ rows: [{ key: `${index}`, row: large }] })),
      ),
    );
    const statuses = outcomes.map(({ status }) => status);
    const first = statuses.indexOf('rejected');
    expect(first).toBeGreaterThan(0);
    expect(statuses.slice(first)).toEqual(new Array(64 - first).fill('rejected'));
  });
});
