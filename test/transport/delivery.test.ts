/** What one replica sends arrives at the other, in few frames, within bounded memory. */

import type { ServerDuplexStream } from '@grpc/grpc-js';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Command, emptyRecord, type Message, mayComeFrom, type ReplicaId } from '../../src/epaxos/index.ts';
import { GrpcTransport } from '../../src/transport/index.ts';
import {
  decodeFrame,
  encodeMessage,
  type Lane,
  type ReplicaStream,
  ROUTES,
  RPC_LIMITS,
} from '../../src/wire/index.ts';
import { putOperation } from '../support/kv-operations.ts';
import { messagesOf } from '../wire/client/arbitraries.ts';
import {
  asReplica2,
  commitOf,
  eventually,
  freePorts,
  peerStores,
  RawStream,
  startRawPeer,
  startReplicas,
  TestReplica,
  to,
} from './support.ts';

/** Three messages of each type, that this replica may send (R3.11). */
function samplesFrom(sender: ReplicaId, replicas: number): Message[] {
  return Object.values(messagesOf(replicas)).flatMap((arbitrary) =>
    fc
      .sample(arbitrary as fc.Arbitrary<Message>, { numRuns: 200, seed: 1 })
      .filter((message) => mayComeFrom(sender, message, replicas))
      .slice(0, 3),
  );
}

const COMMITS = { stream: 'Commit', direction: 'request' } as const;
const KIB = 1024;

/** An operation of about 16 KiB. */
const largeOperation = putOperation({
  request: { client: 'sixteen bytes ..', sequence: 1, generation: 1 },
  key: Buffer.from('k'),
  value: Buffer.alloc(16 * KIB),
  returnPrevious: false,
});
const largeCommand = new Command([largeOperation]);

function decoded(frames: readonly Buffer[]) {
  return frames.flatMap((frame) => decodeFrame(frame, COMMITS, { replicas: 3 }));
}

it.each([3, 5])(
  'every type of message arrives as it was sent, both ways, with %i replicas',
  async (count) => {
    const { replicas } = await startReplicas([1, 2], { replicas: count });
    const [one, two] = replicas as [TestReplica, TestReplica];
    const [ofOne, ofTwo] = [samplesFrom(1, count), samplesFrom(2, count)];
    one.transport.send(to(2, ofOne));
    two.transport.send(to(1, ofTwo));
    for (const [receiver, sender, samples] of [
      [one, 2, ofTwo],
      [two, 1, ofOne],
    ] as const) {
      await eventually(() => expect(receiver.received).toHaveLength(samples.length));
      // In order within a lane; between lanes there is none.
      for (const { type } of samples) {
        const ofType = receiver.received.filter(([, message]) => message.type === type);
        expect(ofType).toEqual(
          samples.filter((sample) => sample.type === type).map((sample) => [sender, sample]),
        );
      }
      expect(receiver.events.filter((event) => event.type !== 'connectFailed')).toHaveLength(1);
    }
    expect(one.status(2).dropped).toBe(0);
    expect(one.status(2).roundTripMs).toBeGreaterThan(0);
  },
);

it('replicas find each other whatever the order they start in', async () => {
  const ports = await freePorts();
  const one = await new TestReplica({ self: 1, ports }).start();
  await eventually(() => expect(one.eventsOf('connectFailed').map(({ peer }) => peer)).toEqual([2, 3]));
  expect(one.eventsOf('connectFailed')[0]?.error).toMatchObject({ name: 'KvError', code: 'unreachable' });
  const three = await new TestReplica({ self: 3, ports }).start();
  await Promise.all([one.sees(3), three.sees(1)]);
  const two = await new TestReplica({ self: 2, ports }).start();
  await Promise.all([one.sees(2), three.sees(2), two.sees(1), two.sees(3)]);
  expect(one.reachability).toEqual([
    [3, true],
    [2, true],
  ]);
  // The trouble was reported once, not with every attempt.
  expect(one.eventsOf('connectFailed')).toHaveLength(2);
});

