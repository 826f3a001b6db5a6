/** The contract of the storage port: one suite that is run for every store. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { Status } from '../../src/epaxos/index.ts';
import { KvError } from '../../src/errors.ts';
import { LIMITS, type RecordedAnswer, type StampedRow } from '../../src/kv/index.ts';
import type { Storage } from '../../src/storage/index.ts';
import { keyToBytes, keyToString } from '../../src/wire/index.ts';
import { storedRows } from '../support/stored-rows.ts';
import { testPieces } from './contract-pieces.ts';
import { testPruning } from './contract-pruning.ts';
import { testRecords } from './contract-records.ts';
import { testSnapshots } from './contract-snapshots.ts';
import { codeOf, collect, committedRecord, effectsOf, rowOf, storedSessions } from './samples.ts';

/** How the suite gets its stores. */
export interface StoreMaker {
  /** A new, empty store of replica 1 in a cluster of REPLICAS. */
  create(): Promise<Storage>;
  /** Closes a store and opens the same data again, as a restart does. */
  reopen(storage: Storage): Promise<Storage>;
  /** Lets go of everything that was created. */
  dispose(): Promise<void>;
}

async function keysOf(storage: Storage): Promise<string[]> {
  return (await collect(storedRows(storage))).map(([key]) => key);
}

const sync = { sync: true };

