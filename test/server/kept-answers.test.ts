/** Three servers whose generations are short: which answers are kept, and that they go on every replica (R7.12). */
import { expect, it } from 'vitest';
import { MemoryStorage } from '../../src/storage/index.ts';
import { bytesOf } from '../kv/operations.ts';
import { storedSessions } from '../storage/samples.ts';
import { Cluster, WAIT } from './servers.ts';

it('a request is answered from its record in this generation and the next, and refused after that', async () => {
  const advance = { lastsMs: 300, perRankMs: 100, patienceMs: 1_000, againMs: 1_000 };
  const cluster = await Cluster.create({ advance });
  const stores = [1, 2, 3].map(() => new MemoryStorage({ replicas: 3 }));
  for (const [index, storage] of stores.entries()) await cluster.start(index + 1, { storage });

  const client = Buffer.alloc(16, 7);
  const write = (requestId: { client: Uint8Array; sequence: number; generation: number } | null) => ({
    key: bytesOf('a'),
    value: bytesOf('1'),
    returnPrevious: false,
    requestId,
  });
  const found = await cluster.client(1).get({ key: bytesOf('a') });
  expect(found.generation).toBeGreaterThanOrEqual(1);
  const named = write({ client, sequence: 1, generation: found.generation });
  expect((await cluster.client(1).put(named)).version).toBe(1);
  expect((await cluster.client(3).put(write(null))).version).toBe(2);
  // Something must be recorded in a generation for it to end.
  await expect
    .poll(async () => {
      const { generation } = await cluster.client(2).get({ key: bytesOf('a') });
      await cluster
        .client(2)
        .put({ ...write({ client, sequence: generation + 1, generation }), key: bytesOf('b') });
      return generation;
    }, WAIT)
    .toBeGreaterThanOrEqual(found.generation + 2);
  await expect(cluster.client(3).put(named)).rejects.toMatchObject({
    code: 'requestTooOld',
    outcome: 'unknown',
  });
  expect((await cluster.client(2).put(write(null))).version).toBe(3);
  for (const storage of stores) {
    await expect.poll(() => storage.generation(), WAIT).toBeGreaterThanOrEqual(found.generation + 2);
    const sessions = await storedSessions(storage);
    expect(
      sessions.find({ client: client.toString('latin1'), sequence: 1, generation: found.generation }, 'a'),
    ).toBeUndefined();
  }
});
