/** How the library names its writes by generations, and what it does when one comes too late (R7.12). */
import { expect, it } from 'vitest';
import { KvError } from '../../src/client/index.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { client, failureOf, replica } from './client-setup.ts';
import type { FakeReplica } from './fake-replica.ts';

const DONE = { version: 1, previous: null };
const tooOld = new KvError('requestTooOld', 'it comes too late', { outcome: 'unknown' });
const broken = new KvError('internal', 'it is broken', { outcome: 'unknown' });
const full = new KvError('overloaded', 'it is full', { outcome: 'notApplied' });

/** The ids of the writes that arrived, in their order. */
function idsAt({ writes }: FakeReplica): (number | undefined)[][] {
  return writes.map(({ requestId }) => [requestId?.sequence, requestId?.generation]);
}

it('a write is sent in the newest generation that any replica has told', async () => {
  const one = await replica();
  one.generation = 3;
  const kv = client([one.endpoint]);
  await kv.put('k', '1');
  await kv.get('k');
  one.generation = 5;
  await kv.delete('k'); // its answer tells of the fifth
  await kv.put('k', '2');
  one.generation = 4; // as after a restart
  await kv.put('k', '3');
  await kv.put('k', '4');
  expect(idsAt(one)).toEqual([
    [1, 3],
    [3, 3],
    [4, 5],
    [5, 5],
    [6, 5],
  ]);
});

it('the first write waits until a generation was told; a read does not', async () => {
  const told = createDeferred<void>();
  const one = await replica({ hello: () => told.promise });
  one.generation = 6;
  const kv = client([one.endpoint]);
  const reading = kv.get('k').then(() => told.resolve());
  await kv.put('k', '1'); // what the answer of the read tells would do as well
  await reading;
  const silent = createDeferred<void>();
  const two = await replica({ hello: () => silent.promise });
  const other = client([two.endpoint]);
  const put = other.put('k', '1');
  await expect.poll(() => two.streams).toBe(1);
  expect(two.writes).toEqual([]);
  silent.resolve();
  await put;
  expect(idsAt(two)).toEqual([[1, 1]]);
  expect(idsAt(one)).toEqual([[2, 6]]);
});

it('a retry keeps the whole id, also when a newer generation is known by then', async () => {
  const one = await replica({
    put: () => {
      one.generation = 9;
      throw broken;
    },
  });
  const two = await replica();
  const kv = client([one.endpoint, two.endpoint], { prefer: 'first' });
  await kv.put('k', '1');
  expect([idsAt(one), idsAt(two)]).toEqual([[[1, 1]], [[1, 1]]]);
  await kv.put('k', '2');
  expect(idsAt(two).at(-1)).toEqual([2, 9]);
});

it('one that came too late, and was sent once only, is sent anew', async () => {
  const one = await replica({
    put: ({ requestId }) => {
      one.generation = 4;
      if (requestId?.generation === 1) throw tooOld;
      return DONE;
    },
  });
  const kv = client([one.endpoint]);
  await expect(kv.put('k', '1')).resolves.toMatchObject({ version: 1 });
  expect(idsAt(one)).toEqual([
    [1, 1],
    [2, 4],
  ]);
});

it('so is one whose other attempts are certain to have had no effect', async () => {
  const one = await replica({
    put: () => {
      throw full;
    },
  });
  const two = await replica({
    put: ({ requestId }) => {
      two.generation = 4;
      if (requestId?.generation === 1) throw tooOld;
      return DONE;
    },
  });
  const kv = client([one.endpoint, two.endpoint], { prefer: 'first' });
  await expect(kv.put('k', '1')).resolves.toMatchObject({ version: 1 });
  expect(idsAt(two)).toEqual([
    [1, 1],
    [2, 4],
  ]);
});

it('but what another attempt may have done is unknown', async () => {
  const one = await replica({
    put: () => {
      throw broken;
    },
  });
  const two = await replica({
    put: () => {
      two.generation = 4;
      throw tooOld;
    },
  });
  const kv = client([one.endpoint, two.endpoint], { prefer: 'first' });
  const error = await failureOf(kv.put('k', '1'));
  expect(error).toMatchObject({ code: 'requestTooOld', outcome: 'unknown', retryable: false });
  expect(idsAt(two)).toEqual([[1, 1]]);
});

it('a replica that says so without a newer generation is not asked again and again', async () => {
  const one = await replica({
    put: () => {
      throw tooOld;
    },
  });
  expect(await failureOf(client([one.endpoint]).put('k', '1'))).toMatchObject({ code: 'requestTooOld' });
  expect(one.writes).toHaveLength(1);
});
