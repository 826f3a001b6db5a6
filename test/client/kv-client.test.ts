/** The client library against replicas that answer as told, over real gRPC. */
import { describe, expect, it } from 'vitest';
import { connect, KvError } from '../../src/client/index.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { client, failureOf, replica, silentListener } from './client-setup.ts';
import { refusedEndpoint, silence, statusOf } from './fake-replica.ts';

describe('requests and answers', () => {
  it('puts text and bytes and returns the version and the row before', async () => {
    const one = await replica({
      put: () => ({ version: 4, previous: { value: Buffer.from('before'), version: 3 } }),
    });
    const kv = client([one.endpoint]);
    const result = await kv.put('käse', new Uint8Array([0, 255]), { returnPrevious: true });
    expect(result.version).toBe(4);
    expect(result.previous?.text()).toBe('before');
    expect(result.previous?.version).toBe(3);
    expect(one.writes).toMatchObject([
      { key: Buffer.from('käse'), value: Buffer.from([0, 255]), returnPrevious: true },
    ]);
    expect(await kv.put('empty', '')).toBeTruthy();
  });

  it('gets a row, and null where there is none', async () => {
    const one = await replica({
      get: ({ key }) => ({
        found: Buffer.from(key).toString() === 'here' ? { value: Buffer.from('wörd'), version: 7 } : null,
      }),
    });
    const kv = client([one.endpoint]);
    const entry = await kv.get('here');
    expect(entry?.text()).toBe('wörd');
    expect(entry?.value).toEqual(Buffer.from('wörd'));
    expect(entry?.key).toEqual(Buffer.from('here'));
    expect(entry?.version).toBe(7);
    expect(await kv.get('elsewhere')).toBeNull();
  });

  it('deletes and says whether there was something', async () => {
    const one = await replica({
      delete: ({ key }) => ({
        version: key.length,
        previous: { value: Buffer.from('old'), version: key.length },
      }),
    });
    const result = await client([one.endpoint]).delete('abc', { returnPrevious: true });
    expect(result).toMatchObject({ deleted: true, version: 3 });
    expect(result.previous?.text()).toBe('old');
    const absent = await replica();
    expect(await client([absent.endpoint]).delete('abc')).toEqual({
      deleted: false,
      version: 0,
      previous: null,
    });
  });

  it('gives every write its own request id, counted from 1 under one client id', async () => {
    const one = await replica();
    const kv = client([one.endpoint]);
    await Promise.all([kv.put('a', '1'), kv.put('a', '2'), kv.delete('a')]);
    const ids = one.writes.map((write) => write.requestId);
    expect(ids.map((id) => id?.sequence).sort()).toEqual([1, 2, 3]);
    expect(new Set(ids.map((id) => Buffer.from(id?.client ?? []).toString('hex'))).size).toBe(1);
    expect(ids[0]?.client).toHaveLength(16);
    await client([one.endpoint]).put('a', '3');
    expect(Buffer.from(one.writes[3]?.requestId?.client ?? [])).not.toEqual(
      Buffer.from(ids[0]?.client ?? []),
    );
  });

  it('refuses what the server would refuse before it is sent', async () => {
    const one = await replica();
    const kv = client([one.endpoint]);
    const failures = await Promise.all(
      [
        kv.put('', 'x'),
        kv.get(''),
        kv.put('k'.repeat(4097), 'x'),
        kv.put('k', new Uint8Array(1024 * 1024 + 1)),
      ].map(failureOf),
    );
    expect(failures.map((error) => error.code)).toEqual([
      'invalidArgument',
      'invalidArgument',
      'limitExceeded',
      'limitExceeded',
    ]);
    expect(failures.every((error) => error.outcome === 'notApplied')).toBe(true);
    expect([one.streams, one.writes.length]).toEqual([0, 0]);
    await kv.put('k'.repeat(4096), new Uint8Array(1024 * 1024));
    expect(one.writes).toHaveLength(1);
  });

  it('refuses what is neither text nor bytes by the name of the argument', async () => {
    const one = await replica();
    const kv = client([one.endpoint]);
    const wrong = (value: unknown) => value as string;
    const failures = await Promise.all(
      [
        kv.put('a', wrong(1)),
        kv.put('a', wrong(null)),
        kv.put(wrong(undefined), 'v'),
        kv.get(wrong({})),
        kv.delete(wrong(true)),
        kv.multiGet(['a', wrong(2)]),
        // Each of these would be the same three bytes.
        kv.put('\ud800', 'v'),
        kv.get('a\udfff'),
        kv.put('a', '\ud83d'),
      ].map(failureOf),
    );
    expect(failures.map(({ message }) => message)).toEqual([
      'the value must be a string or a Uint8Array, not number',
      'the value must be a string or a Uint8Array, not null',
      'the key must be a string or a Uint8Array, not undefined',
      'the key must be a string or a Uint8Array, not object',
      'the key must be a string or a Uint8Array, not boolean',
      'the key must be a string or a Uint8Array, not number',
      ...['key', 'key', 'value'].map(
        (what) =>
          `the ${what} is no well-formed text, as it has half of a surrogate pair: give its bytes instead`,
      ),
    ]);
    const kinds = failures.map(({ code, outcome }) => `${code} ${outcome}`);
    expect(new Set(kinds)).toEqual(new Set(['invalidArgument notApplied']));
    expect(one.writes).toHaveLength(0);
  });

  it('refuses an unusable time and an unusable list of endpoints', async () => {
    expect(() => connect({ endpoints: [] })).toThrow(KvError);
    expect(() => connect({ endpoints: 'host' })).toThrow(/host:port/);
    expect(() => connect({ endpoints: 'host:1', timeoutMs: 0 })).toThrow(/timeoutMs/);
    expect(() => connect({ endpoints: 'host:1', retryForMs: -1 })).toThrow(/retryForMs/);
    expect((await failureOf(client(['host:1']).get('a', { timeoutMs: -1 }))).code).toBe('invalidArgument');
  });
});

