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

  describe('generations (R7.12)', () => {
    const result = { version: 1, value: null, previousVersion: 0 };
    const client = 'c'.repeat(16);
    const answers = [1, 2, 3, 4].flatMap((generation) =>
      [1, 64, 128].map((sequence) => ({ request: { client, sequence, generation }, key: 'a', result })),
    );
    const kept = async (storage: Storage) =>
      Array.from((await storedSessions(storage)).pages(), (page) => `${page.generation}/${page.number}`);

    test('the first one is there without having been written; a later one is kept', async () => {
      const storage = await create();
      expect(storage.generation()).toBe(1);
      await storage.writeEffects(effectsOf({ generation: 2 ** 40 }));
      expect(storage.generation()).toBe(2 ** 40);
      await storage.writeEffects(effectsOf({ rows: [] }));
      expect((await reopen(storage)).generation()).toBe(2 ** 40);
    });

    test('answers of older ones than the last are gone at once', async () => {
      const storage = await create();
      await storage.writeEffects(effectsOf({ answers, generation: 4 }));
      expect(await kept(storage)).toEqual(['3/0', '3/1', '3/2', '4/0', '4/1', '4/2']);
      const before = await kept(storage);
      expect(await kept(await reopen(storage))).toEqual(before);
    });

    test('and are removed a few at a time, also after a restart on the way', async () => {
      let storage = await create();
      await storage.writeEffects(effectsOf({ answers }));
      expect(await storage.removeOldAnswers(100)).toBe(false); // all of them may still be needed
      await storage.writeEffects(effectsOf({ generation: 4 }));
      expect(await storage.removeOldAnswers(2)).toBe(true);
      storage = await reopen(storage);
      const more = [];
      for (let batch = 0; batch < 4; batch += 1) more.push(await storage.removeOldAnswers(2));
      expect(more).toEqual([true, true, false, false]);
      // Nothing of them is left: an older generation, were it the present one, would find none.
      await storage.writeEffects(effectsOf({ generation: 2 }));
      expect(await kept(storage)).toEqual([]);
      await storage.writeEffects(effectsOf({ generation: 4 }));
      expect((await kept(storage)).length).toBe(6);
    });

    test('those that become old later are removed then', async () => {
      const storage = await create();
      await storage.writeEffects(effectsOf({ answers, generation: 3 }));
      expect(await storage.removeOldAnswers(3)).toBe(true);
      expect(await storage.removeOldAnswers(3)).toBe(false);
      await storage.writeEffects(effectsOf({ generation: 5 }));
      const more = [];
      for (let batch = 0; batch < 3; batch += 1) more.push(await storage.removeOldAnswers(3));
      expect(more).toEqual([true, true, false]);
      await storage.writeEffects(effectsOf({ generation: 3 }));
      expect(await kept(storage)).toEqual([]);
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
