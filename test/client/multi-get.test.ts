/** Multi-gets of the client library against replicas that answer as told, over real gRPC. */
import { describe, expect, it } from 'vitest';
import { KvError } from '../../src/client/index.ts';
import { client, failureOf, replica } from './client-setup.ts';
import { silence } from './fake-replica.ts';

describe('multiGet', () => {
  it('gets several keys at once: an entry for each in their order, null where there is none', async () => {
    const here = new Map([
      ['a', { value: Buffer.from('1'), version: 7 }],
      ['käse', { value: Buffer.alloc(0), version: 2 }],
    ]);
    const one = await replica({
      multiGet: ({ keys }) => ({
        entries: keys.map((key) => ({ found: here.get(Buffer.from(key).toString()) ?? null })),
      }),
    });
    const kv = client([one.endpoint]);
    const [cheese, none, a, again] = await kv.multiGet(['käse', 'none', Buffer.from('a'), 'a']);
    expect(cheese).toMatchObject({ key: Buffer.from('käse'), value: Buffer.alloc(0), version: 2 });
    expect(none).toBeNull();
    expect([a?.text(), a?.version, again?.text()]).toEqual(['1', 7, '1']);
    const keys = ['käse', 'none', 'a', 'a'].map((key) => Buffer.from(key));
    expect(one.multiGets).toEqual([{ keys, stale: false }]);
    expect(await kv.multiGet(['a'], { level: 'stale' })).toHaveLength(1);
    expect(one.multiGets[1]).toEqual({ keys: [Buffer.from('a')], stale: true });
    expect([one.reads, one.writes]).toEqual([[], []]);
  });

  it('does not believe an answer to a multi-get that has not an entry for each key', async () => {
    for (const entries of [[], [{ found: null }], Array.from({ length: 3 }, () => ({ found: null }))]) {
      const one = await replica({ multiGet: () => ({ entries }) });
      const error = await failureOf(client([one.endpoint]).multiGet(['a', 'b']));
      expect(error).toMatchObject({ code: 'internal', outcome: 'notApplied' });
      expect(error.message).toContain(`${entries.length} keys instead of 2`);
    }
  });

  it('tells that the answer to a multi-get would be too large, and asks nobody else', async () => {
    const reason = 'ask for fewer keys';
    const one = await replica({
      multiGet: () => {
        throw new KvError('limitExceeded', reason, { outcome: 'notApplied' });
      },
    });
    const other = await replica();
    const error = await failureOf(client([one.endpoint, other.endpoint]).multiGet(['a', 'b']));
    expect(error).toMatchObject({ code: 'limitExceeded', outcome: 'notApplied', message: reason });
    expect(other.multiGets).toEqual([]);
  });

  it.each<[string, readonly string[], string]>([
    ['no key', [], 'invalidArgument'],
    ['an empty key', ['a', ''], 'invalidArgument'],
    ['a long key', ['a', 'k'.repeat(4097)], 'limitExceeded'],
    ['too many keys', new Array<string>(1025).fill('k'), 'limitExceeded'],
    ['too many bytes of keys', new Array<string>(1024).fill('k'.repeat(4096)), 'limitExceeded'],
  ])('of %s is refused before anything is sent', async (_what, keys, code) => {
    const one = await replica();
    const kv = client([one.endpoint]);
    expect(await failureOf(kv.multiGet(keys))).toMatchObject({ code, outcome: 'notApplied' });
    expect(one.streams).toBe(0);
    expect(await kv.multiGet(['a', 'b'])).toEqual([null, null]);
  });

  it('asks for the keys as they were when it was called', async () => {
    const one = await replica();
    const changing = Buffer.from('a');
    const keys = [changing, 'b'];
    const asked = client([one.endpoint]).multiGet(keys);
    changing.fill(0);
    keys.length = 0;
    await asked;
    expect(one.multiGets).toEqual([{ keys: [Buffer.from('a'), Buffer.from('b')], stale: false }]);
  });

  it('goes on to the next replica, and fails as a read does: it has changed nothing', async () => {
    const first = await replica({
      multiGet: () => {
        throw new KvError('shuttingDown', 'stopping', { outcome: 'notApplied' });
      },
    });
    const second = await replica();
    expect(await client([first.endpoint, second.endpoint]).multiGet(['a'])).toEqual([null]);
    expect([first.multiGets.length, second.multiGets.length]).toEqual([1, 1]);
    const silent = await replica({ multiGet: silence });
    const error = await failureOf(client([silent.endpoint]).multiGet(['a'], { timeoutMs: 500 }));
    expect(error).toMatchObject({ code: 'deadlineExceeded', outcome: 'notApplied' });
  });
});
