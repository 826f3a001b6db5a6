/** The contract of the storage port, continued: the records of instances. */

import { expect, test } from 'vitest';
import { type InstanceRecord, Status } from '../../src/epaxos/index.ts';
import type { Storage } from '../../src/storage/index.ts';
import { codeOf as codeOfThrown } from '../support/refusals.ts';
import { storedRows } from '../support/stored-rows.ts';
import type { StoreMaker } from './contract.ts';
import { codeOf, collect, committedRecord, effectsOf } from './samples.ts';

const sync = { sync: true };
const noSync = { sync: false };

export function testRecords(create: () => Promise<Storage>, reopen: StoreMaker['reopen']): void {
  test('an empty store holds nothing', async () => {
    const storage = await create();
    expect(await collect(storage.records())).toEqual([]);
    expect(await collect(storage.answerPages())).toEqual([]);
    expect(await collect(storedRows(storage))).toEqual([]);
    expect(storage.row('key')).toBeUndefined();
  });

  test('records come by row and then by slot, whatever the order they were written in', async () => {
    const storage = await create();
    const ids = [1, 2, 3].flatMap((replica) =>
      [1, 2, 255, 256, 65_536, 2 ** 32, 2 ** 40].map((slot) => ({ replica, slot })),
    );
    for (const id of ids.toReversed()) await storage.writeRecords([committedRecord(id)], noSync);
    expect((await collect(storage.records())).map((record) => record.id)).toEqual(ids);
  });

  test('records are kept whole, and over a restart', async () => {
    const storage = await create();
    const record = committedRecord({ replica: 2, slot: 7 });
    const prepared: InstanceRecord = {
      id: { replica: 3, slot: 9 },
      status: Status.none,
      ballot: 11,
      acceptedBallot: 0,
      command: record.command,
      noOp: false,
      attributes: null,
      initial: { seq: 3, deps: [1, 2, 8] },
      follower: 1,
    };
    const noOp: InstanceRecord = {
      ...prepared,
      id: { replica: 3, slot: 10 },
      status: Status.accepted,
      acceptedBallot: 11,
      command: null,
      noOp: true,
      attributes: { seq: 0, deps: [0, 0, 0] },
    };
    await storage.writeRecords([record, prepared, noOp], sync);
    expect(await collect(storage.records())).toEqual([record, prepared, noOp]);
    const again = await reopen(storage);
    expect(await collect(again.records())).toEqual([record, prepared, noOp]);
  });

  test('a record replaces what was stored for its instance', async () => {
    const storage = await create();
    const id = { replica: 1, slot: 1 };
    const other = committedRecord({ replica: 1, slot: 2 });
    await storage.writeRecords([committedRecord(id, 'old'), other], sync);
    await storage.writeRecords([committedRecord(id, 'new')], noSync);
    expect(await collect(storage.records())).toEqual([committedRecord(id, 'new'), other]);
  });

  test('writes that nobody waits for take effect in the order of their calls', async () => {
    const storage = await create();
    const id = { replica: 1, slot: 1 };
    const writes = Array.from({ length: 50 }, (_, index) =>
      storage.writeRecords([committedRecord(id, `${index}`)], { sync: index % 2 === 0 }),
    );
    await Promise.all(writes);
    expect(await collect(storage.records())).toEqual([committedRecord(id, '49')]);
  });

  test('knows which slots are reserved, as it was told last', async () => {
    const storage = await create();
    expect(storage.reserved()).toBe(0);
    await storage.writeRecords([], { sync: true, reserved: 8 });
    await storage.writeRecords([committedRecord({ replica: 1, slot: 1 })], { sync: true, reserved: null });
    expect(storage.reserved()).toBe(8);
    await storage.writeRecords([committedRecord({ replica: 1, slot: 2 })], {
      sync: false,
      reserved: 2 ** 40,
    });
    expect(storage.reserved()).toBe(2 ** 40);
    expect(await collect(storage.records())).toHaveLength(2);
  });

  test('writing nothing is nothing', async () => {
    const storage = await create();
    await storage.writeRecords([], sync);
    await storage.writeEffects(effectsOf({}));
    expect(await collect(storage.records())).toEqual([]);
  });

  test('what is marked executed has the status executed, also after its record was written again', async () => {
    const storage = await create();
    const marked = [
      { replica: 1, slot: 2 },
      { replica: 3, slot: 5 },
    ] as const;
    const unmarked = [
      { replica: 1, slot: 1 },
      { replica: 2, slot: 1 },
    ];
    const records = [...marked, ...unmarked].map((id) => committedRecord(id));
    await storage.writeRecords(records, sync);
    await storage.writeEffects(effectsOf({ executed: marked }));
    const statuses = async (from: Storage) => (await collect(from.records())).map((record) => record.status);
    const expected = [Status.committed, Status.executed, Status.committed, Status.executed];
    expect(await statuses(storage)).toEqual(expected);
    await storage.writeRecords([committedRecord(marked[0])], sync);
    expect(await statuses(await reopen(storage))).toEqual(expected);
  });

  test('the command of what is executed is had from the store, as long as it is there', async () => {
    const storage = await create();
    const [id, other] = [
      { replica: 1, slot: 1 },
      { replica: 2, slot: 1 },
    ];
    const { command } = committedRecord(id);
    expect(codeOfThrown(() => storage.command(id))).toBe('storageFailure');
    await storage.writeRecords([committedRecord(id), committedRecord(other, 'another')], sync);
    await storage.writeEffects(effectsOf({ executed: [id] }));
    expect(storage.command(id)).toEqual(command);
    const again = await reopen(storage);
    const [executed] = await collect(again.records());
    expect(executed?.command?.operations).toEqual(command?.operations);
    await again.writeEffects(effectsOf({ pruned: { pruned: [1, 0, 0], floor: [1, 0, 0] } }));
    expect(executed?.command?.size).toBe(command?.size);
    expect(codeOfThrown(() => executed?.command?.operations)).toBe('storageFailure');
    expect(again.command(other)).toEqual(committedRecord(other, 'another').command);
  });

  test('a mark without a committed record is an error: the instance would be executed twice', async () => {
    const id = { replica: 1, slot: 2 };
    const without = await create();
    await without.writeRecords([committedRecord({ replica: 1, slot: 1 })], sync);
    await without.writeEffects(effectsOf({ executed: [id] }));
    await expect(collect(without.records()).catch(codeOf)).resolves.toBe('storageFailure');
    const accepted = await create();
    await accepted.writeRecords([{ ...committedRecord(id), status: Status.accepted }], sync);
    await accepted.writeEffects(effectsOf({ executed: [id] }));
    await expect(collect(accepted.records()).catch(codeOf)).resolves.toBe('storageFailure');
  });

  test('a record that was handed over may not be seen to change', async () => {
    const storage = await create();
    const record = committedRecord({ replica: 1, slot: 1 });
    const deps = [0, 0, 0];
    const writing = storage.writeRecords([{ ...record, attributes: { seq: 1, deps } }], sync);
    deps[0] = 99;
    await writing;
    expect(await collect(storage.records())).toEqual([record]);
  });

  test('a command stays as it was first written, whatever becomes of its record', async () => {
    const storage = await create();
    const id = { replica: 1, slot: 1 };
    const record = committedRecord(id, 'kept');
    await storage.writeRecords([{ ...record, status: Status.preAccepted, ballot: 0 }], sync);
    await storage.writeRecords([{ ...record, ballot: 4, acceptedBallot: 4 }], sync);
    expect(await collect(storage.records())).toEqual([{ ...record, ballot: 4, acceptedBallot: 4 }]);
    const again = await reopen(storage);
    expect(await collect(again.records())).toEqual([{ ...record, ballot: 4, acceptedBallot: 4 }]);
    // After a restart it is another object with the same bytes.
    const [read = record] = await collect(again.records());
    await again.writeRecords([{ ...read, ballot: 7 }], sync);
    expect(await collect((await reopen(again)).records())).toEqual([
      { ...record, ballot: 7, acceptedBallot: 4 },
    ]);
  });

  test('one command in the slots of two replicas is stored for both', async () => {
    const storage = await create();
    const one = committedRecord({ replica: 1, slot: 1 });
    const other = { ...one, id: { replica: 2, slot: 1 } };
    await storage.writeRecords([one, other], sync);
    expect(await collect((await reopen(storage)).records())).toEqual([one, other]);
  });
}
