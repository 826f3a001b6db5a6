/** The store in memory: the contract, and what a crash leaves of it. */
import { describe, expect, test } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { EncodedStorage } from '../../src/storage/encoded-storage.ts';
import { MemoryStorage, type Storage } from '../../src/storage/index.ts';
import { INSTANCE_RANGE, parseInstanceKey } from '../../src/storage/keys.ts';
import { MemoryByteStore } from '../../src/storage/memory.ts';
import { assert } from '../../src/util/assert.ts';
import { testStorageContract } from './contract.ts';
import { fill } from './contract-pruning.ts';
import { countingStore } from './counting-store.ts';
import { collect, committedRecord, effectsOf, REPLICAS, rowOf } from './samples.ts';

testStorageContract('in memory', {
  create: async () => new MemoryStorage({ replicas: REPLICAS }),
  reopen: async (storage: Storage) => {
    assert(storage instanceof MemoryStorage, 'a store in memory');
    await storage.close();
    return storage.crash();
  },
  dispose: async () => {},
});

const sync = { sync: true };
const noSync = { sync: false };

function recordOf(slot: number) {
  return committedRecord({ replica: 1, slot });
}

async function slotsOf(storage: Storage): Promise<number[]> {
  return (await collect(storage.records())).map((record) => record.id.slot);
}

describe('a crash of the store in memory', () => {
  test('leaves what was synced, and loses what was not', async () => {
    const storage = new MemoryStorage({ replicas: REPLICAS });
    await storage.writeRecords([recordOf(1)], sync);
    await storage.writeRecords([recordOf(2)], noSync);
    expect(await slotsOf(storage)).toEqual([1, 2]);
    expect(storage.unsyncedBatches).toBe(1);
    expect(await slotsOf(storage.crash())).toEqual([1]);
  });

  test('loses no batch that was written before a synced one', async () => {
    const storage = new MemoryStorage({ replicas: REPLICAS });
    await storage.writeRecords([recordOf(1)], noSync);
    await storage.writeEffects(effectsOf({ rows: [{ key: 'a', row: rowOf('1') }] }));
    await storage.writeRecords([recordOf(2)], sync);
    expect(storage.unsyncedBatches).toBe(0);
    const left = storage.crash();
    expect(await slotsOf(left)).toEqual([1, 2]);
    expect(left.row('a')).toEqual(rowOf('1'));
  });

  test('loses nothing that was written before an empty batch that is synced', async () => {
    const storage = new MemoryStorage({ replicas: REPLICAS });
    await storage.writeRecords([recordOf(1)], noSync);
    await storage.writeRecords([], noSync);
    expect(storage.unsyncedBatches).toBe(1);
    await storage.writeRecords([], sync);
    expect(storage.unsyncedBatches).toBe(0);
    expect(await slotsOf(storage.crash())).toEqual([1]);
  });

  test.each([0, 1, 2, 3, 4])(
    'keeps the first %d of three unsynced batches, each of them whole',
    async (kept) => {
      const storage = new MemoryStorage({ replicas: REPLICAS });
      await storage.writeEffects(effectsOf({ rows: [{ key: 'gone', row: rowOf('0') }] }));
      await storage.writeRecords([recordOf(1)], sync);
      await storage.writeRecords([recordOf(2), recordOf(3)], noSync);
      await storage.writeEffects(
        effectsOf({ rows: [{ key: 'gone', row: null }], executed: [{ replica: 1, slot: 1 }] }),
      );
      await storage.writeRecords([recordOf(4), recordOf(5)], noSync);
      const left = storage.crash({ keepUnsynced: kept });
      const expected = [[1], [1, 2, 3], [1, 2, 3], [1, 2, 3, 4, 5]][Math.min(kept, 3)];
      expect(await slotsOf(left)).toEqual(expected);
      expect(left.row('gone') === undefined).toBe(kept >= 2);
      expect(left.unsyncedBatches).toBe(0);
    },
  );

  test('ends the store: nothing can be read from it or written to it, nor reach the next one', async () => {
    const storage = new MemoryStorage({ replicas: REPLICAS });
    await storage.writeRecords([recordOf(1)], sync);
    const underWay = storage.writeRecords([recordOf(2)], sync);
    const left = storage.crash({ keepUnsynced: 10 });
    await expect(underWay).rejects.toThrow(KvError);
    await expect(storage.writeRecords([recordOf(3)], sync)).rejects.toThrow(KvError);
    expect(() => storage.row('a')).toThrow(KvError);
    await storage.close();
    expect(await slotsOf(left)).toEqual([1]);
    await left.writeRecords([recordOf(4)], sync);
    expect(await slotsOf(left.crash())).toEqual([1, 4]);
  });
});