it('what is sent together travels in few frames of about the target size', async () => {
  const ports = await freePorts();
  const frames: Buffer[] = [];
  await startRawPeer(ports[1] ?? 0, { Commit: (call) => call.on('data', (frame) => frames.push(frame)) });
  const one = await new TestReplica({ self: 1, ports, limits: { frameTargetBytes: 4 * KIB } }).start();
  await one.sees(2);
  const commits = Array.from({ length: 1000 }, (_, index) => commitOf(index + 1));
  one.transport.send(to(2, commits));
  await eventually(() => expect(decoded(frames).length).toBe(commits.length));
  expect(decoded(frames)).toEqual(commits);
  const bytes = frames.reduce((sum, { length }) => sum + length, 0);
  expect(frames.length).toBeLessThanOrEqual(Math.ceil(bytes / (4 * KIB - 100)));
  expect(Math.max(...frames.map(({ length }) => length))).toBeLessThanOrEqual(4 * KIB);
});

it('a message larger than a frame goes alone; one over the limit is dropped and reported', async () => {
  const { replicas } = await startReplicas([1, 2]);
  const [one, two] = replicas as [TestReplica, TestReplica];
  const repeated = (times: number) => ({
    ...commitOf(1, 1),
    command: new Command(Array.from({ length: times }, () => largeOperation)),
  });
  const large = repeated(20);
  const tooLarge = repeated(1100);
  expect(encodeMessage(large).length).toBeGreaterThan(RPC_LIMITS.frameTargetBytes);
  const bytes = encodeMessage(tooLarge).length;
  expect(bytes).toBeGreaterThan(RPC_LIMITS.messageBytes);
  one.transport.send(to(2, [tooLarge, large]));
  await eventually(() => expect(two.received.length).toBe(1));
  expect(two.received).toEqual([[1, large]]);
  expect(one.eventsOf('tooLarge')).toEqual([{ type: 'tooLarge', peer: 2, messageType: 'commit', bytes }]);
  expect(one.status(2)).toMatchObject({ reachable: true, dropped: 1 });
});

/** Room for few messages, so that it is soon used up. */
const SMALL_QUEUE = { queuedMessages: 20, frameTargetBytes: 64 * KIB };

/** Sends, a few messages a turn, until some were dropped; returns how many were sent. */
async function sendUntilDropped(
  sender: TestReplica,
  messageOf: (number: number) => Message,
): Promise<number> {
  let sent = 0;
  while (sender.status(2).dropped < 100) {
    sender.transport.send(to(2, [messageOf(++sent), messageOf(++sent)]));
    await new Promise(setImmediate);
  }
  return sent;
}

/** Collects the slots of the instances that the frames on a lane speak of. */
function slotsOf(lane: Lane): { readonly slots: number[]; readonly add: (frame: Buffer) => void } {
  const slots: number[] = [];
  const add = (frame: Buffer) => {
    for (const message of decodeFrame(frame, lane, { replicas: 3 })) {
      if (message.type === 'commit') slots.push(message.id.slot);
      if (message.type === 'prepareReply') slots.push(message.record.id.slot);
    }
  };
  return { slots, add };
}

/** What arrived is what was sent but for what was dropped; and of the last messages none is missing. */
async function expectOldestDropped(
  sender: TestReplica,
  slots: readonly number[],
  sent: number,
): Promise<void> {
  const { dropped } = sender.status(2);
  await eventually(() => expect(slots.length).toBe(sent - dropped));
  const newest = SMALL_QUEUE.queuedMessages;
  expect(slots.slice(-newest)).toEqual(
    Array.from({ length: newest }, (_, index) => sent - newest + 1 + index),
  );
  expect(sender.status(2).dropped).toBe(dropped);
}

it('requests to a peer that does not read wait within bounds; the oldest are dropped and counted', async () => {
  const ports = await freePorts();
  let commits: ServerDuplexStream<Buffer, Buffer> | undefined;
  await startRawPeer(ports[1] ?? 0, {
    Commit: (call) => {
      commits = call; // and does not read it
    },
  });
  const one = await new TestReplica({ self: 1, ports, limits: SMALL_QUEUE }).start();
  await one.sees(2);
  const sent = await sendUntilDropped(one, (slot) => ({ ...commitOf(slot, 1), command: largeCommand }));
  expect(one.status(2).reachable).toBe(true);
  const { slots, add } = slotsOf(ROUTES.commit);
  commits?.on('data', add);
  await expectOldestDropped(one, slots, sent);
});

it('replies to a peer that does not read them wait within bounds, too', async () => {
  const { replicas, ports } = await startReplicas([1], { limits: SMALL_QUEUE });
  const [one] = replicas as [TestReplica];
  const metadata = asReplica2();
  const stream = await new RawStream(ports[0] ?? 0, 'Prepare', metadata).accepted();
  const sent = await sendUntilDropped(one, (slot) => {
    const id = { replica: 1, slot };
    return { type: 'prepareReply', ballot: 4, record: { ...emptyRecord(id), command: largeCommand } };
  });
  const { slots, add } = slotsOf(ROUTES.prepareReply);
  stream.call.on('data', add);
  await expectOldestDropped(one, slots, sent);
});