function testRows(create: () => Promise<Storage>, reopen: StoreMaker['reopen']): void {
  test('a row is seen as soon as its write has resolved, replaced, and removed', async () => {
    const storage = await create();
    await storage.writeEffects(effectsOf({ rows: [{ key: 'a', row: rowOf('1') }] }));
    expect(storage.row('a')).toEqual(rowOf('1'));
    await storage.writeEffects(effectsOf({ rows: [{ key: 'a', row: rowOf('2', 2) }] }));
    expect(storage.row('a')).toEqual(rowOf('2', 2));
    expect(storage.row('b')).toBeUndefined();
    await storage.writeEffects(effectsOf({ rows: [{ key: 'a', row: null }] }));
    expect(storage.row('a')).toBeUndefined();
    expect(await keysOf(storage)).toEqual([]);
  });

  test('the last of several changes of a key in one batch holds', async () => {
    const storage = await create();
    const rows = [
      { key: 'a', row: rowOf('1') },
      { key: 'a', row: null },
      { key: 'a', row: rowOf('3') },
      { key: 'b', row: rowOf('1') },
      { key: 'b', row: null },
    ];
    await storage.writeEffects(effectsOf({ rows }));
    expect(storage.row('a')).toEqual(rowOf('3'));
    expect(storage.row('b')).toBeUndefined();
  });

  test('rows never mix with the other entries of the store', async () => {
    const storage = await create();
    const id = { replica: 1, slot: 1 };
    const answer = {
      request: { client: '\xff'.repeat(16), sequence: 1, generation: 1 },
      key: 'key',
      result: { version: 1, value: null, previousVersion: 0 },
    };
    await storage.writeRecords([committedRecord(id)], sync);
    const keys = [
      '\x00',
      '\x01',
      '\x02',
      '\x03',
      '\x04',
      '\xff',
      `\xff${'\xff'.repeat(LIMITS.keyBytes - 1)}`,
    ];
    const rows = keys.map((key) => ({ key, row: rowOf(key) }));
    await storage.writeEffects(effectsOf({ rows, answers: [answer], executed: [id] }));
    expect(await keysOf(storage)).toEqual(keys);
    expect((await collect(storage.records())).length).toBe(1);
    expect((await storedSessions(storage)).size).toBe(1);
  });

  test('keys are any bytes, in the order of their bytes', async () => {
    const anyKeys = fc.uniqueArray(fc.uint8Array({ minLength: 1, maxLength: 6 }).map(keyToString), {
      minLength: 1,
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(anyKeys, async (keys) => {
        const storage = await create();
        await storage.writeEffects(effectsOf({ rows: keys.map((key) => ({ key, row: rowOf('x') })) }));
        const sorted = keys.toSorted((left, right) => Buffer.compare(keyToBytes(left), keyToBytes(right)));
        expect(await keysOf(storage)).toEqual(sorted);
        for (const key of keys) expect(storage.row(key)).toEqual(rowOf('x'));
        await storage.close();
      }),
      { numRuns: 20 },
    );
  });

  test('values may be empty, and as large as the limit', async () => {
    const storage = await create();
    const large = Buffer.alloc(LIMITS.valueBytes, 'x');
    const version = Number.MAX_SAFE_INTEGER;
    const rows = [
      { key: 'empty', row: { ...rowOf(''), value: new Uint8Array(0) } },
      { key: 'large', row: { ...rowOf(''), value: large, version } },
    ];
    await storage.writeEffects(effectsOf({ rows }));
    const again = await reopen(storage);
    expect(again.row('empty')?.value.length).toBe(0);
    const row = again.row('large');
    expect(row?.version).toBe(version);
    expect(Buffer.compare(row?.value ?? large.subarray(1), large)).toBe(0);
  });

  test('an iteration sees the rows as they were when it began', async () => {
    const storage = await create();
    const before = ['a', 'b', 'c'].map((key) => ({ key, row: rowOf('old') }));
    await storage.writeEffects(effectsOf({ rows: before }));
    const seen: (readonly [string, StampedRow])[] = [];
    for await (const entry of storedRows(storage)) {
      if (seen.length === 0) {
        const rows = [
          { key: 'b', row: rowOf('new') },
          { key: 'c', row: null },
          { key: 'd', row: rowOf('new') },
        ];
        await storage.writeEffects(effectsOf({ rows }));
      }
      seen.push(entry);
    }
    expect(seen).toEqual(before.map(({ key, row }) => [key, row]));
    expect(await keysOf(storage)).toEqual(['a', 'b', 'd']);
  });

  test('an iteration may be broken off', async () => {
    const storage = await create();
    const rows = ['a', 'b', 'c'].map((key) => ({ key, row: rowOf(key) }));
    await storage.writeEffects(effectsOf({ rows }));
    for await (const [key] of storedRows(storage)) {
      expect(key).toBe('a');
      break;
    }
    await storage.close();
  });

  test('nobody can change a row through what was read or written', async () => {
    const storage = await create();
    const value = Buffer.from('value');
    const writing = storage.writeEffects(effectsOf({ rows: [{ key: 'a', row: { ...rowOf(''), value } }] }));
    value.fill(0);
    await writing;
    storage.row('a')?.value.fill(0);
    for await (const [, row] of storedRows(storage)) row.value.fill(0);
    expect(storage.row('a')).toEqual(rowOf('value'));
  });
}

function testAnswers(create: () => Promise<Storage>, reopen: StoreMaker['reopen']): void {
  test('answers are kept with everything in them, and over a restart', async () => {
    const storage = await create();
    const binary = keyToString(Uint8Array.from({ length: 16 }, (_, index) => index * 17));
    const answers: RecordedAnswer[] = [
      {
        request: { client: binary, sequence: 1, generation: 1 },
        key: binary,
        result: { version: 1, value: null, previousVersion: 0 },
      },
      {
        request: { client: binary, sequence: Number.MAX_SAFE_INTEGER, generation: 1 },
        key: '\x00',
        result: { version: 2 ** 40, value: Buffer.from('previous'), previousVersion: 2 ** 40 - 1 },
      },
      {
        request: { client: '\x00'.repeat(16), sequence: 2 ** 32, generation: 1 },
        key: 'k'.repeat(LIMITS.keyBytes),
        result: { version: 3, value: Buffer.alloc(0), previousVersion: 2 },
      },
    ];
    await storage.writeEffects(effectsOf({ answers }));
    const found = async (from: Storage) => {
      const sessions = await storedSessions(from);
      expect(sessions.size).toBe(answers.length);
      return answers.map(({ request, key }) => sessions.find(request, key));
    };
    expect(await found(storage)).toEqual(answers.map(({ result }) => result));
    expect(await found(await reopen(storage))).toEqual(answers.map(({ result }) => result));
  });

  test('rows, answers and marks are found together after a restart', async () => {
    const storage = await create();
    const id = { replica: 2, slot: 3 };
    const answer = {
      request: { client: 'c'.repeat(16), sequence: 3, generation: 1 },
      key: 'key',
      result: { version: 1, value: null, previousVersion: 0 },
    };
    await storage.writeRecords([committedRecord(id)], sync);
    const rows = [{ key: 'key', row: rowOf('value') }];
    await storage.writeEffects(effectsOf({ rows, answers: [answer], executed: [id] }));
    const again = await reopen(storage);
    expect(again.row('key')).toEqual(rowOf('value'));
    expect((await storedSessions(again)).find(answer.request, answer.key)).toEqual(answer.result);
    expect((await collect(again.records()))[0]?.status).toBe(Status.executed);
  });
}

function testClosing(create: () => Promise<Storage>, reopen: StoreMaker['reopen']): void {
  test('closing waits for writes under way, and may be repeated', async () => {
    const storage = await create();
    const ids = Array.from({ length: 20 }, (_, index) => ({ replica: 1, slot: index + 1 }));
    const writes = ids.map((id) => storage.writeRecords([committedRecord(id)], { sync: id.slot % 2 === 0 }));
    await Promise.all([storage.close(), storage.close()]);
    await Promise.all(writes);
    await storage.close();
    const again = await reopen(storage);
    expect((await collect(again.records())).map((record) => record.id)).toEqual(ids);
  });

  test('a closed store refuses everything else', async () => {
    const storage = await create();
    await storage.writeEffects(effectsOf({ rows: [{ key: 'a', row: rowOf('1') }] }));
    await storage.close();
    const record = committedRecord({ replica: 1, slot: 1 });
    const attempts = [
      storage.writeRecords([record], sync),
      storage.writeEffects(effectsOf({ executed: [record.id] })),
      collect(storage.records()),
      collect(storage.answerPages()),
      collect(storedRows(storage)),
    ];
    for (const attempt of attempts) await expect(attempt.catch(codeOf)).resolves.toBe('storageFailure');
    expect(() => storage.row('a')).toThrow(KvError);
  });
}

/** Runs the suite for the stores of one kind. */
export function testStorageContract(name: string, maker: StoreMaker): void {
  describe(`the storage contract, ${name}`, () => {
    afterEach(() => maker.dispose());
    const create = () => maker.create();
    const reopen = (storage: Storage) => maker.reopen(storage);
    testRecords(create, reopen);
    testRows(create, reopen);
    testAnswers(create, reopen);
    testPruning(create, reopen);
    testSnapshots(create, reopen);
    testPieces(create, reopen);
    testClosing(create, reopen);
  });
}
