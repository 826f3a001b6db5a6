/** The contract of the storage port, continued: what is forgotten, and what is remembered of peers. */
import { describe, expect, test } from 'vitest';
import { type InstanceId, Status } from '../../src/epaxos/index.ts';
import type { Storage } from '../../src/storage/index.ts';
import { AssertionError } from '../../src/util/assert.ts';
import type { StoreMaker } from './contract.ts';
import { collect, committedRecord, effectsOf, rowOf, storedSessions } from './samples.ts';

const sync = { sync: true };

/** Slots 1 to `slots` of every row, all executed but the last one of each. */
export async function fill(storage: Storage, slots: number): Promise<void> {
  const ids = [1, 2, 3].flatMap((replica) =>
    Array.from({ length: slots }, (_, index) => ({ replica, slot: index + 1 })),
  );
  await storage.writeRecords(
    ids.map((id) => committedRecord(id)),
    sync,
  );
  await storage.writeEffects(effectsOf({ executed: ids.filter(({ slot }) => slot < slots) }));
}

async function idsOf(storage: Storage): Promise<InstanceId[]> {
  return (await collect(storage.records())).map(({ id }) => id);
}

export function testPruning(create: () => Promise<Storage>, reopen: StoreMaker['reopen']): void {
  describe('pruning', () => {
    test('nothing is pruned at the beginning', async () => {
      expect((await create()).pruned()).toBeNull();
    });

    test('removes records and marks up to the vector, and keeps the vector and the floor', async () => {
      const storage = await create();
      await fill(storage, 4);
      const pruned = { pruned: [3, 0, 2], floor: [1, 0, 2] };
      await storage.writeEffects(effectsOf({ pruned }));
      const left = [
        { replica: 1, slot: 4 },
        ...[1, 2, 3, 4].map((slot) => ({ replica: 2, slot })),
        { replica: 3, slot: 3 },
        { replica: 3, slot: 4 },
      ];
      const check = async (each: Storage) => {
        expect(each.pruned()).toEqual(pruned);
        expect(await idsOf(each)).toEqual(left);
        for (const { id, status } of await collect(each.records())) {
          expect(status).toBe(id.slot === 4 ? Status.committed : Status.executed);
        }
      };
      await check(storage);
      await check(await reopen(storage));
    });

    test('goes on from where it was', async () => {
      const storage = await create();
      await fill(storage, 6);
      for (const slot of [1, 2, 2, 5]) {
        const vector = [slot, slot, slot];
        await storage.writeEffects(effectsOf({ pruned: { pruned: vector, floor: vector } }));
        expect((await idsOf(storage)).filter(({ replica }) => replica === 1)).toHaveLength(6 - slot);
      }
      expect(storage.pruned()).toEqual({ pruned: [5, 5, 5], floor: [5, 5, 5] });
    });

    test('is written together with the effects of the same turn', async () => {
      const storage = await create();
      await fill(storage, 2);
      await storage.writeEffects(
        effectsOf({
          rows: [{ key: 'a', row: rowOf('1') }],
          executed: [{ replica: 1, slot: 2 }],
          pruned: { pruned: [2, 1, 1], floor: [0, 0, 0] },
        }),
      );
      const again = await reopen(storage);
      expect(again.row('a')).toEqual(rowOf('1'));
      expect(await idsOf(again)).toEqual([
        { replica: 2, slot: 2 },
        { replica: 3, slot: 2 },
      ]);
    });

    test('of very many slots at once is no more than many small batches', async () => {
      const storage = await create();
      const pruned = { pruned: [60_000, 45_000, 0], floor: [60_000, 45_000, 0] };
      await storage.writeEffects(effectsOf({ pruned }));
      expect(storage.pruned()).toEqual(pruned);
    });

    test('is never taken back', async () => {
      const storage = await create();
      const floor = [0, 0, 0];
      await storage.writeEffects(effectsOf({ pruned: { pruned: [2, 2, 2], floor } }));
      const back = storage.writeEffects(effectsOf({ pruned: { pruned: [2, 1, 2], floor } }));
      await expect(back).rejects.toThrow(AssertionError);
    });
  });

  describe('answers that are no longer needed', () => {
    const result = { version: 1, value: null, previousVersion: 0 };
    const client = 'c'.repeat(16);
    const other = 'd'.repeat(16);
    const answers = [client, other].flatMap((each) =>
      [1, 63, 64, 256].map((sequence) => ({ request: { client: each, sequence }, key: 'a', result })),
    );

    test('are removed page by page; the others of the same client stay', async () => {
      const storage = await create();
      await storage.writeEffects(effectsOf({ answers }));
      const ids = [
        { client, number: 0 },
        { client, number: 4 },
      ];
      await storage.writeEffects(effectsOf({ expired: [...ids, { client: other, number: 9 }] }));
      const left = await storedSessions(await reopen(storage));
      const found = answers.filter(({ request, key }) => left.find(request, key) !== undefined);
      expect(found.map(({ request }) => `${request.client[0]}${request.sequence}`)).toEqual([
        'c64',
        'd1',
        'd63',
        'd64',
        'd256',
      ]);
      expect(left.size).toBe(5);
    });
  });

  describe('stores of peers', () => {
    test('are remembered over a restart', async () => {
      const storage = await create();
      expect(storage.peerStore(2)).toBeUndefined();
      await storage.rememberPeerStore(2, 'two');
      await storage.rememberPeerStore(7, 'seven');
      const check = (each: Storage) =>
        expect([1, 2, 7].map((peer) => each.peerStore(peer))).toEqual([undefined, 'two', 'seven']);
      check(storage);
      check(await reopen(storage));
    });

    test('a store keeps its own id, and no two have the same', async () => {
      const [one, two] = [await create(), await create()];
      expect(one.id).not.toBe(two.id);
      expect((await reopen(one)).id).toBe(one.id);
    });
  });
}
