/** What the composition root connects: that each setting and each event arrives where it is meant for. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { service as healthService } from 'grpc-health-check';
import { describe, expect, it } from 'vitest';
import { HEALTH_SERVICES } from '../../src/api/index.ts';
import { DEFAULT_TIMING, emptyRecord } from '../../src/epaxos/index.ts';
import { systemClock } from '../../src/node/clock.ts';
import { STANDSTILL_MS } from '../../src/node/pulse.ts';
import { MemoryStorage, type Storage } from '../../src/storage/index.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { decodeFrame, type ReplicaStream } from '../../src/wire/index.ts';
import { bytesOf } from '../kv/operations.ts';
import { isFree } from '../support/free-ports.ts';
import { startRawPeer } from '../transport/support.ts';
import { Cluster, WAIT } from './servers.ts';

const PUT = { key: bytesOf('a'), value: bytesOf('1'), returnPrevious: false, requestId: null };

function portOf(address: string): number {
  return Number(address.split(':').at(-1));
}

/** Callers who give up, so that nothing keeps the server from stopping soon. */
function callers() {
  const giving = new AbortController();
  return { signal: giving.signal, giveUp: () => giving.abort() };
}

/** A cluster whose replicas 2 and 3 only listen: what they are sent on a stream, as frames. */
async function besideListeners(stream: ReplicaStream) {
  const cluster = await Cluster.create();
  const frames = new Map<number, Buffer[]>([2, 3].map((id) => [id, []]));
  for (const id of [2, 3]) {
    await startRawPeer(portOf(cluster.config(id).listen), {
      [stream]: (call: { on(event: 'data', take: (frame: Buffer) => void): void }) =>
        call.on('data', (frame: Buffer) => frames.get(id)?.push(frame)),
    });
  }
  const untilMet = () =>
    expect
      .poll(async () => (await cluster.status(1)).peers.every(({ reachable }) => reachable), WAIT)
      .toBe(true);
  return { cluster, frames, untilMet };
}

describe('the start', () => {
  /** A store that says when it is read, and waits; then it has a thousand records. */
  function gatedStore() {
    const store = new MemoryStorage({ replicas: 3 });
    const reading = createDeferred<void>();
    const go = createDeferred<void>();
    let closed = 0;
    let read = 0;
    const close = store.close.bind(store);
    const storage: Storage = Object.assign(store, {
      async *records() {
        reading.resolve();
        await go.promise;
        for (let slot = 1; slot <= 1_000; slot += 1) {
          read += 1;
          yield emptyRecord({ replica: 2, slot });
        }
      },
      close: () => {
        closed += 1;
        return close();
      },
    });
    return { storage, reading: reading.promise, go: go.resolve, closed: () => closed, read: () => read };
  }

  it('is given up while the store is read: it is closed, and nobody listens', async () => {
    const cluster = await Cluster.create();
    const { storage, reading, go, closed, read } = gatedStore();
    const stopping = new AbortController();
    const starting = cluster.start(1, { storage }, stopping.signal);
    const ended = expect(starting).rejects.toBe('enough');
    await reading;
    stopping.abort('enough');
    go();
    await ended;
    expect([read(), closed()]).toEqual([1, 1]);
    expect(await isFree(portOf(cluster.config(1).listen))).toBe(true);
  });

  it('opens nothing when it is given up before', async () => {
    const cluster = await Cluster.create();
    await expect(cluster.start(1, {}, AbortSignal.abort('enough'))).rejects.toBe('enough');
    await cluster.start(1); // the data directory is nobody's
  });
});

describe('thrifty', () => {
  // Nobody answers here: the proposal is not to be repeated to others for that.
  const replica = {
    timing: { ...DEFAULT_TIMING, retryTicks: 1_000_000, maxRetryTicks: 1_000_000, followerTicks: 1_000_000 },
  };

  it.each([
    [true, 1],
    [false, 2],
  ])('%s: a proposal goes to %i of two', async (thrifty, count) => {
    const { cluster, frames, untilMet } = await besideListeners('PreAccept');
    const { signal, giveUp } = callers();
    await cluster.start(1, { replica }, undefined, { thrifty });
    await untilMet();
    cluster
      .client(1)
      .put(PUT, { signal })
      .catch(() => undefined);
    const asked = () => [...frames.values()].filter((of) => of.length > 0);
    await expect.poll(() => asked().length, WAIT).toBe(count);
    // What is sent later arrives later: the answer to a status is behind the proposals of the same turn.
    await cluster.status(1);
    expect(asked()).toHaveLength(count);
    giveUp();
  });
});

