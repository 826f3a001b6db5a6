/** A replica and clients that do not read, or whose calls are under way when it has stood still. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../src/node/index.ts';
import { STANDSTILL_MS } from '../../src/node/pulse.ts';
import { kvService } from '../../src/wire/index.ts';
import { PipelineClient, put } from '../api/native/pipeline-client.ts';
import { bytesOf } from '../kv/operations.ts';
import { Cluster, WAIT } from './servers.ts';

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

it('closes the connection of a client that never opens its window, and no other', async () => {
  const cluster = await Cluster.create();
  const { address } = await cluster.start(1, { waiting: { stalledMs: 100, graceMs: 100 } });
  const reading = new PipelineClient(address);
  opened.push(reading);
  const session = connect(`http://${address}`, { settings: { initialWindowSize: 0 } });
  opened.push({ close: () => session.destroy() });
  session.on('error', () => undefined);
  const closed = once(session, 'close');
  const { path, requestSerialize } = kvService.Get;
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  const message = requestSerialize({ key: bytesOf('a'), stale: true });
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([header, message]));
  await closed;
  reading.send();
  await expect.poll(() => reading.frames, WAIT).toEqual([[]]);
});

it('after a standstill every call that was under way ends with a status, before its connection is closed', async () => {
  let offsetMs = 0;
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + offsetMs };
  const cluster = await Cluster.create();
  const { address } = await cluster.start(1, { clock });
  const stream = new PipelineClient(address);
  opened.push(stream);
  const call = cluster.put(1, 'a', '1').catch((error: unknown) => error);
  stream.send(put(1, 'b', '1'));
  await expect.poll(async () => (await cluster.status(1)).openInstances, WAIT).toBeGreaterThan(0);
  offsetMs = STANDSTILL_MS + 1_000;
  const ending = { status: status.UNAVAILABLE, code: 'connectionLost', outcome: 'unknown' };
  expect(await call).toMatchObject(ending);
  expect(await stream.ended).toMatchObject(ending);
  await expect.poll(() => cluster.status(1), WAIT).toMatchObject({ replica: 1 });
});
