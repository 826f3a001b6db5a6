/** Streams of requests over a real gRPC server, with a node that a test drives by hand. */
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { KvError } from '../../../src/errors.ts';
import type { OperationResult } from '../../../src/kv/index.ts';
import { encodeRequestFrame, messageCodec, RPC_LIMITS, WAITING_LIMITS } from '../../../src/wire/index.ts';
import { bytesOf } from '../../kv/operations.ts';
import { WAIT } from '../../server/servers.ts';
import { type FakeNode, setUp as setUpServices } from '../services-setup.ts';
import { get, multiGet, PipelineClient, put, remove, request } from './pipeline-client.ts';

const RESULT: OperationResult = { version: 1, value: null, previousVersion: 0 };
const VALUE_BYTES = 1024 * 1024;

/** A put that our own encoder refuses. */
function longPut(): Buffer {
  return messageCodec<object>('Operation').encode({
    request: { client: Buffer.alloc(16), sequence: 1, generation: 1 },
    put: { key: bytesOf('a'), value: new Uint8Array(VALUE_BYTES + 1) },
  });
}

const clients: PipelineClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

/** How many answers of so many bytes may wait for a client. */
function fitting(bytes: number): number {
  return Math.floor(WAITING_LIMITS.connectionBytes / bytes);
}

/** A stream to a node that answers nothing by itself. */
async function setUp() {
  const { node, services, address } = await setUpServices();
  node.result = null;
  const open = () => {
    const client = new PipelineClient(address);
    clients.push(client);
    return client;
  };
  return { node, services, client: open(), open };
}

async function submitted(node: FakeNode, count: number): Promise<void> {
  await expect.poll(() => node.submissions.length, WAIT).toBe(count);
}

function failure(id: number, code: string, outcome: string, message = ''): object {
  return { id, error: { code, outcome, message: expect.stringContaining(message) } };
}

it('a stream that asks nothing is told of a new generation', async () => {
  const { node, client, open } = await setUp();
  const other = open();
  await expect.poll(() => [client.generation, other.generation], WAIT).toEqual([5, 5]);
  node.generation = 6;
  await expect.poll(() => [client.generation, other.generation], WAIT).toEqual([6, 6]);
});

it('a stream is told of a new generation also after another one has ended', async () => {
  const { node, client, open } = await setUp();
  const other = open();
  other.send(put(1, 'a', '1'));
  await submitted(node, 1);
  await expect.poll(() => client.generation, WAIT).toBe(5);
  other.call.cancel();
  await node.submissions[0]?.cancelled;
  node.generation = 6;
  await expect.poll(() => client.generation, WAIT).toBe(6);
});

