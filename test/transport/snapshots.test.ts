/** Snapshots between two transports: chunks in order, at the receiver's pace, and every way it can break. */
import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ReplicaId } from '../../src/epaxos/index.ts';
import { KvError } from '../../src/errors.ts';
import type { SnapshotChunk, SnapshotRequest } from '../../src/wire/index.ts';
import { eventually, freePorts, IMPATIENT, TestReplica } from './support.ts';

const KIB = 1024;
const REQUEST: SnapshotRequest = { id: 'the one before', after: Buffer.from([0, 255]), offset: 7 };

function chunk(number: number, options: { done?: boolean; bytes?: number } = {}): SnapshotChunk {
  const value = Buffer.alloc(options.bytes ?? 3, number);
  const entries = [{ key: Buffer.from([3, number]), value }];
  const pruned = { pruned: [1, 2, 3], floor: [0, 1, 0] };
  return { id: 'id', pruned, entries, rest: number, done: options.done ?? false };
}

/** A sender that gives one chunk, and then does nothing. */
async function* firstChunkOnly(): AsyncIterable<SnapshotChunk> {
  yield chunk(1);
  await new Promise(() => {});
}

/** With digests for the values: comparing megabytes element by element takes forever. */
function plain({ entries, ...rest }: SnapshotChunk): unknown {
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  return { ...rest, entries: entries.map(({ key, value }) => [digest(key), digest(value)]) };
}

/** What replica 2 sends. */
let serve: (peer: ReplicaId, request: SnapshotRequest) => AsyncIterable<SnapshotChunk>;
let one: TestReplica;
let two: TestReplica;

let ports: number[];

beforeEach(async () => {
  ports = await freePorts();
  one = new TestReplica({ self: 1, ports });
  two = new TestReplica({ self: 2, ports, serveSnapshot: (peer, request) => serve(peer, request) });
  await Promise.all([one.start(), two.start()]);
});

async function receive(): Promise<SnapshotChunk[]> {
  const received: SnapshotChunk[] = [];
  for await (const each of one.transport.fetchSnapshot(2, REQUEST)) received.push(each);
  return received;
}

describe('a snapshot', () => {
  it('arrives chunk by chunk, and the sender knows who asks for what', async () => {
    const chunks = [chunk(1), chunk(2, { bytes: 2 * KIB * KIB }), chunk(3, { done: true })];
    const asked: unknown[] = [];
    serve = async function* (...request) {
      asked.push(request);
      yield* chunks;
    };
    const received = await receive();
    expect(received.map(plain)).toEqual(chunks.map(plain));
    expect(asked).toEqual([[1, REQUEST]]);
  });

  it('is sent no faster than it is taken', async () => {
    const total = 200;
    let sent = 0;
    serve = async function* () {
      for (; sent < total; sent += 1) yield chunk(sent, { bytes: 512 * KIB, done: sent === total - 1 });
    };
    const chunks = one.transport.fetchSnapshot(2, REQUEST)[Symbol.asyncIterator]();
    await chunks.next();
    let before = -1;
    await eventually(() => {
      const now = sent;
      const isStill = now === before;
      before = now;
      expect(isStill).toBe(true);
    });
    expect(sent).toBeLessThan(total);
    let received = 1;
    while (!(await chunks.next()).done) received += 1;
    expect(received).toBe(total);
  });

  it('that is broken off by the receiver ends at the sender', async () => {
    let ended = false;
    serve = async function* () {
      try {
        for (let number = 0; ; number += 1) yield chunk(number % 256, { bytes: 256 * KIB });
      } finally {
        ended = true;
      }
    };
    for await (const _ of one.transport.fetchSnapshot(2, REQUEST)) break;
    await eventually(() => expect(ended).toBe(true));
  });

  it('does not hold up the messages beside it', async () => {
    serve = async function* () {
      for (let number = 0; ; number += 1) yield chunk(number % 256, { bytes: 256 * KIB });
    };
    const chunks = one.transport.fetchSnapshot(2, REQUEST)[Symbol.asyncIterator]();
    await chunks.next();
    await Promise.all([one.sees(2), two.sees(1)]);
    await chunks.return?.();
  });
});

describe('the receiver is told', () => {
  it('what the sender says', async () => {
    // biome-ignore lint/correctness/useYield: it fails before
    serve = async function* () {
      throw new KvError('overloaded', 'two are being sent already');
    };
    await expect(receive()).rejects.toMatchObject({
      code: 'overloaded',
      message: 'two are being sent already',
    });
  });

  it('that the sender met a bug', async () => {
    serve = async function* () {
      yield chunk(1);
      throw new TypeError('x is not a function');
    };
    await expect(receive()).rejects.toMatchObject({ code: 'internal' });
  });

  it('that the sender is not there', async () => {
    await two.stop();
    await expect(receive()).rejects.toMatchObject({ name: 'KvError', retryable: true });
  });

  it('that the sender goes away in the middle', async () => {
    serve = firstChunkOnly;
    const chunks = one.transport.fetchSnapshot(2, REQUEST)[Symbol.asyncIterator]();
    await chunks.next();
    const next = expect(chunks.next()).rejects.toMatchObject({ name: 'KvError', retryable: true });
    await two.stop();
    await next;
  });

  it('that the sender stops, before its server does', async () => {
    serve = firstChunkOnly;
    const chunks = one.transport.fetchSnapshot(2, REQUEST)[Symbol.asyncIterator]();
    await chunks.next();
    const next = expect(chunks.next()).rejects.toMatchObject({ code: 'shuttingDown' });
    await two.transport.close();
    await next;
  });

  it('that the sender has fallen silent', async () => {
    serve = firstChunkOnly;
    const impatient = new TestReplica({ self: 1, ports, timing: IMPATIENT });
    const chunks = impatient.transport.fetchSnapshot(2, REQUEST)[Symbol.asyncIterator]();
    // Where the machine is so slow that even the first does not come in time, it is the same.
    const all = (async () => {
      while (!(await chunks.next()).done);
    })();
    await expect(all).rejects.toMatchObject({
      code: 'unreachable',
      message: 'nothing of the snapshot came for 500 ms',
    });
  });

  it('that its own transport is closed, before or meanwhile', async () => {
    serve = firstChunkOnly;
    const chunks = one.transport.fetchSnapshot(2, REQUEST)[Symbol.asyncIterator]();
    await chunks.next();
    const next = expect(chunks.next()).rejects.toMatchObject({ code: 'shuttingDown' });
    await one.stop();
    await next;
    await expect(receive()).rejects.toMatchObject({ code: 'shuttingDown' });
  });

  it('that it has another store than before', async () => {
    ports = await freePorts();
    const known = new Map([[1, 'the old one']]);
    await new TestReplica({ self: 2, ports, known }).start();
    const emptied = new TestReplica({ self: 1, ports });
    const chunks = emptied.transport.fetchSnapshot(2, REQUEST)[Symbol.asyncIterator]();
    await expect(chunks.next()).rejects.toMatchObject({ code: 'dataDirectoryMismatch' });
  });

  it('that the sender has another store than before, whatever it sends', async () => {
    ports = await freePorts();
    const serveSnapshot = async function* () {
      yield chunk(1, { done: true });
    };
    await new TestReplica({ self: 2, ports, store: 'another', serveSnapshot }).start();
    const receiver = new TestReplica({ self: 1, ports, known: new Map([[2, 'the old one']]) });
    const chunks = receiver.transport.fetchSnapshot(2, REQUEST)[Symbol.asyncIterator]();
    await expect(chunks.next()).rejects.toMatchObject({ code: 'peerMismatch' });
  });
});
