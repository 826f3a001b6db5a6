/** Peers that die, return, fall silent or call twice. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { decodeFrame, encodeMessage, ROUTES } from '../../src/wire/index.ts';
import {
  afterwards,
  asReplica2,
  commitOf,
  eventually,
  freePort,
  freePorts,
  IMPATIENT,
  PATIENT,
  RawStream,
  startRawPeer,
  startReplicas,
  TestReplica,
  to,
} from './support.ts';

const reply = { type: 'acceptReply', id: { replica: 1, slot: 1 }, ballot: 0, promised: 0 } as const;

it('a killed peer is noticed at once, without waiting for silence, and found again when it returns', async () => {
  const { replicas, ports } = await startReplicas([1, 2]);
  const [one, two] = replicas as [TestReplica, TestReplica];
  two.kill();
  await eventually(() => expect(one.status(2).reachable).toBe(false));
  expect(one.eventsOf('disconnected')).toMatchObject([{ peer: 2, error: { code: 'connectionLost' } }]);
  await two.stop();
  const again = await new TestReplica({ self: 2, ports }).start();
  await Promise.all([one.sees(2), again.sees(1)]);
  expect(one.reachability).toEqual([
    [2, true],
    [2, false],
    [2, true],
  ]);
  one.transport.send(to(2, [commitOf(7), reply]));
  again.transport.send(to(1, [commitOf(8), reply]));
  await eventually(() => expect(again.received).toHaveLength(2));
  await eventually(() => expect(one.received).toHaveLength(2));
});

it('a peer that stops in good order is noticed as well', async () => {
  const { replicas } = await startReplicas([1, 2]);
  const [one, two] = replicas as [TestReplica, TestReplica];
  await two.transport.close();
  await eventually(() => expect(one.status(2).reachable).toBe(false));
  expect(one.eventsOf('disconnected')).toMatchObject([{ peer: 2, error: { code: 'shuttingDown' } }]);
});

it('a peer that accepts connections but never answers leaves no sockets behind, and is found when it recovers', async () => {
  const ports = [await freePort(), 0, await freePort()];
  const open = new Set<Socket>();
  let accepted = 0;
  const silent = createServer((socket) => {
    accepted++;
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.resume(); // reads, as the kernel does for a paused process, and never answers
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const port = (silent.address() as AddressInfo).port;
  ports[1] = port;
  afterwards(() => {
    silent.close();
    for (const socket of open) socket.destroy();
  });
  const timing = { ...IMPATIENT, connectTimeoutMs: 50, silenceMs: 100, hangUpMs: 100 };
  const one = await new TestReplica({ self: 1, ports, timing }).start();
  await eventually(() => expect(accepted).toBeGreaterThan(10));
  expect(open.size).toBeLessThanOrEqual(2);
  expect(one.status(2).reachable).toBe(false);
  const [failed] = one.eventsOf('connectFailed').filter(({ peer }) => peer === 2);
  expect(failed?.error).toMatchObject({
    code: 'unreachable',
    message: expect.stringMatching(/^no answer for/),
  });
  await one.stop();
  await eventually(() => expect(open.size).toBe(0));
  const patient = await new TestReplica({
    self: 1,
    ports,
    timing: { ...PATIENT, connectTimeoutMs: 2000 },
  }).start();
  await eventually(() => expect(open.size).toBe(1));
  for (const socket of open) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));
  const two = await new TestReplica({ self: 2, ports }).start();
  await Promise.all([patient.sees(2), two.sees(1)]);
});

/** A peer that answers heartbeats as long as `answers`, and counts the connections made to it. */
async function startMoodyPeer(): Promise<{ ports: number[]; answers: boolean; calls: number }> {
  const peer = { ports: await freePorts(), answers: true, calls: 0 };
  await startRawPeer(peer.ports[1] ?? 0, {
    Heartbeat: (call) => {
      peer.calls++;
      call.on('data', (ping) => peer.answers && call.write(ping));
    },
  });
  return peer;
}

