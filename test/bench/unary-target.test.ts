/** The plain client of the comparison: what it puts together by hand is what the schema says. */
import { afterEach, expect, it } from 'vitest';
import { EPAXOS_PATHS, UnaryTarget } from '../../bench/unary-target.ts';
import { KvError } from '../../src/errors.ts';
import type { GetRequest } from '../../src/rpc/index.ts';
import { type Behaviour, FakeReplica } from '../client/fake-replica.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function setUp(behaviour: Partial<Behaviour> = {}) {
  const replica = await FakeReplica.start(behaviour);
  const target = new UnaryTarget({ address: replica.endpoint, paths: EPAXOS_PATHS });
  closing.push(
    () => target.close(),
    () => replica.crash(),
  );
  return { replica, target };
}

it.each([
  [1, 0],
  [16, 100],
  [127, 127],
  [128, 128],
  [4096, 1_048_576],
])('a put of %d and %d bytes', async (keyBytes, valueBytes) => {
  const { replica, target } = await setUp();
  const [key, value] = [Buffer.alloc(keyBytes, 'k'), Buffer.alloc(valueBytes, 'v')];
  await target.put(key, value);
  const [put] = replica.writes;
  expect(put).toMatchObject({ returnPrevious: false, requestId: null });
  expect(put !== undefined && 'value' in put && put.key.length === keyBytes).toBe(true);
  expect(put !== undefined && 'value' in put && Buffer.compare(put.value, value)).toBe(0);
  expect(put !== undefined && Buffer.compare(put.key, key)).toBe(0);
});

it.each([1, 127, 128, 4096])('a get of %d bytes', async (keyBytes) => {
  const keys: Uint8Array[] = [];
  const { target } = await setUp({
    get: ({ key }: GetRequest) => {
      keys.push(key);
      return { found: null };
    },
  });
  await target.get(Buffer.alloc(keyBytes, 'k'));
  expect(keys).toEqual([Buffer.alloc(keyBytes, 'k')]);
});

it('fails with the error of the store', async () => {
  const { target } = await setUp({
    put: () => {
      throw new KvError('overloaded', 'full', { outcome: 'notApplied' });
    },
  });
  await expect(target.put(Buffer.from('k'), Buffer.from('v'))).rejects.toMatchObject({ code: 'overloaded' });
});
