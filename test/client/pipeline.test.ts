/** How a client uses its streams: what travels together, what is ignored, and where the nearest replica is. */
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@grpc/grpc-js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nowMs } from '../../src/client/clock.ts';
import { Endpoint } from '../../src/client/endpoint.ts';
import { type ConnectOptions, connect, type KvClient, KvError } from '../../src/client/index.ts';
import { Pipeline } from '../../src/client/pipeline.ts';
import { RequestIds } from '../../src/client/request-ids.ts';
import { WINDOW_LIMITS } from '../../src/client/request-window.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { encodeResponseFrame } from '../../src/wire/index.ts';
import { type Behaviour, FakeReplica, refusedEndpoint, SilentListener, silence } from './fake-replica.ts';
import { requestOf } from './request-world.ts';

const PATIENT = { timeout: 30_000 };

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function replica(behaviour: Partial<Behaviour> = {}): Promise<FakeReplica> {
  const started = await FakeReplica.start(behaviour);
  cleanups.push(() => started.crash());
  return started;
}

function client(endpoints: readonly string[], options: Partial<ConnectOptions> = {}): KvClient {
  const created = connect({ endpoints, timeoutMs: 30_000, ...options });
  cleanups.push(() => created.close());
  return created;
}

const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => Promise.reject(new Error('the call succeeded')),
    (error: KvError) => error,
  );

describe('the stream', () => {
  it('carries what is asked for in the same turn in one frame, in order', async () => {
    const one = await replica();
    const kv = client([one.endpoint]);
    await kv.put('first', '');
    const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);
    await Promise.all(keys.map((key) => kv.put(key, '')));
    expect(one.frames).toEqual([1, 100]);
    expect(one.writes.slice(1).map(({ key }) => Buffer.from(key).toString())).toEqual(keys);
    expect(one.streams).toBe(1);
  });

  it('carries values of any size in frames of a bounded size', async () => {
    const one = await replica();
    const kv = client([one.endpoint]);
    const value = new Uint8Array(1024 * 1024);
    await Promise.all(Array.from({ length: 20 }, (_, index) => kv.put(`k${index}`, value)));
    expect(one.frames).toEqual(Array.from({ length: 20 }, () => 1));
    expect(one.writes).toHaveLength(20);
  });

  it('brings answers in any order', async () => {
    const gate = createDeferred<void>();
    const one = await replica({
      put: async ({ key }) => {
        if (key.length === 1) await gate.promise;
        return { version: key.length, previous: null };
      },
    });
    const kv = client([one.endpoint]);
    const slow = kv.put('a', '');
    expect(await kv.put('bb', '')).toMatchObject({ version: 2 });
    gate.resolve();
    expect(await slow).toMatchObject({ version: 1 });
  });

  it('tells the replica how long the client waits, retries included', async () => {
    const refusing = await replica({
      put: () => {
        throw new KvError('overloaded', 'not here', { outcome: 'notApplied' });
      },
    });
    const serving = await replica();
    await client([refusing.endpoint, serving.endpoint]).put('a', '1', { timeoutMs: 20_000 });
    const [first = 0] = refusing.timeoutsMs;
    const [second = 0] = serving.timeoutsMs;
    expect(first).toBeLessThanOrEqual(20_000);
    expect(first).toBeGreaterThan(1000);
    expect(second).toBeLessThanOrEqual(first);
  });

  it('is one for all that fails over: many requests, each applied once, in their order', async () => {
    const arrived = createDeferred<void>();
    const dying = await replica({
      put: () => {
        if (dying.writes.length === 1000) arrived.resolve();
        return silence();
      },
    });
    const serving = await replica();
    const kv = client([dying.endpoint, serving.endpoint]);
    const puts = Array.from({ length: 1000 }, (_, index) => kv.put(`k${index}`, ''));
    await arrived.promise;
    dying.crash();
    await Promise.all(puts);
    expect(serving.writes).toEqual(dying.writes);
    expect(serving.streams).toBe(1);
  });

  it('ignores the late answer to a request that went elsewhere meanwhile', async () => {
    const late = createDeferred<void>();
    const slow = await replica({
      put: async () => {
        await late.promise;
        return { version: 77, previous: null };
      },
    });
    const serving = await replica();
    const kv = client([slow.endpoint, serving.endpoint], { silenceTimeoutMs: 500 });
    expect(await kv.put('a', '')).toMatchObject({ version: 1 });
    late.resolve();
    expect(await kv.put('b', '')).toMatchObject({ version: 1 });
    expect(serving.writes).toMatchObject([{ requestId: { sequence: 1 } }, { requestId: { sequence: 2 } }]);
  });

  it('ends a request that is cancelled, and none beside it', async () => {
    const gate = createDeferred<void>();
    const one = await replica({
      put: async () => {
        await gate.promise;
        return { version: 1, previous: null };
      },
    });
    const kv = client([one.endpoint]);
    const controller = new AbortController();
    const cancelled = failureOf(kv.put('a', '', { signal: controller.signal }));
    const other = kv.put('b', '', { signal: new AbortController().signal });
    await expect.poll(() => one.writes.length, PATIENT).toBe(2);
    controller.abort();
    expect(await cancelled).toMatchObject({ code: 'cancelled', outcome: 'unknown' });
    gate.resolve();
    expect(await other).toMatchObject({ version: 1 });
  });

  it('leaves nothing on the signals of requests that have ended', async () => {
    const one = await replica();
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    await client([one.endpoint]).put('a', '', { signal });
    expect(added).toHaveBeenCalledTimes(1);
    expect(removed.mock.calls[0]?.[1]).toBe(added.mock.calls[0]?.[1]);
  });
});

