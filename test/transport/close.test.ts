/** A transport that was closed is silent and lets its process end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { encodeMessage } from '../../src/wire/index.ts';
import {
  asReplica2,
  commitOf,
  eventually,
  freePorts,
  RawStream,
  startReplicas,
  TestReplica,
  to,
} from './support.ts';

it('is heard of no more, and may be closed and sent to again', async () => {
  const { replicas } = await startReplicas([1, 2]);
  const [one, two] = replicas as [TestReplica, TestReplica];
  await one.transport.close();
  const before = [one.reachability.length, one.events.length];
  await one.transport.close();
  one.transport.send(to(2, [commitOf(1)]));
  two.transport.send(to(1, [commitOf(1)]));
  await eventually(() => expect(two.status(1).reachable).toBe(false));
  expect([one.reachability.length, one.events.length]).toEqual(before);
  expect(one.received).toEqual([]);
  expect(one.status(2)).toMatchObject({ reachable: false, dropped: 1 });
});

it('ends the streams of its peers, ignores what they sent and lets nobody in', async () => {
  const { replicas, ports } = await startReplicas([1]);
  const [one] = replicas as [TestReplica];
  const stream = await new RawStream(ports[0] ?? 0, 'Commit', asReplica2()).read().accepted();
  stream.call.write(encodeMessage(commitOf(1)));
  await one.transport.close();
  await eventually(() => expect(stream.error?.code).toBe(status.UNAVAILABLE));
  expect(one.received).toEqual([]);
  const late = new RawStream(ports[0] ?? 0, 'Commit', asReplica2()).read();
  await eventually(() => expect(late.error?.code).toBe(status.UNAVAILABLE));
});

it('lets nobody in before the start, and is started once', async () => {
  const ports = await freePorts();
  const one = new TestReplica({ self: 1, ports });
  one.transport.send(to(2, [commitOf(1)]));
  expect(one.status(2)).toMatchObject({ reachable: false, dropped: 1 });
  await one.start();
  const serveSnapshot = () => {
    throw new Error('nobody asks for a snapshot');
  };
  const nothing = () => undefined;
  const events = { onMessages: nothing, onReachable: nothing, onDisowned: nothing, serveSnapshot };
  expect(() => one.transport.start(events)).toThrow(/started once/);
});

it('keeps no process alive', async () => {
  const program = fileURLToPath(new URL('./close-program.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 40_000);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  expect({ code, signal, output }).toEqual({ code: 0, signal: null, output: 'closed\n' });
});
