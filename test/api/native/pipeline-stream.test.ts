/** A stream whose other end takes nothing off: the server stops reading, and goes on when there is room. */
import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { PipelineService } from '../../../src/api/native/pipeline-service.ts';
import { PipelineStream } from '../../../src/api/native/pipeline-stream.ts';
import { WaitingBytes } from '../../../src/api/waiting-bytes.ts';
import type { OperationResult } from '../../../src/kv/index.ts';
import { type Clock, systemClock } from '../../../src/node/index.ts';
import { createLogger } from '../../../src/server/logger.ts';
import { decodeResponseFrame, encodeRequestFrame, type PipelineRequest } from '../../../src/wire/index.ts';
import { ManualClock } from '../../node/fakes.ts';
import { WAIT } from '../../server/servers.ts';
import { FakeNode } from '../services-setup.ts';
import { get } from './pipeline-client.ts';

const logger = createLogger({ level: 'silent', cluster: 'test', replica: 1 });
const RESULT: OperationResult = { version: 1, value: null, previousVersion: 0 };

function newWaiting(): WaitingBytes {
  return new WaitingBytes({ clock: new ManualClock(), onCut: () => expect.fail('nothing waits for long') });
}

/** A stream whose writes end only when the test says so; one fills it. */
function setUp(node = new FakeNode(), clock: Clock = systemClock) {
  node.result = null;
  const held: { readonly frame: Buffer; readonly done: () => void }[] = [];
  const arrived: Buffer[] = [];
  let isWanted = false;
  const give = () => {
    const frame = isWanted ? arrived.shift() : undefined;
    if (frame === undefined) return;
    isWanted = false;
    call.push(frame);
  };
  const call = new Duplex({
    objectMode: true,
    writableHighWaterMark: 1,
    read() {
      isWanted = true;
      give();
    },
    write(frame: Buffer, _encoding, done) {
      held.push({ frame, done });
    },
  });
  let closed = 0;
  Object.assign(call, { getPeer: () => 'a client' });
  const waiting = newWaiting();
  const stream = new PipelineStream(call as unknown as ServerDuplexStream<Buffer, Buffer>, {
    node,
    logger,
    clock,
    waiting,
    onClosed: () => {
      closed += 1;
    },
  });
  const hello = held.shift(); // the first one, which tells the generation
  hello?.done();
  const frames = () => held.map(({ frame }) => decodeResponseFrame(frame));
  return {
    node,
    call,
    stream,
    waiting,
    first: hello && decodeResponseFrame(hello.frame),
    frames,
    /** The numbers in the frames that were written since, the last of which is not taken off yet. */
    written: () => frames().map(({ responses }) => responses.map(({ id }) => id)),
    takeOff: () => held.at(-1)?.done(),
    /** How many frames have arrived that were not asked for. */
    unread: () => arrived.length,
    send: (...requests: readonly PipelineRequest[]) => {
      arrived.push(encodeRequestFrame(requests));
      give();
    },
    closed: () => closed,
  };
}

it('tells the generation in its first frame, and in all that follow', async () => {
  const node = new FakeNode();
  node.generation = 7;
  const { first, frames, send, takeOff } = setUp(node);
  expect(first).toEqual({ responses: [], generation: 7, pong: false });
  node.generation = 8;
  send();
  await expect.poll(frames, WAIT).toEqual([{ responses: [], generation: 8, pong: true }]);
  takeOff();
  send(get(1, 'a'));
  await expect.poll(() => node.submissions.length, WAIT).toBe(1);
  node.submissions[0]?.waiter.answered(RESULT);
  await expect.poll(() => frames().length, WAIT).toBe(2);
  expect(frames()[1]).toMatchObject({ generation: 8, pong: false });
});

it('stops reading and writing when its answers are not taken off', async () => {
  const { node, unread, written, takeOff, send } = setUp();
  send(get(1, 'a'), get(2, 'a'), get(3, 'a'), get(4, 'a'));
  await expect.poll(() => node.submissions.length, WAIT).toBe(4);
  node.submissions[0]?.waiter.answered(RESULT);
  await expect.poll(written, WAIT).toEqual([[1]]);
  send(get(5, 'a'));
  send(get(6, 'a'));
  send(get(7, 'a'));
  node.submissions[1]?.waiter.answered(RESULT);
  node.submissions[2]?.waiter.answered(RESULT);
  takeOff();
  await expect.poll(written, WAIT).toEqual([[1], [2, 3]]);
  expect(node.submissions).toHaveLength(4);
  // One had been asked for already.
  expect(unread()).toBe(2);
  takeOff();
  await expect.poll(() => node.submissions.length, WAIT).toBe(7);
  expect(unread()).toBe(0);
  node.submissions[3]?.waiter.answered(RESULT);
  await expect.poll(written, WAIT).toEqual([[1], [2, 3], [4]]);
});

