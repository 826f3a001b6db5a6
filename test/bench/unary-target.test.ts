/** The plain client of the comparison: what it puts together by hand is what the schema says. */
import { afterEach, expect, it } from 'vitest';
import { EPAXOS_PATHS, UnaryTarget } from '../../bench/unary-target.ts';
import { KvError } from '../../src/errors.ts';
import { keyToString } from '../../src/wire/index.ts';
import { setUp as setUpServices } from '../api/services-setup.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function setUp() {
  const { node, address } = await setUpServices();
  const target = new UnaryTarget({ address, paths: EPAXOS_PATHS });
  closing.push(() => target.close());
  return { node, target };
}

it.each([
  [1, 0],
  [16, 100],
  [127, 127],
  [128, 128],
  [4096, 1_048_576],
])('a put of %d and %d bytes', async (keyBytes, valueBytes) => {
  const { node, target } = await setUp();
  const [key, value] = [Buffer.alloc(keyBytes, 'k'), Buffer.alloc(valueBytes, 'v')];
  await target.put(key, value);
  const operation = node.submissions[0]?.operation;
  expect(operation?.kind).toBe('put');
  if (operation?.kind !== 'put') return;
  expect(operation.key).toBe(keyToString(key));
  expect(Buffer.compare(operation.value, value)).toBe(0);
  expect([operation.returnPrevious, operation.unrecorded]).toEqual([false, true]);
});

it.each([1, 127, 128, 4096])('a get of %d bytes', async (keyBytes) => {
  const { node, target } = await setUp();
  await target.get(Buffer.alloc(keyBytes, 'k'));
  expect(node.submissions.map(({ operation: { kind, key } }) => [kind, key])).toEqual([
    ['get', 'k'.repeat(keyBytes)],
  ]);
});

it('fails with the error of the store', async () => {
  const { node, target } = await setUp();
  node.thrown = new KvError('overloaded', 'full', { outcome: 'notApplied' });
  await expect(target.put(Buffer.from('k'), Buffer.from('v'))).rejects.toMatchObject({ code: 'overloaded' });
});
