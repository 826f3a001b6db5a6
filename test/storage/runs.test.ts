/** A store that has gone back is told from one that holds all it ever held, by what others heard of it (R6.13). */
import { cp, mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryStorage, openLevelStorage, type Storage } from '../../src/storage/index.ts';
import type { StoreMark } from '../../src/wire/index.ts';
import { committedRecord } from './samples.ts';

let slot = 0;

async function write(storage: Storage, options: { readonly sync: boolean }): Promise<void> {
  slot += 1;
  await storage.writeRecords([committedRecord({ replica: 1, slot }, `value ${slot}`)], options);
}

const synced = { sync: true };
const unsynced = { sync: false };

function markOf(storage: Storage): StoreMark {
  const mark = storage.mark();
  if (mark === null) throw new Error('there is nothing to tell');
  return mark;
}

describe('a store in memory', () => {
  it('has nothing to tell before its first synced batch', async () => {
    const storage = new MemoryStorage({ replicas: 3 });
    expect(storage.mark()).toBeNull();
    await write(storage, unsynced);
    expect(storage.mark()).toBeNull();
    await write(storage, synced);
    expect(storage.holds(markOf(storage))).toBe(true);
  });

  it('tells what is synced only, and all of that is there after every crash', async () => {
    let storage = new MemoryStorage({ replicas: 3 });
    const told: StoreMark[] = [];
    for (let run = 0; run < 5; run += 1) {
      for (const sync of [true, false, true, false]) {
        await write(storage, { sync });
        told.push(markOf(storage));
      }
      storage = storage.crash({ keepUnsynced: run % 2 });
      for (const mark of told) expect(storage.holds(mark)).toBe(true);
      if (run % 2 === 0) expect(storage.mark()).toEqual(told.at(-1)); // nothing more is known to be there
    }
    expect(new Set(told.map(({ run }) => run)).size).toBe(5);
  });

  it('does not hold what another history of it had, however far that had come', async () => {
    const first = new MemoryStorage({ replicas: 3 });
    await write(first, synced);
    const copy = first.crash();
    const other = first.crash();
    for (let batch = 0; batch < 3; batch += 1) await write(other, synced);
    for (let batch = 0; batch < 9; batch += 1) await write(copy, synced);
    expect(copy.holds(markOf(other))).toBe(false);
    expect(other.holds(markOf(copy))).toBe(false);
  });

  it('remembers how far a peer has come, as far as it is on disk', async () => {
    const storage = new MemoryStorage({ replicas: 3 });
    await storage.rememberPeerStore(2, 'two');
    expect(storage.peerMark(2)).toBeNull();
    await storage.rememberPeerMark(2, 'two', { run: 'a', batch: 7 });
    expect(storage.peerMark(2)).toEqual({ run: 'a', batch: 7 });
    await write(storage, synced);
    const again = storage.crash();
    expect(again.peerMark(2)).toEqual({ run: 'a', batch: 7 });
    expect(again.peerStore(2)).toBe('two');
    expect(again.peerMark(3)).toBeNull();
  });
});

describe('a data directory', () => {
  const identity = { cluster: 'test', replica: 1, replicas: 3 };
  let parent: string;
  let directory: string;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'epaxos-runs-'));
    directory = join(parent, 'data');
  });
  afterEach(() => rm(parent, { recursive: true }));

  async function run(batches: number): Promise<StoreMark> {
    const storage = await openLevelStorage({ directory, identity });
    for (let batch = 0; batch < batches; batch += 1) await write(storage, synced);
    const mark = markOf(storage);
    await storage.close();
    return mark;
  }

  async function holds(mark: StoreMark): Promise<boolean> {
    const storage = await openLevelStorage({ directory, identity });
    const held = storage.holds(mark);
    await storage.close();
    return held;
  }

  it('holds what it had, over every restart', async () => {
    const marks = [await run(3), await run(0), await run(5)];
    for (const mark of marks) expect(await holds(mark)).toBe(true);
  });

  it('that is an older copy does not hold what was written later', async () => {
    const before = await run(3);
    await cp(directory, join(parent, 'copy'), { recursive: true });
    const later = await run(5);
    await rm(directory, { recursive: true });
    await cp(join(parent, 'copy'), directory, { recursive: true });
    expect(await holds(before)).toBe(true);
    expect(await holds(later)).toBe(false);
    await run(20); // however far it comes now
    expect(await holds(later)).toBe(false);
  });

  it('whose log lost its end does not hold it', async () => {
    await run(3);
    const later = await run(5);
    const store = join(directory, 'store');
    for (const name of await readdir(store))
      if (name.endsWith('.log')) await truncate(join(store, name), 200);
    expect(await holds(later)).toBe(false);
  });
});