describe('requests', () => {
  it('of one frame are handed on in their order, each as it was sent', async () => {
    const { node, client } = await setUp();
    const requests = Array.from({ length: 1_000 }, (_, index) => put(index + 1, `k${index}`, 'v'));
    client.send(...requests, get(1_001, 'k'), remove(1_002, 'k'), multiGet(1_003, 'k', 'l'));
    await submitted(node, 1_003);
    expect(node.submissions.slice(0, 1_000).map(({ operation }) => Buffer.from(operation.bytes))).toEqual(
      requests.map(({ operation }) => operation),
    );
    expect(node.submissions[0]?.operation).toMatchObject({
      kind: 'put',
      request: { client: '\x07'.repeat(16), sequence: 1, generation: 1 },
      key: 'k0',
      value: Buffer.from('v'),
    });
    const kinds = node.submissions.slice(1_000).map(({ operation }) => operation.kind);
    expect(kinds).toEqual(['get', 'delete', 'multiGet']);
  });

  it('are answered in any order; what is answered in one turn goes in one frame', async () => {
    const { node, client } = await setUp();
    client.send(put(1, 'a', '1'), put(2, 'b', '2'), remove(3, 'c'), get(2 ** 53 - 1, 'd'));
    await submitted(node, 4);
    const results = [
      RESULT,
      { version: 2, value: null, previousVersion: 0 },
      { version: 3, value: Buffer.from('old'), previousVersion: 3 },
      { version: 2 ** 40, value: Buffer.alloc(0), previousVersion: 0 },
    ];
    for (const index of [3, 1]) node.submissions[index]?.waiter.answered(results[index] as OperationResult);
    await client.answer(2);
    for (const index of [2, 0]) node.submissions[index]?.waiter.answered(results[index] as OperationResult);
    await client.answer(1);
    expect(client.frames).toEqual([
      [
        { id: 2 ** 53 - 1, result: results[3] },
        { id: 2, result: results[1] },
      ],
      [
        { id: 3, result: results[2] },
        { id: 1, result: results[0] },
      ],
    ]);
  });

  it('for several keys are answered with a row for each', async () => {
    const { node, client } = await setUp();
    const rows = [{ value: Buffer.from('1'), version: 2 }, null, { value: Buffer.alloc(0), version: 1 }];
    client.send(multiGet(1, 'a', 'b', 'c'));
    await submitted(node, 1);
    node.submissions[0]?.waiter.answered({ version: 0, value: null, previousVersion: 0, rows });
    expect(await client.answer(1)).toEqual({
      id: 1,
      result: { version: 0, value: null, previousVersion: 0, rows },
    });
  });

  it('that fail are told why, and do not disturb the others', async () => {
    const { node, client } = await setUp();
    node.thrown = new KvError('overloaded', 'full', { outcome: 'notApplied' });
    client.send(put(1, 'a', '1'));
    expect(await client.answer(1)).toMatchObject(failure(1, 'overloaded', 'notApplied', 'full'));
    node.thrown = new TypeError('x is not a function');
    client.send(put(2, 'a', '1'));
    expect(await client.answer(2)).toMatchObject(failure(2, 'internal', 'unknown'));
    node.thrown = null;
    client.send(put(3, 'a', '1'), put(4, 'a', '1'));
    await submitted(node, 2);
    node.submissions[0]?.waiter.failed(new KvError('noQuorum', 'nobody', { outcome: 'unknown' }));
    node.submissions[1]?.waiter.answered(RESULT);
    expect(await client.answer(3)).toMatchObject(failure(3, 'noQuorum', 'unknown', 'nobody'));
    expect(await client.answer(4)).toEqual({ id: 4, result: RESULT });
  });

  it.each([
    ['no bytes at all', Buffer.alloc(0), 'invalidArgument', 'names no request'],
    ['no operation', Buffer.from('nonsense'), 'invalidArgument', ''],
    ['a value that is too long', longPut(), 'limitExceeded', 'the value has'],
  ])('with %s are refused one by one', async (_what, operation, code, message) => {
    const { node, client } = await setUp();
    client.send(request(1, operation), put(2, 'a', '1'));
    expect(await client.answer(1)).toMatchObject(failure(1, code, 'notApplied', message));
    await submitted(node, 1);
    node.submissions[0]?.waiter.answered(RESULT);
    await client.answer(2);
  });

  it('may use a number again once it was answered', async () => {
    const { node, client } = await setUp();
    for (const version of [1, 2]) {
      client.send(put(7, 'a', '1'));
      await submitted(node, version);
      node.submissions.at(-1)?.waiter.answered({ ...RESULT, version });
      await expect.poll(() => client.frames.length, WAIT).toBe(version);
    }
    expect(client.frames.flat()).toMatchObject([{ result: { version: 1 } }, { result: { version: 2 } }]);
  });

  it.each([
    [0, 5_000],
    [10, 5],
    [40, 20],
    [50, 30],
    [100, 80],
    [1_000, 900],
    [30_000, 29_900],
    [2 ** 32 - 1, 60_000],
  ])('that wait for %d ms are given %d ms here', async (timeoutMs, expected) => {
    const { node, client } = await setUp();
    client.send({ ...put(1, 'a', '1'), timeoutMs });
    await submitted(node, 1);
    expect(node.submissions[0]?.timeoutMs).toBe(expected);
  });
});

describe('stale reads', () => {
  it('are answered from the table at once; nothing else can be stale', async () => {
    const { node, client } = await setUp();
    node.result = { version: 4, value: Buffer.from('x'), previousVersion: 0 };
    client.send({ ...get(1, 'a'), stale: true }, { ...put(2, 'a', '1'), stale: true });
    expect(await client.answer(1)).toEqual({ id: 1, result: node.result });
    expect(await client.answer(2)).toMatchObject(failure(2, 'invalidArgument', 'notApplied', 'only a get'));
    expect(node.staleReads).toMatchObject([{ kind: 'get', key: 'a' }]);
    expect(node.submissions).toEqual([]);
  });

  it('may be of several keys', async () => {
    const { node, client } = await setUp();
    node.result = { version: 0, value: null, previousVersion: 0, rows: [null, null] };
    client.send({ ...multiGet(1, 'a', 'b'), stale: true });
    expect(await client.answer(1)).toEqual({ id: 1, result: node.result });
    expect(node.staleReads).toMatchObject([{ kind: 'multiGet', keys: ['a', 'b'] }]);
    expect(node.submissions).toEqual([]);
  });

  it('are refused with the node’s reason', async () => {
    const { node, client } = await setUp();
    node.thrown = new KvError('shuttingDown', 'stopping', { outcome: 'notApplied' });
    client.send({ ...get(1, 'a'), stale: true });
    expect(await client.answer(1)).toMatchObject(failure(1, 'shuttingDown', 'notApplied'));
  });
});