describe('a crash while much is pruned', () => {
  test('leaves every row pruned up to some slot, and whole above it', async () => {
    const slots = 1_500; // of three rows: several batches, and two of them hold the end of one row and the start of the next
    const upTo = { pruned: [slots - 1, slots - 1, slots - 1], floor: [7, 8, 9] };
    const filled = new MemoryByteStore(new Map());
    await fill(new EncodedStorage({ store: filled, id: 'a', run: 'f', replicas: REPLICAS }), slots);
    await filled.close();
    const contents = new Map(filled.crash(0));
    const prunedButFor = async (kept: number) => {
      const storage = new MemoryStorage({ replicas: REPLICAS, contents });
      await storage.writeEffects(effectsOf({ pruned: upTo }));
      const batches = storage.unsyncedBatches;
      return { batches, left: storage.crash({ keepUnsynced: kept }) };
    };
    const { batches } = await prunedButFor(0);
    expect(batches).toBeGreaterThan(3);
    for (let kept = 0; kept <= batches; kept += 1) {
      const { left } = await prunedButFor(kept);
      const { pruned, floor } = left.pruned() ?? { pruned: [0, 0, 0], floor: null };
      expect(floor).toEqual(kept === 0 ? null : upTo.floor);
      expect(await collect(left.records())).toHaveLength(pruned.reduce((sum, slot) => sum + slots - slot, 0));
      if (kept === batches) expect(pruned).toEqual(upTo.pruned);
      await left.writeEffects(effectsOf({ pruned: upTo })); // as the next process goes on with it
      expect((await collect(left.records())).map(({ id }) => id.slot)).toEqual([slots, slots, slots]);
    }
  });

  test('leaves nothing of what it says is pruned, which nobody would remove any more', async () => {
    const slots = 1_500;
    const filled = new MemoryByteStore(new Map());
    await fill(new EncodedStorage({ store: filled, id: 'a', run: 'f', replicas: REPLICAS }), slots);
    const contents = new Map(filled.crash(10));
    const upTo = [slots - 1, slots - 1, slots - 1];
    for (let kept = 0; kept <= 4; kept += 1) {
      const store = new MemoryByteStore(new Map(contents));
      const storage = new EncodedStorage({ store, id: 'a', run: 'f', replicas: REPLICAS });
      await storage.writeEffects(effectsOf({ pruned: { pruned: upTo, floor: upTo } }));
      const left = new MemoryByteStore(new Map(store.crash(kept)));
      const { pruned } =
        new EncodedStorage({ store: left, id: 'a', run: 'f', replicas: REPLICAS }).pruned() ?? {};
      const ids = (await collect(left.keys(INSTANCE_RANGE))).flatMap(
        (key) => parseInstanceKey(key)?.id ?? [],
      );
      expect(ids.length).toBeGreaterThan(0);
      expect(ids.filter(({ replica, slot }) => slot <= (pruned?.[replica - 1] ?? 0))).toEqual([]);
    }
  });

  test('no batch holds more than a few thousand changes', async () => {
    const { store, sizes } = countingStore();
    const storage = new EncodedStorage({ store, id: 'a', run: 'f', replicas: REPLICAS });
    await storage.writeEffects(effectsOf({ pruned: { pruned: [20_000, 0, 0], floor: [0, 0, 0] } }));
    expect(sizes.length).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4_000);
  });
});

describe('a write to the store in memory', () => {
  test('is not seen before it could be seen on a disk', async () => {
    const storage = new MemoryStorage({ replicas: REPLICAS });
    const writing = storage.writeEffects(effectsOf({ rows: [{ key: 'a', row: rowOf('1') }] }));
    expect(storage.row('a')).toBeUndefined();
    await writing;
    expect(storage.row('a')).toEqual(rowOf('1'));
  });
});
