/** Three servers with a short memory: which answers are kept, and that they go on every replica (R7.6). */
import { expect, it } from 'vitest';
import { DEFAULT_ANSWER_EXPIRY } from '../../src/node/answer-expiry.ts';
import { MemoryStorage } from '../../src/storage/index.ts';
import { bytesOf } from '../kv/operations.ts';
import { collect } from '../storage/samples.ts';
import { Cluster, WAIT } from './servers.ts';

it('answers of requests with an id are kept until no copy can come, of the others never', async () => {
  const answerExpiry = { ...DEFAULT_ANSWER_EXPIRY, retentionMs: 200, bucketMs: 50 };
  const cluster = await Cluster.create({ answerExpiry });
  const stores = [1, 2, 3].map(() => new MemoryStorage({ replicas: 3 }));
  const expired = stores.map((storage) => {
    const ids: string[] = [];
    const write = storage.writeEffects.bind(storage);
    storage.writeEffects = async (effects) => {
      await write(effects);
      ids.push(...effects.expired.map(({ client, number }) => `${client}/${number}`));
    };
    return ids;
  });
  for (const [index, storage] of stores.entries()) await cluster.start(index + 1, { storage });

  const write = (requestId: { client: Uint8Array; sequence: number } | null) => ({
    key: bytesOf('a'),
    value: bytesOf('1'),
    returnPrevious: false,
    requestId,
  });
  const named = write({ client: Buffer.alloc(16, 7), sequence: 1 });
  expect((await cluster.client(1).put(named)).version).toBe(1);
  expect((await cluster.client(3).put(write(null))).version).toBe(2);
  await expect.poll(() => expired.map((ids) => ids.length), WAIT).toEqual([1, 1, 1]);
  expect(new Set(expired.flat()).size).toBe(1);
  for (const storage of stores) expect(await collect(storage.answerPages())).toEqual([]);
  expect((await cluster.client(2).put(named)).version).toBe(3); // as new
});