describe('failover', () => {
  it('goes on to the next endpoint where a connection is refused, and begins there the next time', async () => {
    const [gone, first, second] = [await refusedEndpoint(), await replica(), await replica()];
    const kv = client([gone, first.endpoint, second.endpoint]);
    await kv.put('a', '1');
    await kv.put('a', '2');
    await kv.get('a');
    expect([first.writes.length, first.gets, second.writes.length]).toEqual([2, 1, 0]);
  });

  it.each(['overloaded', 'noQuorum', 'shuttingDown', 'connectionLost', 'deadlineExceeded'] as const)(
    'tries another replica after %s, under the same request id',
    async (code) => {
      const refusing = await replica({
        put: () => {
          throw new KvError(code, 'not here', { outcome: 'unknown' });
        },
      });
      const serving = await replica();
      await client([refusing.endpoint, serving.endpoint]).put('a', '1');
      expect(refusing.writes).toHaveLength(1);
      expect(serving.writes).toEqual(refusing.writes);
    },
  );

  it('tries another replica when the connection breaks under the request', async () => {
    const arrived = createDeferred<void>();
    const dying = await replica({
      put: () => {
        arrived.resolve();
        return silence();
      },
    });
    const serving = await replica();
    const put = client([dying.endpoint, serving.endpoint], { silenceTimeoutMs: 30_000 }).put('a', '1');
    await arrived.promise;
    dying.crash();
    expect((await put).version).toBe(1);
    expect(serving.writes).toEqual(dying.writes);
  });

  it('leaves an endpoint that takes the request and stays silent, well within the deadline', async () => {
    const [silent, serving] = [await replica({ put: silence }), await replica()];
    const kv = client([silent.endpoint, serving.endpoint], { silenceTimeoutMs: 500 });
    await kv.put('a', '1');
    expect(serving.writes).toEqual(silent.writes);
    await kv.put('a', '2');
    expect(silent.writes).toHaveLength(1);
  });

  it('leaves an endpoint that takes the connection and stays silent', async () => {
    const [silent, serving] = [await silentListener(), await replica()];
    await client([silent.endpoint, serving.endpoint], { silenceTimeoutMs: 500 }).put('a', '1');
    expect(silent.connections).toBe(1);
    expect(serving.writes).toHaveLength(1);
  });

  it('waits for a replica that serves others meanwhile: it is slow, not silent', async () => {
    const silenceTimeoutMs = 3000;
    const release = createDeferred<void>();
    const busy = await replica({
      put: async ({ key }) => {
        if (Buffer.from(key).toString() === 'slow') await release.promise;
        return { version: 1, previous: null };
      },
    });
    const other = await replica();
    const kv = client([busy.endpoint, other.endpoint], { silenceTimeoutMs, prefer: 'first' });
    const slow = kv.put('slow', '1');
    const startedMs = performance.now();
    while (performance.now() - startedMs < silenceTimeoutMs + 500) await kv.put('quick', '1');
    release.resolve();
    await slow;
    expect(other.writes).toHaveLength(0);
  });

  it('serves thousands of requests at once', async () => {
    const one = await replica();
    const kv = client([one.endpoint]);
    await Promise.all(Array.from({ length: 3000 }, (_, index) => kv.put(`k${index}`, '1')));
    expect(one.writes).toHaveLength(3000);
  });

  it('connects anew to an endpoint that never completed the connection', async () => {
    const silent = await silentListener();
    const kv = client([silent.endpoint], { timeoutMs: 500 });
    expect(await failureOf(kv.get('a'))).toMatchObject({ code: 'unreachable', outcome: 'notApplied' });
    await failureOf(kv.get('a'));
    await expect.poll(() => silent.connections).toBe(2);
  });

  it('connects anew also for those who only ask how it is', async () => {
    const silent = await silentListener();
    const kv = client([silent.endpoint]);
    for (let asked = 0; asked < 2; asked += 1) {
      const [report] = await kv.status({ timeoutMs: 500 });
      expect(report?.error).toMatchObject({ code: 'unreachable', outcome: 'notApplied' });
    }
    await expect.poll(() => silent.connections).toBe(2);
  });

  it('finds a replica that comes up while the request waits', async () => {
    const endpoint = await refusedEndpoint();
    const get = client([endpoint]).get('a');
    const late = await replica(
      { get: () => ({ found: { value: Buffer.from('v'), version: 1 } }) },
      portOf(endpoint),
    );
    expect((await get)?.text()).toBe('v');
    expect(late.gets).toBe(1);
  });

  it('finds a replica again that was restarted', async () => {
    const first = await replica();
    const kv = client([first.endpoint]);
    await kv.put('a', '1');
    first.crash();
    const second = await replica({}, portOf(first.endpoint));
    await kv.put('a', '2');
    expect(second.writes).toMatchObject([{ requestId: { sequence: 2 } }]);
  });

  it('does not try again what can never succeed', async () => {
    const strict = await replica({
      put: () => {
        throw new KvError('invalidArgument', 'the replica does not like it', { outcome: 'notApplied' });
      },
    });
    const other = await replica();
    const error = await failureOf(client([strict.endpoint, other.endpoint]).put('a', '1'));
    expect(error).toMatchObject({
      code: 'invalidArgument',
      outcome: 'notApplied',
      retryable: false,
      message: 'the replica does not like it',
    });
    expect(other.writes).toHaveLength(0);
  });
});

