/** Three servers that forget soon: one that was away longer than the others remember takes a snapshot (R9.1, R9.2). */

import { describe, expect, it } from 'vitest';
import type { ServerParts } from '../../src/server/index.ts';
import { openLevelStorage, type Storage } from '../../src/storage/index.ts';
import { RPC_LIMITS } from '../../src/wire/limits.ts';
import { bytesOf } from '../kv/operations.ts';
import { collect } from '../storage/samples.ts';
import { storedRows } from '../support/stored-rows.ts';
import { Cluster, WAIT } from './servers.ts';

const KEYS = 2_000;
const FORGETFUL: ServerParts = {
  replica: { limits: { retainedInstances: 50 }, timing: { silentTicks: 20, flushTicks: 2 } },
  snapshots: { chunkBytes: 200 }, // so that the snapshot takes many chunks
};

/** Writes through replicas 1 and 2 until they have forgotten what replica 3 has not seen. */
async function writeMuch(cluster: Cluster, value: string, keys = KEYS): Promise<void> {
  const numbers = Array.from({ length: keys }, (_, number) => number);
  for (let from = 0; from < keys; from += 100) {
    const batch = numbers.slice(from, from + 100);
    await Promise.all(
      batch.map((number) => cluster.put(1 + (number % 2), `key ${number}`, `${value} ${number}`)),
    );
  }
}

async function committedOf(cluster: Cluster, id: number): Promise<number[]> {
  return (await cluster.status(id)).rows.map(({ committed }) => committed);
}

/** Everybody has executed the same, and nothing is left to do. */
async function converged(cluster: Cluster): Promise<void> {
  await expect
    .poll(async () => {
      const states = await Promise.all([1, 2, 3].map((id) => cluster.status(id)));
      const executed = states.map(({ rows }) => rows.map((row) => row.executed).join());
      const idle = states.every(
        ({ rows, snapshot }) => !snapshot && rows.every((row) => row.executed === row.highest),
      );
      return idle && new Set(executed).size === 1;
    }, WAIT)
    .toBe(true);
}

/** Opens the data of a stopped replica. */
async function inspect<T>(cluster: Cluster, id: number, look: (storage: Storage) => Promise<T>): Promise<T> {
  const { dataDir, cluster: name } = cluster.config(id);
  const storage = await openLevelStorage({
    directory: dataDir,
    identity: { cluster: name, replica: id, replicas: 3 },
  });
  try {
    return await look(storage);
  } finally {
    await storage.close();
  }
}

async function tableOf(cluster: Cluster, id: number): Promise<string[]> {
  return await inspect(cluster, id, async (storage) => {
    const rows = await collect(storedRows(storage));
    return rows.map(
      ([key, { value, version }]) => `${key}=${Buffer.from(value).toString('utf8')} (${version})`,
    );
  });
}

/** All three hold the very same table; they are stopped then. */
async function expectEqualTables(cluster: Cluster): Promise<void> {
  await converged(cluster);
  for (const id of [1, 2, 3]) await cluster.stop(id);
  const [first, second, third] = [
    await tableOf(cluster, 1),
    await tableOf(cluster, 2),
    await tableOf(cluster, 3),
  ];
  expect(first).toHaveLength(KEYS + 2);
  expect(second).toEqual(first);
  expect(third).toEqual(first);
}

/** Replica 3 stops; the others go on until the store of replica 1 has nothing of what it lacks. */
async function leaveBehind(cluster: Cluster): Promise<number[]> {
  await cluster.put(3, 'from three', 'before');
  await converged(cluster);
  const known = await committedOf(cluster, 3);
  await cluster.stop(3);
  await forget(cluster, known);
  return known;
}

/** Replicas 1 and 2 go on until they have forgotten what replica 3 does not know. */
async function forget(cluster: Cluster, known: readonly number[]): Promise<void> {
  await writeMuch(cluster, 'meanwhile');
  await expect
    .poll(async () => {
      await cluster.put(1, 'from one', 'waiting'); // time passes, and there is something to prune
      const { rows } = await cluster.status(1);
      return rows.reduce((sum, { committed }) => sum + committed, 0);
    }, WAIT)
    .toBeGreaterThan(known.reduce((sum, slot) => sum + slot, 0) + 50);
}