it('a peer that is silent for a while is not reachable, and keeps its connection', async () => {
  const peer = await startMoodyPeer();
  const one = await new TestReplica({
    self: 1,
    ports: peer.ports,
    timing: { ...IMPATIENT, hangUpMs: 30_000 },
  }).start();
  await one.sees(2);
  peer.answers = false;
  await eventually(() => expect(one.status(2).reachable).toBe(false));
  peer.answers = true;
  await one.sees(2);
  expect(peer.calls).toBe(1);
  expect(one.eventsOf('disconnected')).toEqual([]);
});

it('a peer that falls silent on an open connection is not counted on, then given up, dialled anew and counted on again', async () => {
  const peer = await startMoodyPeer();
  const one = await new TestReplica({ self: 1, ports: peer.ports, timing: IMPATIENT }).start();
  await one.sees(2);
  peer.answers = false;
  await eventually(() => expect(one.status(2).reachable).toBe(false));
  expect(one.eventsOf('disconnected')).toEqual([]); // that it is silent is known before it is given up
  await eventually(() => expect(one.eventsOf('disconnected')).not.toEqual([]));
  const [lost] = one.eventsOf('disconnected');
  expect(lost?.error.code).toBe('unreachable');
  const [, silentMs] = /^no answer for (\d+) ms$/.exec(lost?.error.message ?? '') ?? [];
  expect(Number(silentMs)).toBeGreaterThanOrEqual(IMPATIENT.hangUpMs);
  await eventually(() => expect(peer.calls).toBeGreaterThan(2));
  peer.answers = true;
  await one.sees(2);
  // It was told once that the peer is gone, not again as the connection ended; where this process is slow, more than once.
  const told = one.reachability.filter(([id]) => id === 2).map(([, reachable]) => reachable);
  expect(told.length).toBeGreaterThanOrEqual(3);
  expect(told).toEqual(told.map((_, index) => index % 2 === 0));
});

it('a peer that sends anything is not silent, however late its answers to heartbeats are', async () => {
  const ports = await freePorts();
  let isBusy = false;
  await startRawPeer(ports[1] ?? 0, {
    Heartbeat: (call) => call.on('data', (ping) => !isBusy && call.write(ping)),
    Accept: (call) => {
      const timer = setInterval(() => call.write(encodeMessage(reply)), IMPATIENT.heartbeatIntervalMs);
      timer.unref();
      call.on('close', () => clearInterval(timer));
      call.resume();
    },
  });
  const one = await new TestReplica({ self: 1, ports, timing: IMPATIENT }).start();
  await one.sees(2);
  isBusy = true;
  const sinceMs = performance.now();
  await eventually(() => expect(performance.now() - sinceMs).toBeGreaterThan(2 * IMPATIENT.hangUpMs));
  expect(one.reachability).toEqual([[2, true]]);
  expect(one.eventsOf('disconnected')).toEqual([]);
});

it('a peer whose connections never last is dialled more and more slowly, as by two processes of one id', async () => {
  const ports = await freePorts();
  const dialledMs: number[] = [];
  await startRawPeer(ports[1] ?? 0, {
    Heartbeat: (call) => {
      dialledMs.push(performance.now());
      call.on('data', (ping) => {
        call.write(ping);
        call.end(); // it has answered, so that the connection was open; and then somebody else called
      });
    },
  });
  const timing = { ...PATIENT, firstBackoffMs: 5, maxBackoffMs: 60_000 };
  const one = await new TestReplica({ self: 1, ports, timing }).start();
  await eventually(() => expect(dialledMs.length).toBeGreaterThan(7));
  expect(one.eventsOf('disconnected').length).toBeGreaterThanOrEqual(7);
  const waitsMs = dialledMs.slice(1).map((ms, index) => ms - (dialledMs[index] ?? ms));
  for (const [index, waitMs] of waitsMs.entries()) {
    expect(waitMs).toBeGreaterThanOrEqual((timing.firstBackoffMs * 2 ** index) / 2 - 1);
  }
});