describe('the outcome of a failure', () => {
  it('is notApplied where no replica can be reached', async () => {
    const endpoints = [await refusedEndpoint(), await refusedEndpoint()];
    const error = await failureOf(client(endpoints).put('a', '1'));
    expect(error).toMatchObject({ code: 'unreachable', outcome: 'notApplied', retryable: true });
    for (const endpoint of endpoints) expect(error.message).toContain(endpoint);
    expect(error.message).toContain('ECONNREFUSED');
  });

  it('is unknown for a write that a replica took without an answer, and notApplied for a read', async () => {
    const silent = await replica({ put: silence, get: silence });
    const kv = client([silent.endpoint]);
    await kv.delete('a'); // so that the connection stands
    const read = await failureOf(kv.get('a', { timeoutMs: 100 }));
    expect(read).toMatchObject({ code: 'deadlineExceeded', outcome: 'notApplied' });
    const write = await failureOf(kv.put('a', '1', { timeoutMs: 100 }));
    expect(write).toMatchObject({ code: 'deadlineExceeded', outcome: 'unknown', retryable: true });
    expect(write.message).toMatch(/within 100 ms \(127\.0\.0\.1:\d+: no answer/);
  });
});

describe('giving up', () => {
  it('cancels a request under way when the signal fires', async () => {
    const arrived = createDeferred<void>();
    const silent = await replica({
      put: () => {
        arrived.resolve();
        return silence();
      },
    });
    const controller = new AbortController();
    const put = client([silent.endpoint]).put('a', '1', { signal: controller.signal });
    const failure = failureOf(put);
    await arrived.promise;
    controller.abort();
    expect(await failure).toMatchObject({ code: 'cancelled', outcome: 'unknown', retryable: false });
  });

  it('cancels while it still connects', async () => {
    const controller = new AbortController();
    const silent = await silentListener();
    const failure = failureOf(client([silent.endpoint]).put('a', '1', { signal: controller.signal }));
    await expect.poll(() => silent.connections).toBe(1);
    controller.abort();
    expect(await failure).toMatchObject({ code: 'cancelled', outcome: 'notApplied' });
  });

  it('sends nothing when the signal has fired already', async () => {
    const one = await replica();
    const failure = await failureOf(client([one.endpoint]).put('a', '1', { signal: AbortSignal.abort() }));
    expect(failure).toMatchObject({ code: 'cancelled', outcome: 'notApplied' });
    expect(one.writes).toHaveLength(0);
  });

  it('rejects what is under way when the client is closed, and what comes later', async () => {
    const arrived = createDeferred<void>();
    const silent = await replica({
      get: () => {
        arrived.resolve();
        return silence();
      },
    });
    const kv = client([silent.endpoint]);
    const failure = failureOf(kv.get('a'));
    await arrived.promise;
    kv.close();
    kv.close();
    expect((await failure).code).toBe('cancelled');
    expect(await failureOf(kv.put('a', '1'))).toMatchObject({ code: 'cancelled', outcome: 'notApplied' });
  });
});

describe('status', () => {
  it('asks every endpoint and shows who does not answer', async () => {
    const [one, two] = [await replica(), await replica({ status: () => statusOf(2) })];
    const gone = await refusedEndpoint();
    const reports = await client([one.endpoint, gone, two.endpoint]).status();
    expect(reports.map((report) => report.endpoint)).toEqual([one.endpoint, gone, two.endpoint]);
    expect(reports.map((report) => report.status?.replica)).toEqual([1, undefined, 2]);
    expect(reports[1]?.error?.code).toBe('unreachable');
    expect(reports[0]?.status).toMatchObject({
      paths: { fast: 10, slow: 2, recovered: 1 },
      blockedInstances: 6,
    });
  });
});

function portOf(endpoint: string): number {
  return Number(endpoint.split(':')[1]);
}