describe('a stream', () => {
  it('answers an empty frame with an empty frame', async () => {
    const { client } = await setUp();
    client.send();
    await expect.poll(() => client.frames, WAIT).toEqual([[]]);
  });

  it('that the client closes is answered first, and then ends', async () => {
    const { node, client } = await setUp();
    client.send(put(1, 'a', '1'));
    client.call.end();
    await submitted(node, 1);
    node.submissions[0]?.waiter.answered(RESULT);
    expect(await client.ended).toMatchObject({ status: status.OK });
    expect(client.frames).toEqual([[{ id: 1, result: RESULT }]]);
  });

  it('that is closed without a request ends', async () => {
    const { client } = await setUp();
    client.call.end();
    expect(await client.ended).toMatchObject({ status: status.OK });
  });

  it('that the client cancels takes its open requests along', async () => {
    const { node, client, open } = await setUp();
    client.send(put(1, 'a', '1'), put(2, 'b', '1'));
    await submitted(node, 2);
    node.submissions[0]?.waiter.answered(RESULT);
    await client.answer(1);
    client.call.cancel();
    await node.submissions[1]?.cancelled;
    node.submissions[1]?.waiter.failed(new KvError('cancelled', 'given up', { outcome: 'notApplied' }));
    const other = open();
    other.send();
    await expect.poll(() => other.frames, WAIT).toEqual([[]]);
  });

  it.each([
    ['no frame', Buffer.from([0x0a, 5, 1]), 'invalidArgument'],
    ['too many requests', Buffer.alloc(2 * RPC_LIMITS.frameRequests + 2, '0a00', 'hex'), 'limitExceeded'],
    [
      'two requests of one number',
      encodeRequestFrame([put(9, 'a', '1'), put(9, 'b', '1')]),
      'invalidArgument',
    ],
    ['a number that is open', encodeRequestFrame([put(1, 'b', '1')]), 'invalidArgument'],
  ])('ends where it brings %s, and its open requests are cancelled', async (_what, frame, code) => {
    const { node, client } = await setUp();
    client.send(put(1, 'a', '1'));
    await submitted(node, 1);
    client.call.write(frame);
    expect(await client.ended).toMatchObject({
      status: status.INVALID_ARGUMENT,
      code,
      outcome: 'unknown',
      details: expect.stringContaining('the stream cannot go on: '),
    });
    await node.submissions[0]?.cancelled;
  });

  it('ends with the server, behind the last answers', async () => {
    const { node, services, client } = await setUp();
    client.send(put(1, 'a', '1'), put(2, 'a', '1'));
    await submitted(node, 2);
    node.submissions[0]?.waiter.answered(RESULT);
    node.submissions[1]?.waiter.failed(new KvError('shuttingDown', 'stopping', { outcome: 'unknown' }));
    services.endStreams();
    expect(await client.ended).toMatchObject({
      status: status.UNAVAILABLE,
      code: 'shuttingDown',
      outcome: 'notApplied',
    });
    expect(client.frames).toMatchObject([[{ id: 1, result: RESULT }, failure(2, 'shuttingDown', 'unknown')]]);
  });
});