/** What nobody minds. */
const IGNORED = {
  onServed: () => undefined,
  onResult: () => undefined,
  onError: () => undefined,
  onExpired: () => undefined,
  onTaken: () => undefined,
  onRoundTrip: () => undefined,
  onEnd: () => undefined,
};

it('a request that was refused does not fail once more when the stream ends', async () => {
  let written = 0;
  const stream = Object.assign(new EventEmitter(), {
    write: () => {
      written += 1;
      return true;
    },
  });
  const errors: string[] = [];
  const ids = new RequestIds();
  ids.learn(1);
  const pipeline = new Pipeline({ makeBidiStreamRequest: () => stream } as unknown as Client, ids, {
    ...IGNORED,
    onError: (_request, { code }) => errors.push(code),
  });
  pipeline.send(requestOf({ startedMs: nowMs() }));
  await expect.poll(() => written, PATIENT).toBe(1);
  const error = new KvError('overloaded', 'full', { outcome: 'notApplied' });
  stream.emit('data', encodeResponseFrame({ responses: [{ id: 1, error }], generation: 1, pong: false }));
  stream.emit('end');
  expect(errors).toEqual(['overloaded']);
});

it('tells that the replica takes what was held back: it is slow with what is large, not silent', async () => {
  let written = 0;
  const stream = Object.assign(new EventEmitter(), {
    write: () => {
      written += 1;
      return false;
    },
  });
  let taken = 0;
  const pipeline = new Pipeline(
    { makeBidiStreamRequest: () => stream } as unknown as Client,
    new RequestIds(),
    {
      ...IGNORED,
      onTaken: () => {
        taken += 1;
      },
    },
  );
  for (const size of [600_000, 600_000]) {
    const operation = new Uint8Array(size);
    pipeline.send(requestOf({ operation, mutates: false, startedMs: nowMs() }));
  }
  await expect.poll(() => written, PATIENT).toBe(1);
  expect(taken).toBe(0);
  stream.emit('drain');
  await expect.poll(() => written, PATIENT).toBe(2);
  expect(taken).toBe(1);
});

describe('a request whose time is over before it is sent', () => {
  /** Nothing else runs in this process. */
  const standStill = (ms: number) => {
    const untilMs = performance.now() + ms;
    while (performance.now() < untilMs);
  };

  it('is not sent when this process stood still, and was not applied; the others are', async () => {
    const one = await replica();
    const kv = client([one.endpoint]);
    await kv.put('first', '');
    const late = failureOf(kv.put('late', '', { timeoutMs: 20 }));
    const patient = kv.put('patient', '');
    standStill(30);
    expect(await late).toMatchObject({
      code: 'deadlineExceeded',
      outcome: 'notApplied',
      message: 'the deadline passed before the request was sent',
    });
    await patient;
    expect(one.writes.map(({ key }) => Buffer.from(key).toString())).toEqual(['first', 'patient']);
  });

  it('is not held against the endpoint: the next request begins there again', async () => {
    const [one, two] = [await replica(), await replica()];
    // The first is not left for the nearest, which is found out some time later.
    const kv = client([one.endpoint, two.endpoint], { prefer: 'first' });
    await kv.put('first', '');
    const late = failureOf(kv.put('late', '', { timeoutMs: 20 }));
    standStill(30);
    await late;
    await kv.put('next', '');
    expect([one.writes.length, two.writes.length]).toEqual([2, 0]);
  });
});

