/** The contract of the storage port, continued: snapshots, at the side that sends and the one that installs. */

import { describe, expect, test } from 'vitest';
import { formatInstance, type InstanceRecord, Status } from '../../src/epaxos/index.ts';
import { KvError } from '../../src/errors.ts';
import type { SnapshotView, Storage } from '../../src/storage/index.ts';
import type { SnapshotChunk, SnapshotEntry } from '../../src/wire/index.ts';
import { storedRows } from '../support/stored-rows.ts';
import type { StoreMaker } from './contract.ts';
import { collect, committedRecord, effectsOf, rowOf } from './samples.ts';

const sync = { sync: true };
const NO_FLOOR = [0, 0, 0];
const result = { version: 1, value: null, previousVersion: 0 };

/** What can be seen of a store, in words. */
export async function contentsOf(storage: Storage): Promise<unknown> {
  const statusOf = ({ id, status, ballot }: InstanceRecord) =>
    `${formatInstance(id)}: ${status === Status.executed ? 'executed' : `status ${status} at ${ballot}`}`;
  return {
    pruned: storage.pruned(),
    instances: (await collect(storage.records())).map(statusOf),
    rows: (await collect(storedRows(storage))).map(
      ([key, { value, version }]) => `${key}=${Buffer.from(value).toString('utf8')} (${version})`,
    ),
    answers: (await collect(storage.answerPages())).map(
      ({ client, number, size }) => `${client}/${number}: ${size}`,
    ),
    staged: storage.staging.status(),
  };
}

/** Cuts a view into chunks of `size` entries. */
export async function chunksOf(view: SnapshotView, id: string, size = 3): Promise<SnapshotChunk[]> {
  const entries = await collect(view.entries(null));
  const chunks: SnapshotChunk[] = [];
  for (let from = 0; from === 0 || from < entries.length; from += size) {
    const done = from + size >= entries.length;
    chunks.push({ id, pruned: view.pruned, entries: entries.slice(from, from + size), rest: 0, done });
  }
  return chunks;
}

/** A replica that has gone far: rows 1 to 3 pruned to 5, 4 and 0, a little executed above, one instance not. */
export async function fillSender(storage: Storage): Promise<void> {
  const executed = [
    ...[6, 7].map((slot) => ({ replica: 1, slot })),
    ...[5, 7].map((slot) => ({ replica: 2, slot })),
    { replica: 3, slot: 1 },
  ];
  const open = [
    { replica: 1, slot: 8 },
    { replica: 2, slot: 6 },
  ];
  const records = [...executed, ...open].map((id) => committedRecord(id, 'the sender knows'));
  await storage.writeRecords(records, sync);
  const rows = ['a', 'b', 'c', 'd'].map((key) => ({ key, row: rowOf('new', 2) }));
  const answers = [1, 2].map((sequence) => ({
    request: { client: 'sender'.padEnd(16), sequence, generation: 1 },
    key: 'a',
    result,
  }));
  await storage.writeEffects(
    effectsOf({ executed, rows, answers, pruned: { pruned: [5, 4, 0], floor: [5, 1, 0] } }),
  );
}

/** A replica that is behind, and has promised something. */
export async function fillReceiver(storage: Storage): Promise<void> {
  const executed = [
    { replica: 1, slot: 2 },
    { replica: 1, slot: 6 },
  ];
  const promised: InstanceRecord = {
    ...committedRecord({ replica: 3, slot: 2 }),
    status: Status.none,
    ballot: 11,
  };
  const accepted: InstanceRecord = {
    ...committedRecord({ replica: 1, slot: 9 }),
    status: Status.accepted,
    ballot: 8,
    acceptedBallot: 5,
  };
  const old: InstanceRecord = { ...committedRecord({ replica: 2, slot: 3 }), status: Status.preAccepted };
  const overtaken: InstanceRecord = { ...committedRecord({ replica: 1, slot: 7 }), status: Status.accepted };
  const bare: InstanceRecord = { ...promised, command: null, attributes: null };
  const committed = [...executed, { replica: 2, slot: 6 }];
  const records = committed.map((id) => committedRecord(id, 'the receiver knows'));
  await storage.writeRecords([...records, bare, accepted, old, overtaken], sync);
  const rows = ['a', 'only here'].map((key) => ({ key, row: rowOf('old') }));
  const answers = [
    { request: { client: 'receiver'.padEnd(16), sequence: 1, generation: 1 }, key: 'a', result },
  ];
  await storage.writeEffects(
    effectsOf({ executed, rows, answers, pruned: { pruned: [1, 0, 0], floor: [0, 2, 0] } }),
  );
}