describe('a replica that was away for longer than the others remember', () => {
  it('takes a snapshot, ends with the same table, and serves', { timeout: 120_000 }, async () => {
    const cluster = await Cluster.start(FORGETFUL);
    const known = await leaveBehind(cluster);
    await cluster.start(3);
    await expect.poll(async () => await cluster.value(3, 'key 7'), WAIT).toBe('meanwhile 7');
    await cluster.put(3, 'from three', 'after');
    expect(await cluster.value(1, 'from three')).toBe('after');
    await expectEqualTables(cluster);
    // It was a snapshot, and not the instances one by one: those are forgotten everywhere.
    for (const id of [1, 2, 3]) {
      const { pruned, left } = await inspect(cluster, id, async (storage) => ({
        pruned: storage.pruned()?.pruned ?? [],
        left: (await collect(storage.records())).length,
      }));
      expect(pruned.some((slot, row) => slot > (known[row] ?? 0))).toBe(true);
      expect(left).toBeLessThan(1_000);
    }
  });

  it('starts again after it, also if it had commands that nobody else ever got', {
    timeout: 120_000,
  }, async () => {
    const cluster = await Cluster.start(FORGETFUL);
    await cluster.put(3, 'from three', 'before');
    await converged(cluster);
    const known = await committedOf(cluster, 3);
    for (const id of [1, 2]) await cluster.stop(id);
    const alone = ['lost 1', 'lost 2', 'lost 3'].map(async (key) => {
      const request = { key: bytesOf(key), value: bytesOf('lost'), returnPrevious: false, requestId: null };
      await cluster.client(3).put(request, { deadline: Date.now() + 500 });
    });
    const outcomes = await Promise.allSettled(alone);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    await cluster.stop(3);
    const commands = await inspect(cluster, 3, async (storage) =>
      (await collect(storage.records())).filter(({ id, command }) => id.replica === 3 && command !== null),
    );
    expect(commands.length).toBeGreaterThan(0); // on its own disk
    for (const id of [1, 2]) await cluster.start(id);
    await forget(cluster, known);
    // It tells late what it has executed, so that its instances are among those that the others keep.
    const late = { ...FORGETFUL, replica: { ...FORGETFUL.replica, timing: { silentTicks: 20 } } };
    for (let start = 0; start < 2; start += 1) {
      await cluster.start(3, late);
      await expect.poll(async () => await cluster.value(3, 'key 7'), WAIT).toBe('meanwhile 7');
      await converged(cluster);
      await cluster.stop(3);
    }
    await cluster.start(3);
    await expectEqualTables(cluster);
  });

  it('takes a page of answers that is larger than a message may be', { timeout: 120_000 }, async () => {
    const limits = { retainedInstances: 20 };
    const cluster = await Cluster.start({ replica: { limits, timing: { silentTicks: 20, flushTicks: 50 } } });
    await cluster.put(3, 'from three', 'before');
    await converged(cluster);
    const known = await committedOf(cluster, 3);
    await cluster.stop(3);
    // The answers of one client's consecutive requests share a page, with the values that they replaced.
    const value = Buffer.alloc(1024 * 1024 - 100, 'x');
    for (let sequence = 1; sequence <= 18; sequence += 1) {
      const requestId = { client: Buffer.alloc(16, 7), sequence, generation: 1 };
      await cluster.client(1).put({ key: bytesOf('large'), value, returnPrevious: true, requestId });
    }
    await writeMuch(cluster, 'meanwhile', 100);
    await expect
      .poll(async () => {
        await cluster.put(1, 'from one', 'waiting'); // time passes, and there is something to prune
        const { rows } = await cluster.status(1);
        return rows.some(({ pruned }, row) => pruned > (known[row] ?? 0));
      }, WAIT)
      .toBe(true);
    await cluster.start(3);
    await expect.poll(async () => await cluster.value(3, 'from one'), WAIT).toBe('waiting');
    await converged(cluster);
    await cluster.stop(3);
    const bytes = await inspect(cluster, 3, async (storage) =>
      (await collect(storage.answerPages())).map(({ valueBytes }) => valueBytes),
    );
    expect(Math.max(...bytes)).toBeGreaterThan(RPC_LIMITS.messageBytes);
  });

  it('goes on where it was when it dies while it copies', { timeout: 120_000 }, async () => {
    const cluster = await Cluster.start(FORGETFUL);
    await leaveBehind(cluster);
    const seen: number[] = [];
    const ids = new Set<string | undefined>();
    for (let round = 0; round < 3; round += 1) {
      await cluster.start(3);
      await expect
        .poll(async () => (await cluster.status(3)).snapshot?.entries ?? 0, { timeout: 60_000, interval: 1 })
        .toBeGreaterThan(seen.at(-1) ?? 0);
      await cluster.stop(3);
      const staged = await inspect(cluster, 3, async ({ staging }) => staging.status());
      seen.push(staged?.entries ?? 0);
      ids.add(staged?.id);
    }
    expect(ids.size).toBe(1); // the same snapshot throughout, never from the beginning
    expect(seen.toSorted((left, right) => left - right)).toEqual(seen);
    await cluster.start(3);
    await expect.poll(async () => await cluster.value(3, 'key 7'), WAIT).toBe('meanwhile 7');
    await expectEqualTables(cluster);
  });
});