it('what is sent to a peer that is away is dropped and counted', async () => {
  const { replicas } = await startReplicas([1]);
  const [one] = replicas as [TestReplica];
  one.transport.send([
    { to: 2, message: commitOf(1) },
    { to: 3, message: commitOf(1) },
    {
      to: 3,
      message: { type: 'preAcceptReply', id: { replica: 3, slot: 1 }, attributes: commitOf(1).attributes },
    },
  ]);
  expect([one.status(2).dropped, one.status(3).dropped]).toEqual([1, 2]);
  expect(one.status(2)).toMatchObject({ reachable: false, roundTripMs: null });
});

it('who sends what no replica sends is hung up on, and nothing of it is taken', async () => {
  const { replicas, ports } = await startReplicas([1]);
  const [one] = replicas as [TestReplica];
  const metadata = asReplica2();
  const stream = await new RawStream(ports[0] ?? 0, 'Commit', metadata).read().accepted();
  const wrongSize = { ...commitOf(2), attributes: { seq: 0, deps: [0, 0] } };
  stream.call.write(encodeMessage(commitOf(1)));
  stream.call.write(Buffer.concat([commitOf(2), wrongSize, commitOf(3)].map(encodeMessage)));
  stream.call.write(encodeMessage(commitOf(4)));
  await eventually(() => expect(stream.error).not.toBeNull());
  expect(stream.error?.details).toMatch(/does not keep to the protocol: a vector has 2 slots instead of 3/);
  expect(one.received).toEqual([[2, commitOf(1)]]);
  expect(one.eventsOf('violation')).toMatchObject([{ peer: 2, error: { code: 'invalidArgument' } }]);
  expect(one.status(2).violations).toBe(1);
});

it('who speaks at the ballot of another replica is hung up on (R3.11)', async () => {
  const { replicas, ports } = await startReplicas([1]);
  const [one] = replicas as [TestReplica];
  const stream = await new RawStream(ports[0] ?? 0, 'Commit', asReplica2()).read().accepted();
  const foreign: Message = {
    type: 'accept',
    id: { replica: 3, slot: 1 },
    ballot: 0,
    command: null,
    attributes: { seq: 0, deps: [0, 0, 0] },
  };
  const accepts = await new RawStream(ports[0] ?? 0, 'Accept', asReplica2()).read().accepted();
  accepts.call.write(encodeMessage(foreign));
  await eventually(() => expect(stream.error).not.toBeNull());
  expect(one.received).toEqual([]);
  expect(one.eventsOf('violation')).toMatchObject([
    { peer: 2, error: { message: 'replica 2 sent accept at the ballot of another replica' } },
  ]);
  expect(one.status(2).violations).toBe(1);
});

it.each([
  ['a frame that cannot be parsed', 'Commit', Buffer.from([0xff, 0xff])],
  ['a heartbeat that is none', 'Heartbeat', Buffer.from([0xff])],
] as const)('%s ends all streams of its sender, which may call again', async (_, name, bytes) => {
  const { replicas, ports } = await startReplicas([1]);
  const [one] = replicas as [TestReplica];
  const call = (stream: ReplicaStream) =>
    new RawStream(ports[0] ?? 0, stream, asReplica2()).read().accepted();
  const other = await call('Prepare');
  const guilty = await call(name);
  guilty.call.write(bytes);
  await eventually(() => expect([guilty.error, other.error]).not.toContain(null));
  const again = await call('Commit');
  again.call.write(encodeMessage(commitOf(5)));
  await eventually(() => expect(one.received).toEqual([[2, commitOf(5)]]));
  expect(one.eventsOf('violation').map(({ peer }) => peer)).toEqual([2]);
});

it('a peer that is none of the cluster is a programmer error', async () => {
  const { replicas } = await startReplicas([1]);
  expect(() => replicas[0]?.transport.send(to(1, [commitOf(1)]))).toThrow(/replica 1 is a peer of replica 1/);
  const options = { self: 1, cluster: 'test', replicas: 3, stores: peerStores('a'), peers: [] };
  expect(() => new GrpcTransport(options)).toThrow(/the peers of replica 1 among 3 are 2, 3/);
});