it('two processes of one id take turns, neither in a tight loop', async () => {
  const timing = { ...PATIENT, firstBackoffMs: 5, maxBackoffMs: 60_000 };
  const { ports } = await startReplicas([1]);
  const [a, b] = [0, 1].map(
    () => new TestReplica({ self: 2, ports: [ports[0] ?? 0, 0, ports[2] ?? 0], timing }),
  );
  await Promise.all([a?.start(), b?.start()]);
  const sinceMs = performance.now();
  const ends = () => (a?.eventsOf('disconnected').length ?? 0) + (b?.eventsOf('disconnected').length ?? 0);
  await eventually(() => expect(ends()).toBeGreaterThanOrEqual(14));
  // The seventh wait of either of them is one of 5 ms · 2^6, jittered down to a half.
  expect(performance.now() - sinceMs).toBeGreaterThan(160);
});

it('a peer is not given up because this replica was paused', async () => {
  const { replicas } = await startReplicas([1, 2], { timing: { ...IMPATIENT, connectTimeoutMs: 30_000 } });
  const [one, two] = replicas as [TestReplica, TestReplica];
  const until = performance.now() + 2 * IMPATIENT.hangUpMs;
  while (performance.now() < until); // nothing else runs in this process
  one.transport.send(to(2, [commitOf(1)]));
  await eventually(() => expect(two.received).toHaveLength(1));
  expect([...one.eventsOf('disconnected'), ...two.eventsOf('disconnected')]).toEqual([]);
});

it('a peer that answers heartbeats with nonsense is not taken for a replica', async () => {
  const ports = await freePorts();
  await startRawPeer(ports[1] ?? 0, {
    Heartbeat: (call) => call.on('data', () => call.write(Buffer.from([0xff]))),
  });
  const one = await new TestReplica({ self: 1, ports }).start();
  await eventually(() => expect(one.eventsOf('connectFailed').some(({ peer }) => peer === 2)).toBe(true));
  expect(one.status(2).reachable).toBe(false);
});

it('the newest stream of a peer gets the replies, and the older one is ended', async () => {
  const { replicas, ports } = await startReplicas([1]);
  const [one] = replicas as [TestReplica];
  const port = ports[0] ?? 0;
  const first = await new RawStream(port, 'Accept', asReplica2()).read().accepted();
  one.transport.send(to(2, [reply]));
  await eventually(() => expect(first.frames).toHaveLength(1));
  const second = await new RawStream(port, 'Accept', asReplica2()).read().accepted();
  await eventually(() =>
    expect(first.error?.details).toMatch(/replica 2 has opened the stream Accept again/),
  );
  one.transport.send(to(2, [reply]));
  await eventually(() => expect(second.frames).toHaveLength(1));
  expect(first.frames).toHaveLength(1);
  expect(decodeFrame(second.frames[0] ?? Buffer.alloc(0), ROUTES.acceptReply, { replicas: 3 })).toEqual([
    reply,
  ]);
  expect(one.status(2).dropped).toBe(0);
});

it('replies to a peer whose stream is gone are dropped and counted', async () => {
  const { replicas, ports } = await startReplicas([1]);
  const [one] = replicas as [TestReplica];
  const stream = await new RawStream(ports[0] ?? 0, 'Accept', asReplica2()).read().accepted();
  stream.call.cancel();
  await eventually(() => {
    one.transport.send(to(2, [reply]));
    expect(one.status(2).dropped).toBeGreaterThan(0);
  });
});

it('the end of a peer is told, also if it was given up for its silence before and came back', async () => {
  const ports = await freePorts();
  let answers = true;
  const peer = await startRawPeer(ports[1] ?? 0, {
    Heartbeat: (call) => call.on('data', (ping) => answers && call.write(ping)),
  });
  const timing = { ...IMPATIENT, silenceMs: 300, hangUpMs: 1_500 };
  const one = await new TestReplica({ self: 1, ports, timing }).start();
  await one.sees(2);
  answers = false;
  await eventually(() => expect(one.eventsOf('disconnected')).not.toEqual([]));
  answers = true;
  await one.sees(2);
  peer.forceShutdown();
  await eventually(() => expect(one.status(2).reachable).toBe(false));
  const told = () => one.reachability.filter(([of]) => of === 2).map(([, reachable]) => reachable);
  await eventually(() => expect(told().at(-1)).toBe(false));
});
