/** Streams of requests to whole servers. */
import { status } from '@grpc/grpc-js';
import { afterEach, expect, it } from 'vitest';
import type { PipelineResponse } from '../../src/wire/index.ts';
import { get, multiGet, PipelineClient, put, remove } from '../api/native/pipeline-client.ts';
import { Cluster, WAIT } from './servers.ts';

const clients: PipelineClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

async function start() {
  const cluster = await Cluster.start();
  const open = (id: number) => {
    const client = new PipelineClient(cluster.config(id).listen);
    clients.push(client);
    return client;
  };
  await expect
    .poll(
      () =>
        cluster.put(1, 'first', '1').then(
          () => true,
          () => false,
        ),
      WAIT,
    )
    .toBe(true);
  return { cluster, open };
}

function textOf(response: PipelineResponse): string | null {
  if ('error' in response) throw response.error;
  return response.result.value && Buffer.from(response.result.value).toString('utf8');
}

const TIMEOUT_MS = 60_000;

it('thousands of requests are carried out, and seen through every replica', {
  timeout: TIMEOUT_MS,
}, async () => {
  const { cluster, open } = await start();
  const writer = open(1);
  const count = 5_000;
  const ids = Array.from({ length: count }, (_, index) => index + 1);
  for (let from = 0; from < count; from += 500) {
    writer.send(...ids.slice(from, from + 500).map((id) => put(id, `k${id % 100}`, `${id}`)));
  }
  await expect.poll(() => writer.answered, WAIT).toBe(count);
  expect(writer.frames.flat().filter((response) => 'error' in response)).toEqual([]);
  // The same requests once more: answered from the records, nothing is applied twice.
  const again = open(2);
  again.send(put(count, 'k0', `${count}`));
  expect(await again.answer(count)).toEqual(await writer.answer(count));

  const reader = open(3);
  reader.send(get(1, 'k0'), get(2, 'k1'), get(3, 'nothing'));
  expect(textOf(await reader.answer(1))).toMatch(/00$/);
  expect(await reader.answer(1)).toMatchObject({ result: { version: count / 100 } });
  expect(textOf(await reader.answer(2))).toMatch(/01$/);
  expect(textOf(await reader.answer(3))).toBeNull();
  const version = count / 100;
  reader.send(multiGet(4, 'k1', 'nothing', 'k0'));
  const several = await reader.answer(4);
  expect(several).toMatchObject({ result: { rows: [{ version }, null, { version }] } });
  const entries = [{ found: { version } }, { found: null }, { found: { version } }];
  const keys = ['k1', 'nothing', 'k0'].map((key) => Buffer.from(key));
  expect(await cluster.client(2).multiGet({ keys })).toMatchObject({ entries });
  reader.send(remove(10_001, 'k1'));
  expect(await reader.answer(10_001)).toMatchObject({ result: { previousVersion: count / 100 } });

  // A stale read asks nobody: it works without a majority, too.
  const stale = (id: number) => ({ ...get(id, 'k0'), stale: true });
  await cluster.stop(1);
  await cluster.stop(2);
  reader.send(stale(20_001));
  expect(await reader.answer(20_001)).toMatchObject({ result: { version: count / 100 } });
  reader.send({ ...multiGet(20_002, 'k0', 'k1'), stale: true });
  expect(await reader.answer(20_002)).toMatchObject({ result: { rows: [{ version: count / 100 }, null] } });
  expect((await cluster.client(3).get({ key: Buffer.from('k0'), stale: true })).found?.version).toBe(
    count / 100,
  );
});

it('ends with its server, which answers everything first and does not wait for it', {
  timeout: TIMEOUT_MS,
}, async () => {
  const { cluster, open } = await start();
  const client = open(2);
  client.send(...Array.from({ length: 1_000 }, (_, index) => put(index + 1, `k${index}`, '1')));
  await client.answer(1);
  const stopped = cluster.stop(2);
  client.send(put(2_001, 'late', '1'));
  expect(await client.ended).toMatchObject({
    status: status.UNAVAILABLE,
    code: 'shuttingDown',
    outcome: 'notApplied',
  });
  await stopped;
  expect(client.frames.flat().filter(({ id }) => id <= 1_000)).toHaveLength(1_000);
  const late = client.frames.flat().find(({ id }) => id === 2_001);
  if (late !== undefined)
    expect(late).toMatchObject({ error: { code: 'shuttingDown', outcome: 'notApplied' } });
  expect(await cluster.value(1, 'late')).toBeNull();
});
