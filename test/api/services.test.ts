/** The services of one call a request: what reaches the node, and what comes back. */
import { status } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { describe, expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { isWrite } from '../../src/kv/index.ts';
import { keyToBytes } from '../../src/wire/index.ts';
import { bytesOf } from '../kv/operations.ts';
import { NO_ROW, setUp } from './services-setup.ts';

const client16 = Buffer.alloc(16, 0xff);

describe('Put', () => {
  const request = { key: bytesOf('a'), value: bytesOf('1'), returnPrevious: true };

  it('hands on what was asked, and answers with the version and the row before', async () => {
    const { node, client } = await setUp();
    node.result = { version: 3, value: bytesOf('0'), previousVersion: 2 };
    const response = await client.put({
      ...request,
      requestId: { client: client16, sequence: 5, generation: 1 },
    });
    expect(response).toEqual({
      version: 3,
      previous: { value: Buffer.from('0'), version: 2 },
      generation: 5,
    });
    expect(node.submissions[0]?.operation).toMatchObject({
      kind: 'put',
      request: { client: '\xff'.repeat(16), sequence: 5, generation: 1 },
      key: 'a',
      returnPrevious: true,
    });
  });

  it('tells an empty row before from none', async () => {
    const { node, client } = await setUp();
    node.result = { version: 2, value: bytesOf(''), previousVersion: 1 };
    const id = { requestId: null };
    expect(await client.put({ ...request, ...id })).toEqual({
      generation: 5,
      version: 2,
      previous: { value: Buffer.alloc(0), version: 1 },
    });
    node.result = { version: 1, value: null, previousVersion: 0 };
    expect(await client.put({ ...request, ...id })).toEqual({ version: 1, previous: null, generation: 5 });
  });

  it('draws a request id where none is given, a new one each time', async () => {
    const { node, client } = await setUp();
    await client.put({ ...request, requestId: null });
    await client.put({ ...request, requestId: null });
    const [first, second] = node.submissions.map(({ operation }) => operation.request);
    expect(first?.client).toHaveLength(16);
    expect(second?.client).toBe(first?.client);
    expect(second?.sequence).not.toBe(first?.sequence);
  });

  it('has answers recorded for requests with an id only: nobody can repeat the others', async () => {
    const { node, client } = await setUp();
    const key = bytesOf('a');
    for (const requestId of [null, { client: client16, sequence: 1, generation: 1 }]) {
      await client.put({ ...request, requestId });
      await client.delete({ key, returnPrevious: false, requestId });
    }
    const unrecorded = node.submissions.map(({ operation }) => isWrite(operation) && operation.unrecorded);
    expect(unrecorded).toEqual([true, true, false, false]);
  });

  it.each([
    ['an empty key', { key: bytesOf('') }, 'invalidArgument', 'the key is empty'],
    ['a long key', { key: new Uint8Array(4_097) }, 'limitExceeded', 'the key has 4097 bytes; at most 4096'],
    ['a long value', { value: new Uint8Array(1_048_577) }, 'limitExceeded', 'the value has 1048577 bytes'],
    [
      'a short client id',
      { requestId: { client: bytesOf('short'), sequence: 1, generation: 1 } },
      'invalidArgument',
      'the client id has 5 bytes instead of 16',
    ],
    [
      'sequence 0',
      { requestId: { client: client16, sequence: 0, generation: 1 } },
      'invalidArgument',
      'sequence is 0',
    ],
    [
      'a sequence that is not exact',
      { requestId: { client: client16, sequence: 2 ** 53, generation: 1 } },
      'invalidArgument',
      'sequence is 9007199254740992',
    ],
  ])('refuses %s', async (_what, fields, code, details) => {
    const { node, client } = await setUp();
    const put = client.put({ ...request, requestId: null, ...fields });
    await expect(put).rejects.toMatchObject({
      status: status.INVALID_ARGUMENT,
      code,
      outcome: 'notApplied',
      details: expect.stringContaining(details),
    });
    expect(node.submissions).toEqual([]);
  });

  it('takes the largest key and value', async () => {
    const { node, client } = await setUp();
    await client.put({
      key: new Uint8Array(4_096),
      value: new Uint8Array(1_048_576),
      returnPrevious: false,
      requestId: null,
    });
    expect(node.submissions).toHaveLength(1);
  });
});

describe('Get', () => {
  it('answers with the row, or with none', async () => {
    const { node, client } = await setUp();
    const key = keyToBytes('\x00\xff');
    node.result = { version: 4, value: bytesOf('x'), previousVersion: 0 };
    expect(await client.get({ key })).toEqual({
      found: { value: Buffer.from('x'), version: 4 },
      generation: 5,
    });
    node.result = NO_ROW;
    expect(await client.get({ key })).toEqual({ found: null, generation: 5 });
    expect(node.submissions[0]?.operation).toMatchObject({ kind: 'get', key: '\x00\xff' });
  });

  it('that may be stale is answered from the table at once', async () => {
    const { node, client } = await setUp();
    node.result = { version: 4, value: bytesOf('x'), previousVersion: 0 };
    const found = { value: Buffer.from('x'), version: 4 };
    expect(await client.get({ key: bytesOf('a'), stale: true })).toEqual({ found, generation: 5 });
    expect(node.staleReads).toMatchObject([{ kind: 'get', key: 'a' }]);
    expect(node.submissions).toEqual([]);
    await expect(client.get({ key: bytesOf(''), stale: true })).rejects.toMatchObject({
      code: 'invalidArgument',
    });
    node.thrown = new KvError('shuttingDown', 'stopping', { outcome: 'notApplied' });
    await expect(client.get({ key: bytesOf('a'), stale: true })).rejects.toMatchObject({
      code: 'shuttingDown',
      outcome: 'notApplied',
    });
  });

  it('refuses an empty key', async () => {
    const { client } = await setUp();
    await expect(client.get({ key: bytesOf('') })).rejects.toMatchObject({ code: 'invalidArgument' });
  });
});

describe('MultiGet', () => {
  const keys = [bytesOf('b'), keyToBytes('\x00\xff'), bytesOf('b')];
  const row = { value: bytesOf('x'), version: 4 };
  const result = { ...NO_ROW, rows: [row, null, row] };
  const found = { value: Buffer.from('x'), version: 4 };

  it('answers with an entry for each key, in their order', async () => {
    const { node, client } = await setUp();
    node.result = result;
    expect(await client.multiGet({ keys })).toEqual({
      entries: [{ found }, { found: null }, { found }],
      generation: 5,
    });
    expect(node.submissions[0]?.operation).toMatchObject({
      kind: 'multiGet',
      key: 'b',
      keys: ['b', '\x00\xff', 'b'],
    });
    expect(node.staleReads).toEqual([]);
  });

  it('that may be stale is answered from the table at once', async () => {
    const { node, client } = await setUp();
    node.result = result;
    expect(await client.multiGet({ keys, stale: true })).toEqual({
      entries: [{ found }, { found: null }, { found }],
      generation: 5,
    });
    expect(node.staleReads).toMatchObject([{ kind: 'multiGet', keys: ['b', '\x00\xff', 'b'] }]);
    expect(node.submissions).toEqual([]);
    node.thrown = new KvError('limitExceeded', 'too large', { outcome: 'notApplied' });
    await expect(client.multiGet({ keys, stale: true })).rejects.toMatchObject({
      status: status.INVALID_ARGUMENT,
      code: 'limitExceeded',
      outcome: 'notApplied',
    });
  });

  const wide = (count: number, keyBytes: number) =>
    new Array<Uint8Array>(count).fill(new Uint8Array(keyBytes));
  it.each<[string, Uint8Array[], string, string]>([
    ['no key', [], 'invalidArgument', 'the multi-get names no key'],
    ['an empty key', [bytesOf('a'), bytesOf('')], 'invalidArgument', 'the key is empty'],
    ['a long key', wide(1, 4_097), 'limitExceeded', 'the key has 4097 bytes; at most 4096'],
    ['too many keys', wide(1_025, 1), 'limitExceeded', 'the multi-get names more than 1024 keys'],
    ['too many bytes of keys', wide(1_024, 4_096), 'limitExceeded', 'name fewer keys'],
  ])('refuses %s', async (_what, refused, code, details) => {
    const { node, client } = await setUp();
    for (const stale of [false, true]) {
      await expect(client.multiGet({ keys: refused, stale })).rejects.toMatchObject({
        status: status.INVALID_ARGUMENT,
        code,
        outcome: 'notApplied',
        details: expect.stringContaining(details),
      });
    }
    expect([node.submissions, node.staleReads]).toEqual([[], []]);
  });

  it('takes the most keys, and as large an answer as there can be', async () => {
    const { node, client } = await setUp();
    const large = { value: new Uint8Array(1_048_576), version: 2 ** 53 - 1 };
    node.result = { ...NO_ROW, rows: [...new Array(1_020).fill(null), large, large, large, large] };
    const { entries } = await client.multiGet({ keys: wide(1_024, 1_000) });
    expect(entries).toHaveLength(1_024);
    expect(entries[1_023]?.found?.value).toHaveLength(1_048_576);
  });
});

describe('Delete', () => {
  it('answers with the version that was removed', async () => {
    const { node, client } = await setUp();
    node.result = { version: 4, value: bytesOf('x'), previousVersion: 4 };
    const request = {
      key: bytesOf('a'),
      returnPrevious: true,
      requestId: { client: client16, sequence: 9, generation: 1 },
    };
    expect(await client.delete(request)).toEqual({
      generation: 5,
      version: 4,
      previous: { value: Buffer.from('x'), version: 4 },
    });
    expect(node.submissions[0]?.operation).toMatchObject({
      kind: 'delete',
      request: { sequence: 9 },
      returnPrevious: true,
    });
  });
});

describe('failures', () => {
  it('travel with their code and outcome, thrown or later', async () => {
    const { node, client } = await setUp();
    node.failure = new KvError('noQuorum', 'nobody there', { outcome: 'unknown' });
    await expect(client.get({ key: bytesOf('a') })).rejects.toEqual({
      status: status.UNAVAILABLE,
      details: 'nobody there',
      code: 'noQuorum',
      outcome: 'unknown',
    });
    node.thrown = new KvError('overloaded', 'full', { outcome: 'notApplied' });
    await expect(client.get({ key: bytesOf('a') })).rejects.toEqual({
      status: status.RESOURCE_EXHAUSTED,
      details: 'full',
      code: 'overloaded',
      outcome: 'notApplied',
    });
  });

  it('that are bugs are internal and unknown', async () => {
    const { node, client } = await setUp();
    node.thrown = new TypeError('x is not a function');
    await expect(client.get({ key: bytesOf('a') })).rejects.toMatchObject({
      status: status.INTERNAL,
      code: 'internal',
      outcome: 'unknown',
    });
  });
});

describe('time', () => {
  const key = bytesOf('a');

  it('is 5 s for a call without a deadline', async () => {
    const { node, client } = await setUp();
    await client.get({ key }, { deadline: Number.POSITIVE_INFINITY });
    expect(node.submissions[0]?.timeoutMs).toBe(5_000);
  });

  it('is at most 60 s', async () => {
    const { node, client } = await setUp();
    await client.get({ key }, { deadline: Date.now() + 3_600_000 });
    expect(node.submissions[0]?.timeoutMs).toBe(60_000);
  });

  it('is a little less than the call’s deadline, so that the outcome can be told', async () => {
    const { node, client } = await setUp();
    await client.get({ key }, { deadline: Date.now() + 30_000 });
    expect(node.submissions[0]?.timeoutMs).toBeLessThanOrEqual(29_900);
    expect(node.submissions[0]?.timeoutMs).toBeGreaterThan(0);
  });

  it('ends when the caller cancels', async () => {
    const { node, client } = await setUp();
    node.result = null;
    const abort = new AbortController();
    const ended = expect(client.get({ key }, { signal: abort.signal })).rejects.toMatchObject({
      status: status.CANCELLED,
    });
    await expect.poll(() => node.submissions.length, { timeout: 10_000 }).toBe(1);
    abort.abort();
    await ended;
    await node.submissions[0]?.cancelled;
  });
});

describe('Status', () => {
  it('tells everything the node knows', async () => {
    const { client, node } = await setUp();
    const { uptimeSeconds, process: usage, ...rest } = await client.status({});
    expect(uptimeSeconds).toBeGreaterThanOrEqual(0);
    expect(usage?.cpuSeconds).toBeGreaterThan(0);
    expect(usage?.residentBytes).toBeGreaterThan(2 ** 20);
    expect(rest).toEqual({
      cluster: 'test',
      replica: 1,
      replicas: 3,
      version: '1.2.3',
      rows: [{ replica: 1, committed: 3, executed: 2, highest: 4, pruned: 1 }],
      paths: { fast: 7, slow: 8, recovered: 9 },
      latencies: { operations: 12, commit: [0, 5, 6], execute: [0, 0, 11], executionDelay: [11] },
      peers: [
        { replica: 2, address: 'b:2', reachable: true, roundTripMs: 0.5, droppedMessages: 4, violations: 2 },
        { replica: 3, address: 'c:3', reachable: false, roundTripMs: 0, droppedMessages: 0, violations: 0 },
      ],
      openInstances: 1,
      waitingOperations: 2,
      blockedInstances: 3,
      snapshot: null,
      generation: 5,
    });
    node.snapshot = { source: 2, entries: 5, bytes: 2 ** 40 };
    expect((await client.status({})).snapshot).toEqual(node.snapshot);
  });
});

describe('health checking', () => {
  const check = healthService.Check;

  it('follows what is set, for the server and for the KV service', async () => {
    const { client, services } = await setUp();
    if (check === undefined) throw new Error('the health service has no Check');
    const ask = (service: string) => client.call<object, object>(check, { service });
    expect(await ask('')).toMatchObject({ status: 'NOT_SERVING' });
    services.setHealth('server', true);
    expect(await ask('')).toMatchObject({ status: 'SERVING' });
    expect(await ask('epaxos.v1.KV')).toMatchObject({ status: 'NOT_SERVING' });
    services.setHealth('kv', true);
    expect(await ask('epaxos.v1.KV')).toMatchObject({ status: 'SERVING' });
    await expect(ask('other')).rejects.toMatchObject({ status: status.NOT_FOUND });
  });
});