it('is blocked by unanswered pings, too', async () => {
  const { node, unread, written, takeOff, send } = setUp();
  send();
  await expect.poll(written, WAIT).toEqual([[]]);
  send();
  send(get(1, 'a'));
  expect(unread()).toBe(1);
  takeOff();
  await expect.poll(written, WAIT).toEqual([[], []]);
  expect(node.submissions).toEqual([]);
  takeOff();
  await expect.poll(() => node.submissions.length, WAIT).toBe(1);
  expect(unread()).toBe(0);
});

it('what it held for too long is not taken: its time counts from when it came', async () => {
  const clock = new ManualClock();
  const { node, waiting, frames, send, takeOff } = setUp(new FakeNode(), clock);
  send();
  await expect.poll(frames, WAIT).toHaveLength(1);
  const before = waiting.total;
  send({ ...get(1, 'a'), timeoutMs: 5_000 }, { ...get(2, 'a'), timeoutMs: 20_000 });
  await expect.poll(() => waiting.total, WAIT).toBeGreaterThan(before);
  clock.pass(6_000);
  takeOff();
  await expect.poll(() => node.submissions.length, WAIT).toBe(1);
  expect(node.submissions[0]).toMatchObject({ timeoutMs: 20_000 - 100 - 6_000 });
  await expect.poll(() => frames().length, WAIT).toBe(2);
  expect(frames()[1]?.responses).toMatchObject([
    { id: 1, error: { code: 'deadlineExceeded', outcome: 'notApplied' } },
  ]);
});

it('is ended when it is held up for long, and drops what waits', async () => {
  const clock = new ManualClock();
  const { node, call, stream, waiting, send, takeOff, closed } = setUp(new FakeNode(), clock);
  const errors: unknown[] = [];
  call.on('error', (error) => errors.push(error));
  send(...Array.from({ length: 40 }, (_, index) => get(index + 1, 'a')));
  await expect.poll(() => node.submissions.length, WAIT).toBe(40);
  const value = Buffer.alloc(300 * 1024);
  for (const { waiter } of node.submissions) waiter.answered({ ...RESULT, value });
  await Promise.resolve(); // the answers of one turn leave at its end
  for (let second = 0; second < 29; second += 1) {
    clock.pass(1_000);
    expect(stream.look(clock.nowMs())).toBe(false);
  }
  clock.pass(1_000);
  expect(stream.look(clock.nowMs())).toBe(true);
  expect(errors).toMatchObject([{ code: status.RESOURCE_EXHAUSTED }]);
  expect(closed()).toBe(1);
  // What waited is dropped but for the frame that gRPC has.
  expect(waiting.total).toBeLessThan(400 * 1024);
  takeOff();
});

it('ends once, whatever comes afterwards', async () => {
  const { node, call, written, send, closed } = setUp();
  send(get(1, 'a'));
  await expect.poll(() => node.submissions.length, WAIT).toBe(1);
  call.emit('cancelled');
  call.emit('cancelled');
  await node.submissions[0]?.cancelled;
  node.submissions[0]?.waiter.answered(RESULT);
  call.emit('data', encodeRequestFrame([get(2, 'a')]));
  call.emit('drain');
  expect(closed()).toBe(1);
  expect(node.submissions).toHaveLength(1);
  expect(written()).toEqual([]);
});

it('all streams are told of another generation once, and of none that they know', () => {
  const node = new FakeNode();
  let look = () => {};
  const clock: Clock = {
    ...systemClock,
    every: (_periodMs, callback) => {
      look = callback;
      return () => {};
    },
  };
  const service = new PipelineService({ node, logger, clock, waiting: newWaiting(), onStalled: () => {} });
  const told = [0, 0];
  for (const index of told.keys()) {
    const write = () => {
      told[index] = (told[index] ?? 0) + 1;
      return true;
    };
    const call = Object.assign(new EventEmitter(), { write, getPeer: () => 'a client', _read: () => {} });
    service.serve(call as unknown as ServerDuplexStream<Buffer, Buffer>);
  }
  expect(told).toEqual([1, 1]);
  look();
  expect(told).toEqual([1, 1]);
  node.generation += 1;
  for (let looks = 0; looks < 3; looks += 1) look();
  expect(told).toEqual([2, 2]);
});