/** What the receiver must have come to. */
export const INSTALLED = {
  pruned: { pruned: [5, 4, 0], floor: [5, 2, 0] },
  instances: [
    '1.6: executed',
    '1.7: executed',
    '1.9: status 2 at 8', // accepted here, and as it was
    '2.5: executed',
    '2.6: status 3 at 0', // committed here, and not executed there
    '2.7: executed',
    '3.1: executed',
    '3.2: status 0 at 11', // promised here, and as it was
  ],
  rows: ['a', 'b', 'c', 'd'].map((key) => `${key}=new (2)`),
  answers: ['sender          /0: 2'],
  staged: null,
};

/** Where the command is whose record is there. */
function commandKeyOf(recordKey: Uint8Array): Buffer {
  const key = Buffer.from(recordKey);
  key[key.length - 1] = 2;
  return key;
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof KvError) return error.code;
  throw error;
}

export function testSnapshots(create: () => Promise<Storage>, reopen: StoreMaker['reopen']): void {
  const filled = async (fill: (storage: Storage) => Promise<void>) => {
    const storage = await create();
    await fill(storage);
    return storage;
  };
  const chunksOfSender = async (id: string, size?: number) => {
    const sender = await filled(fillSender);
    const view = sender.openSnapshot();
    const chunks = await chunksOf(view, id, size);
    await view.close();
    return chunks;
  };

  describe('a snapshot to send', () => {
    test('holds what is executed, the answers and the rows, and nothing else', async () => {
      const view = (await filled(fillSender)).openSnapshot();
      expect(view.pruned).toEqual({ pruned: [5, 4, 0], floor: [5, 1, 0] });
      const kinds = (await collect(view.entries(null))).map(({ key }) => key[0]);
      expect(kinds).toEqual([...new Array(10).fill(1), ...new Array(1).fill(2), ...new Array(4).fill(3)]);
      await view.close();
      await view.close();
    });

    test('of a store that has pruned nothing has a vector of zeros', async () => {
      const view = (await create()).openSnapshot();
      expect(view.pruned).toEqual({ pruned: NO_FLOOR, floor: NO_FLOOR });
      expect(await collect(view.entries(null))).toEqual([]);
      await view.close();
    });

    test('does not see what is written later', async () => {
      const sender = await filled(fillSender);
      const view = sender.openSnapshot();
      const before = await collect(view.entries(null));
      await sender.writeEffects(
        effectsOf({
          rows: [
            { key: 'a', row: null },
            { key: 'z', row: rowOf('z') },
          ],
          executed: [{ replica: 1, slot: 8 }],
          pruned: { pruned: [7, 4, 0], floor: [7, 1, 0] },
        }),
      );
      expect(await collect(view.entries(null))).toEqual(before);
      expect(view.pruned.pruned).toEqual([5, 4, 0]);
      await view.close();
    });

    test('goes on behind every one of its keys', async () => {
      const view = (await filled(fillSender)).openSnapshot();
      const all = await collect(view.entries(null));
      for (const [index, { key }] of all.entries()) {
        expect(await collect(view.entries(key))).toEqual(all.slice(index + 1));
      }
      await view.close();
    });
  });

  describe('a snapshot that arrives', () => {
    test('is staged chunk by chunk, over restarts, and seen by nobody before it is installed', async () => {
      let storage = await filled(fillReceiver);
      const before = await contentsOf(storage);
      const chunks = await chunksOfSender('first');
      expect(chunks.length).toBeGreaterThan(3);
      let entries = 0;
      for (const chunk of chunks) {
        await storage.staging.add(2, chunk);
        entries += chunk.entries.length;
        storage = await reopen(storage);
        expect(storage.staging.status()).toMatchObject({
          source: 2,
          id: 'first',
          entries,
          complete: chunk.done,
        });
        expect(Buffer.from(storage.staging.status()?.last ?? [])).toEqual(chunk.entries.at(-1)?.key);
        expect(await contentsOf(storage)).toEqual({
          ...(before as object),
          staged: storage.staging.status(),
        });
      }
      await storage.staging.clear();
      expect(await contentsOf(await reopen(storage))).toEqual(before);
    });

    test('takes the place of the state, and leaves alone what was promised here', async () => {
      const storage = await filled(fillReceiver);
      for (const chunk of await chunksOfSender('first')) await storage.staging.add(2, chunk);
      expect(await storage.staging.install()).toBe(true);
      expect(await contentsOf(storage)).toEqual(INSTALLED);
      expect(await contentsOf(await reopen(storage))).toEqual(INSTALLED);
    });

    test('may be empty, and empties the table then', async () => {
      const storage = await create();
      await storage.writeEffects(effectsOf({ rows: [{ key: 'a', row: rowOf('1') }] }));
      const view = (await create()).openSnapshot();
      for (const chunk of await chunksOf(view, 'empty')) await storage.staging.add(3, chunk);
      await view.close();
      expect(await storage.staging.install()).toBe(true);
      expect(await collect(storedRows(storage))).toEqual([]);
    });

    test('replaces one of another id, or from another source', async () => {
      const storage = await create();
      const [first, second] = [await chunksOfSender('first'), await chunksOfSender('second')];
      const begin = (chunks: readonly SnapshotChunk[]) => chunks[0] ?? expect.fail('a chunk');
      await storage.staging.add(2, begin(first));
      await storage.staging.add(2, begin(second));
      expect(storage.staging.status()).toMatchObject({ id: 'second', source: 2, entries: 3 });
      await storage.staging.add(3, begin(second));
      expect(storage.staging.status()).toMatchObject({ id: 'second', source: 3, entries: 3 });
    });

    test('is refused, and dropped, if it lacks what was executed and pruned here', async () => {
      const storage = await create();
      const id = { replica: 3, slot: 2 };
      const executed = [{ replica: 3, slot: 1 }, id];
      await storage.writeRecords(
        executed.map((each) => committedRecord(each)),
        sync,
      );
      await storage.writeEffects(effectsOf({ executed }));
      await storage.writeEffects(effectsOf({ pruned: { pruned: [0, 0, 2], floor: NO_FLOOR } }));
      const before = await contentsOf(storage);
      for (const chunk of await chunksOfSender('too old')) await storage.staging.add(2, chunk);
      expect(await storage.staging.install()).toBe(false);
      expect(await contentsOf(storage)).toEqual(before);
    });

    test('is refused, and dropped, if it lacks what was executed here', async () => {
      const storage = await create();
      await storage.writeRecords([committedRecord({ replica: 2, slot: 6 })], sync);
      await storage.writeEffects(effectsOf({ executed: [{ replica: 2, slot: 6 }] }));
      const before = await contentsOf(storage);
      for (const chunk of await chunksOfSender('too old')) await storage.staging.add(2, chunk);
      expect(await storage.staging.install()).toBe(false);
      expect(await contentsOf(storage)).toEqual(before);
    });

    test('stays fit when a no-op is executed here, pruned or not, while it is copied', async () => {
      let storage = await filled(fillReceiver);
      const chunks = await chunksOfSender('first');
      const noOps = [2, 3, 4].map((slot) => ({
        ...committedRecord({ replica: 3, slot }),
        noOp: true,
        command: slot === 3 ? committedRecord({ replica: 3, slot }).command : null,
      }));
      const first = committedRecord({ replica: 3, slot: 1 });
      for (const [index, chunk] of chunks.entries()) {
        await storage.staging.add(2, chunk);
        if (index > 0) continue;
        await storage.writeRecords([first, ...noOps], sync);
        await storage.writeEffects(effectsOf({ executed: [first, ...noOps].map(({ id }) => id) }));
        await storage.writeEffects(effectsOf({ pruned: { pruned: [1, 0, 3], floor: NO_FLOOR } }));
        storage = await reopen(storage);
      }
      expect(await storage.staging.install()).toBe(true);
      storage = await reopen(storage);
      const records = (await collect(storage.records())).filter(({ id }) => id.replica === 3 && id.slot > 1);
      expect(records).toEqual(noOps.map((noOp) => ({ ...noOp, status: Status.executed })));
      expect(storage.pruned()?.pruned).toEqual([5, 4, 0]);
    });

    test('gives back what was pruned here and is executed in it', async () => {
      const storage = await create();
      const executed = [{ replica: 3, slot: 1 }];
      await storage.writeRecords(
        executed.map((each) => committedRecord(each)),
        sync,
      );
      await storage.writeEffects(effectsOf({ executed }));
      await storage.writeEffects(effectsOf({ pruned: { pruned: [0, 0, 1], floor: [0, 0, 1] } }));
      for (const chunk of await chunksOfSender('fits')) await storage.staging.add(2, chunk);
      expect(await storage.staging.install()).toBe(true);
      expect(storage.pruned()).toEqual({ pruned: [5, 4, 0], floor: [5, 1, 1] });
      expect((await collect(storage.records())).map(({ id }) => formatInstance(id))).toContain('3.1');
    });

    test('is refused where an entry does not belong there, and changes nothing', async () => {
      const storage = await create();
      const [chunk] = await chunksOfSender('first', 100);
      if (chunk === undefined) throw new Error('a chunk');
      const { entries } = chunk;
      const [record, command] = entries;
      const otherRecord = entries[2];
      const answer = entries.find(({ key }) => key[0] === 2);
      const row = entries.find(({ key }) => key[0] === 3);
      if (!record || !command || !otherRecord || !answer || !row) throw new Error('entries of all kinds');
      const mark = Buffer.from(record.key);
      mark[mark.length - 1] = 1;
      const bad: readonly (readonly [what: string, entries: readonly SnapshotEntry[]])[] = [
        ['out of order', [otherRecord, record]],
        ['twice the same', [record, record]],
        ['a mark', [{ key: mark, value: record.value }]],
        ['a record in the place of another', [{ key: record.key, value: otherRecord.value }]],
        ['a record without its command', [record]],
        ['a record without its command, and more', [record, answer]],
        [
          'a record with the command of another',
          [record, { ...command, key: commandKeyOf(otherRecord.key) }],
        ],
        ['a command without its record', [command]],
        ['a record that is none', [{ key: record.key, value: Buffer.from('nonsense') }]],
        ['an answer without a name', [{ key: answer.key.subarray(0, 20), value: answer.value }]],
        ['an answer that is none', [{ key: answer.key, value: Buffer.from('nonsense') }]],
        ['a row without a key', [{ key: Buffer.from([3]), value: row.value }]],
        ['a row that is none', [{ key: row.key, value: Buffer.from('nonsense') }]],
        ['an identity', [{ key: Buffer.from([0]), value: row.value }]],
        ['an entry of no kind', [{ key: Buffer.from([9]), value: row.value }]],
        ['an entry without a key', [{ key: Buffer.alloc(0), value: row.value }]],
      ];
      for (const [what, wrong] of bad) {
        const code = await codeOf(storage.staging.add(2, { ...chunk, entries: wrong }));
        expect([what, code]).toEqual([what, 'invalidArgument']);
        expect(storage.staging.status()).toBeNull();
      }
      const pruned = { ...chunk, pruned: { pruned: [6, 4, 0], floor: NO_FLOOR } };
      expect(await codeOf(storage.staging.add(2, pruned))).toBe('invalidArgument');
    });

    test('is refused where a chunk does not belong behind the one before, and changes nothing', async () => {
      const storage = await create();
      const [chunk] = await chunksOfSender('first', 100);
      const entries = chunk?.entries ?? [];
      const [record, command] = entries;
      const answer = entries.find(({ key }) => key[0] === 2);
      if (!chunk || !record || !command || !answer) throw new Error('a chunk, and entries of all kinds');
      await storage.staging.add(2, { ...chunk, entries: [record], done: false });
      const before = storage.staging.status();
      for (const wrong of [[answer], [record], []]) {
        expect(await codeOf(storage.staging.add(2, { ...chunk, entries: wrong }))).toBe('invalidArgument');
        expect(storage.staging.status()).toEqual(before);
      }
      await storage.staging.add(2, { ...chunk, entries: [command] });
      expect(storage.staging.status()?.complete).toBe(true);
      expect(await codeOf(storage.staging.add(2, { ...chunk, entries: [answer] }))).toBe('invalidArgument');
      expect(await storage.staging.install()).toBe(true);
    });
  });
}