describe('limits', () => {
  it('of open requests: those over it are refused, and there is room again after answers', async () => {
    const { node, client } = await setUp();
    const { streamRequests: openRequests } = RPC_LIMITS;
    client.send(...Array.from({ length: openRequests + 2 }, (_, index) => put(index + 1, 'a', '1')));
    for (const id of [openRequests + 1, openRequests + 2]) {
      expect(await client.answer(id)).toMatchObject(
        failure(id, 'overloaded', 'notApplied', 'of this stream'),
      );
    }
    await submitted(node, openRequests);
    node.submissions[0]?.waiter.answered(RESULT);
    await client.answer(1);
    client.send(put(1, 'a', '1'));
    await submitted(node, openRequests + 1);
  });

  it('of bytes in open requests', async () => {
    const { node, client } = await setUp();
    const fitting = Math.floor(RPC_LIMITS.streamBytes / (VALUE_BYTES + 100));
    for (let id = 1; id <= fitting + 1; id++) client.send(put(id, 'a', 'x'.repeat(VALUE_BYTES)));
    expect(await client.answer(fitting + 1)).toMatchObject(failure(fitting + 1, 'overloaded', 'notApplied'));
    expect(node.submissions).toHaveLength(fitting);
    node.submissions[0]?.waiter.answered(RESULT);
    await client.answer(1);
    client.send(put(1, 'a', 'x'.repeat(VALUE_BYTES)));
    await submitted(node, fitting + 1);
  });

  it('a client that takes its answers off late gets them all', async () => {
    const { node, client } = await setUp();
    client.call.pause();
    // Every request is answered with 1 MiB at once, so that the server soon cannot send any more.
    node.result = { version: 1, value: Buffer.alloc(VALUE_BYTES, 1), previousVersion: 0 };
    const total = 200;
    for (let id = 1; id <= total; id++) client.send(get(id, 'a'));
    await expect.poll(() => node.submissions.length, WAIT).toBeGreaterThanOrEqual(16);
    client.call.resume();
    await expect.poll(() => client.answered, WAIT).toBe(total);
    expect(client.frames.flat().filter((response) => 'error' in response)).toEqual([]);
  });

  it('of values that the client does not take off: then failures take their place', async () => {
    const { node, client } = await setUp();
    const count = 200;
    client.send(...Array.from({ length: count - 1 }, (_, index) => get(index + 1, 'a')), remove(count, 'a'));
    await submitted(node, count);
    client.call.pause();
    const value = Buffer.alloc(VALUE_BYTES, 1);
    for (const { waiter } of node.submissions) waiter.answered({ version: 1, value, previousVersion: 0 });
    client.call.resume();
    await expect.poll(() => client.answered, WAIT).toBe(count);
    const failed = client.frames.flat().filter((response) => 'error' in response);
    expect(failed.length).toBe(count - fitting(VALUE_BYTES + 32));
    expect(failed[0]).toMatchObject({ error: { code: 'overloaded', outcome: 'notApplied' } });
    expect(await client.answer(count)).toMatchObject(failure(count, 'overloaded', 'unknown'));
  });

  it('of values count those in rows, too', async () => {
    const { node, client } = await setUp();
    const count = 20;
    client.send(...Array.from({ length: count }, (_, index) => multiGet(index + 1, 'a', 'b', 'c', 'd')));
    await submitted(node, count);
    client.call.pause();
    const row = { value: Buffer.alloc(VALUE_BYTES, 1), version: 1 };
    const result = { version: 0, value: null, previousVersion: 0, rows: [row, row, row, row] };
    for (const { waiter } of node.submissions) waiter.answered(result);
    client.call.resume();
    await expect.poll(() => client.answered, WAIT).toBe(count);
    const failed = client.frames.flat().filter((response) => 'error' in response);
    expect(failed.length).toBe(count - fitting(4 * (VALUE_BYTES + 32) + 32));
    expect(failed[0]).toMatchObject({ error: { code: 'overloaded', outcome: 'notApplied' } });
  });

  it('large answers are spread over several frames', async () => {
    const { node, client } = await setUp();
    const value = bytesOf('x'.repeat(100 * 1024));
    client.send(...Array.from({ length: 8 }, (_, index) => get(index + 1, 'a')));
    await submitted(node, 8);
    for (const { waiter } of node.submissions) waiter.answered({ version: 1, value, previousVersion: 0 });
    await expect.poll(() => client.answered, WAIT).toBe(8);
    expect(client.frames.map(({ length }) => length)).toEqual([3, 3, 2]);
  });

  it('and so are answers of many rows', async () => {
    const { node, client } = await setUp();
    client.send(...Array.from({ length: 16 }, (_, index) => multiGet(index + 1, 'a')));
    await submitted(node, 16);
    const rows = new Array<null>(1024).fill(null);
    const result = { version: 0, value: null, previousVersion: 0, rows };
    for (const { waiter } of node.submissions) waiter.answered(result);
    await expect.poll(() => client.answered, WAIT).toBe(16);
    expect(client.frames.map(({ length }) => length)).toEqual([8, 8]);
  });
});