it('the numbers of reads are other ones in the next process: an answer to the last one says nothing', async () => {
  const { cluster, frames, untilMet } = await besideListeners('Read');
  const numbers: unknown[] = [];
  for (const _ of ['a process', 'another one']) {
    for (const of of frames.values()) of.length = 0;
    await cluster.start(1);
    await untilMet();
    const { signal, giveUp } = callers();
    cluster
      .client(1)
      .get({ key: bytesOf('a') }, { signal })
      .catch(() => undefined);
    const sent = () => [...frames.values()].flat();
    await expect.poll(() => sent().length, WAIT).toBeGreaterThan(0);
    const [message] = decodeFrame(
      sent()[0] as Buffer,
      { stream: 'Read', direction: 'request' },
      {
        replicas: 3,
      },
    );
    numbers.push(message);
    giveUp();
    await cluster.stop(1);
  }
  expect(numbers[0]).not.toEqual(numbers[1]);
});

it('after a standstill every connection that was there is closed, streams and all, and new ones are taken', async () => {
  let offsetMs = 0;
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + offsetMs };
  const cluster = await Cluster.create();
  const { address } = await cluster.start(1, { clock });
  const socket = await withOpenStream(portOf(address));
  const closed = once(socket, 'close');
  offsetMs = STANDSTILL_MS + 1_000;
  await closed;
  (await withOpenStream(portOf(address))).destroy();
});

/** A connection with a stream on it that the server has taken, by hand: a client of a library would close it itself when told to go. */
async function withOpenStream(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  const headers = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': '/epaxos.v1.KV/Pipeline',
    ':authority': 'replica',
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  // Neither indexed nor compressed: of a name and of a value the length and the bytes.
  const block = Object.entries(headers).flatMap((entry) => [
    0,
    ...entry.flatMap((text) => [text.length, ...Buffer.from(text)]),
  ]);
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  socket.write(http2Frame({ type: 4, flags: 0, stream: 0, payload: [] }));
  socket.write(http2Frame({ type: 1, flags: 4, stream: 1, payload: block }));
  socket.write(http2Frame({ type: 0, flags: 0, stream: 1, payload: [0, 0, 0, 0, 0] })); // an empty message
  let received = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
  });
  await expect.poll(() => http2Heads(received), WAIT).toContainEqual({ type: 0, stream: 1 });
  return socket;
}

/** Of every frame that has arrived whole: what it is, and on which stream. */
function http2Heads(bytes: Buffer): { type: number; stream: number }[] {
  const heads: { type: number; stream: number }[] = [];
  for (let at = 0; at + 9 <= bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end <= bytes.length)
      heads.push({ type: bytes.readUInt8(at + 3), stream: bytes.readUInt32BE(at + 5) });
    at = end;
  }
  return heads;
}

function http2Frame(frame: {
  type: number;
  flags: number;
  stream: number;
  payload: readonly number[];
}): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(frame.payload.length, 0, 3);
  head.writeUInt8(frame.type, 3);
  head.writeUInt8(frame.flags, 4);
  head.writeUInt32BE(frame.stream, 5);
  return Buffer.concat([head, Buffer.from(frame.payload)]);
}

describe('health', () => {
  const check = healthService.Check;

  /** What the health service says about the server, and about the key-value service. */
  async function healthOf(cluster: Cluster, id: number): Promise<unknown[]> {
    if (check === undefined) throw new Error('the health service has no Check');
    const answers: unknown[] = [];
    for (const service of [HEALTH_SERVICES.server, HEALTH_SERVICES.kv]) {
      answers.push(await cluster.client(id).call(check, { service }));
    }
    return answers.map((answer) => (answer as { status: string }).status);
  }

  it('is that of the server as soon as it serves, and of its key-value service with a majority', async () => {
    const cluster = await Cluster.create();
    await cluster.start(1);
    expect(await healthOf(cluster, 1)).toEqual(['SERVING', 'NOT_SERVING']);
    await cluster.start(2);
    for (const id of [1, 2]) {
      await expect.poll(() => healthOf(cluster, id), WAIT).toEqual(['SERVING', 'SERVING']);
    }
    await cluster.stop(2);
    await expect.poll(() => healthOf(cluster, 1), WAIT).toEqual(['SERVING', 'NOT_SERVING']);
  });

  it('is gone from a replica that cannot go on', async () => {
    const cluster = await Cluster.create();
    const storage = new MemoryStorage({ replicas: 3 });
    const server = await cluster.start(1, { storage });
    await cluster.start(2);
    await expect.poll(() => healthOf(cluster, 1), WAIT).toEqual(['SERVING', 'SERVING']);
    storage.writeRecords = () => Promise.reject(new Error('the disk is gone'));
    cluster
      .client(1)
      .put(PUT)
      .catch(() => undefined);
    await server.failed;
    expect(await healthOf(cluster, 1)).toEqual(['NOT_SERVING', 'NOT_SERVING']);
  });
});