describe('requests that wait for their turn', () => {
  it('are certain not to have been applied when they are given up', async () => {
    const silent = await replica({ put: silence });
    const kv = client([silent.endpoint]);
    const sent = Array.from({ length: WINDOW_LIMITS.requests }, () => failureOf(kv.put('sent', '')));
    const controller = new AbortController();
    const late = failureOf(kv.put('late', '', { timeoutMs: 50 }));
    const cancelled = failureOf(kv.put('cancelled', '', { signal: controller.signal }));
    controller.abort();
    expect(await cancelled).toMatchObject({ code: 'cancelled', outcome: 'notApplied' });
    expect(await late).toMatchObject({ code: 'deadlineExceeded', outcome: 'notApplied' });
    await expect.poll(() => silent.writes.length, PATIENT).toBe(WINDOW_LIMITS.requests);
    const waiting = failureOf(kv.put('waiting', ''));
    kv.close();
    expect(await waiting).toMatchObject({ code: 'cancelled', outcome: 'notApplied' });
    const outcomes = (await Promise.all(sent)).map(({ outcome }) => outcome);
    expect(new Set(outcomes)).toEqual(new Set(['unknown']));
    expect(silent.writes).toHaveLength(WINDOW_LIMITS.requests);
  });

  it('have their turn as others end', async () => {
    const one = await replica();
    const kv = client([one.endpoint]);
    const count = 2 * WINDOW_LIMITS.requests + 10;
    await Promise.all(Array.from({ length: count }, () => kv.put('k', '')));
    expect(one.writes.map(({ requestId }) => requestId?.sequence)).toEqual(
      Array.from({ length: count }, (_, index) => index + 1),
    );
  });
});

describe('a stale read', () => {
  it('says so to the replica; any other read does not', async () => {
    const one = await replica();
    const kv = client([one.endpoint]);
    await kv.get('a');
    await kv.get('b', { level: 'stale' });
    await kv.get('c', { level: 'linearizable' });
    expect(one.reads.map(({ stale }) => stale)).toEqual([false, true, false]);
  });
});

describe('the nearest replica', () => {
  /** Answers pings, as everything, only after a long way. */
  const far: Partial<Behaviour> = { ping: () => sleep(200) };

  /** Puts one after another until it is so. */
  async function putUntil(kv: KvClient, isSo: () => boolean): Promise<void> {
    await expect
      .poll(async () => {
        await kv.put('k', '');
        return isSo();
      }, PATIENT)
      .toBe(true);
  }

  it('is found while the client is in use', async () => {
    const [distant, near] = [await replica(far), await replica()];
    const kv = client([distant.endpoint, near.endpoint]);
    await putUntil(kv, () => near.writes.length > 0);
    const before = distant.writes.length;
    await putUntil(kv, () => near.writes.length > 10);
    expect(distant.writes).toHaveLength(before);
  });

  it('is not known any more once the connection over which it was measured has ended', async () => {
    const one = await replica();
    const endpoint = new Endpoint(
      one.endpoint,
      { ...IGNORED, onMeasured: () => undefined },
      new RequestIds(),
    );
    cleanups.push(() => endpoint.close());
    await expect
      .poll(() => {
        endpoint.measure();
        return endpoint.roundTripMs;
      }, PATIENT)
      .toBeLessThan(Number.POSITIVE_INFINITY);
    one.crash();
    await expect.poll(() => endpoint.roundTripMs, PATIENT).toBe(Number.POSITIVE_INFINITY);
  });

  it('is not left for one that is farther away', async () => {
    const [near, distant] = [await replica(), await replica(far)];
    const kv = client([near.endpoint, distant.endpoint]);
    await putUntil(kv, () => distant.frames.length > 5);
    expect(distant.writes).toHaveLength(0);
  });

  it('is not looked for by a client that asks once, nor by one that is to keep to the first', async () => {
    const [one, other] = [await replica(far), await replica()];
    await client([one.endpoint, other.endpoint]).put('a', '');
    expect(other.streams).toBe(0);
    const kv = client([one.endpoint, other.endpoint], { prefer: 'first' });
    const startedMs = performance.now();
    while (performance.now() - startedMs < 2500) await kv.put('a', '');
    expect([other.streams, new Set(one.frames)]).toEqual([0, new Set([1])]);
  });

  it('is looked for among those that can be reached', async () => {
    const silent = await SilentListener.start();
    cleanups.push(() => silent.stop());
    const [distant, near] = [await replica(far), await replica()];
    const kv = client([distant.endpoint, silent.endpoint, await refusedEndpoint(), near.endpoint]);
    await putUntil(kv, () => near.writes.length > 0);
  });
});
