/** What becomes of a request whose attempts fail one after another. No connection is made here, and time is ours. */
import { describe, expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { headStartMs } from '../../src/kv/index.ts';
import { type Answer, type Attempt, RequestWorld, requestOf, TICK_MS } from './request-world.ts';

const ADDRESSES = ['a:1', 'b:2', 'c:3'];
const SERVED = 7;

describe('which endpoints are tried', () => {
  it('each in turn, again and again, until one serves', () => {
    const { value, addresses } = new RequestWorld().run((_attempt, index) =>
      index < 4 ? ['overloaded', 'notApplied'] : SERVED,
    );
    expect(value).toBe(SERVED);
    expect(new Set(addresses.slice(0, 3))).toEqual(new Set(ADDRESSES));
    expect(addresses).toHaveLength(5);
  });

  it('the others where one replica is broken, and each once if all are', () => {
    const one = new RequestWorld().run(({ address }) =>
      address === 'a:1' ? ['storageFailure', 'unknown'] : SERVED,
    );
    expect([one.value, one.addresses]).toEqual([SERVED, ['a:1', 'b:2']]);
    const all = new RequestWorld().run(() => ['internal', 'unknown']);
    expect(all.addresses).toEqual(ADDRESSES);
    expect(all.error).toMatchObject({ code: 'internal', outcome: 'unknown' });
  });

  it('no more once all are broken, though one was not in the round before', () => {
    const { error, addresses } = new RequestWorld().run((_attempt, index) =>
      index === 0 ? ['overloaded', 'notApplied'] : ['internal', 'unknown'],
    );
    expect(error).toMatchObject({ code: 'internal', outcome: 'unknown' });
    expect(addresses).toHaveLength(2 * ADDRESSES.length);
  });

  it('first the one that served last', () => {
    const world = new RequestWorld();
    const onlyC = ({ address }: Attempt): Answer =>
      address === 'c:3' ? SERVED : ['unreachable', 'notApplied'];
    expect(world.run(onlyC).addresses).toEqual(['a:1', 'b:2', 'c:3']);
    expect(world.run(onlyC).addresses).toEqual(['c:3']);
  });

  it('for many requests that fail together the same next one, in their order', () => {
    const world = new RequestWorld();
    const [a, b] = [world.target('a:1'), world.target('b:2')];
    const requests = Array.from({ length: 100 }, () => requestOf({ startedMs: world.nowMs }));
    for (const request of requests) world.failover.begin(request, world.nowMs);
    expect(a.sent).toEqual(requests);
    const lost = new KvError('connectionLost', 'lost', { outcome: 'unknown' });
    for (const request of requests) world.failover.failed(request, lost);
    expect(b.sent).toEqual(requests);
    expect(world.target('c:3').sent).toEqual([]);
  });
});

describe('little time', () => {
  it.each([100, 50, 20, 5])('is enough to go on to an endpoint that serves (%d ms)', (timeoutMs) => {
    const world = new RequestWorld();
    const { value, addresses } = world.run(
      ({ address }) => {
        if (address === 'c:3') return 7;
        world.nowMs += 1;
        return ['unreachable', 'notApplied'];
      },
      { timeoutMs },
    );
    expect(value).toBe(7);
    expect(addresses).toEqual(ADDRESSES);
  });

  it.each([100, 50, 20, 1, 0.5])('passes, and is not exceeded by more than a tick (%d ms)', (timeoutMs) => {
    const { error, elapsedMs } = new RequestWorld().run(() => 'silence', { timeoutMs });
    expect(error).toMatchObject({ code: 'deadlineExceeded' });
    expect(elapsedMs).toBeLessThanOrEqual(timeoutMs + TICK_MS);
  });

  it('leaves the endpoint that was silent: the next request begins at another', () => {
    const world = new RequestWorld();
    const answer = ({ address }: Attempt): Answer => (address === 'a:1' ? 'silence' : 1);
    expect(world.run(answer, { timeoutMs: 50 }).error).toMatchObject({ outcome: 'unknown' });
    expect(world.run(answer, { timeoutMs: 50 })).toMatchObject({ value: 1, addresses: ['b:2'] });
  });
});

describe('how long a silent endpoint is waited for', () => {
  it('is the same for each in a round and doubles with the rounds', () => {
    const { attempts } = new RequestWorld().run((_attempt, index) =>
      index < 6 ? ['overloaded', 'notApplied'] : SERVED,
    );
    expect(attempts.map(({ silenceMs }) => silenceMs)).toEqual([1000, 1000, 1000, 2000, 2000, 2000, 4000]);
  });

  it('leaves time for the others', () => {
    const { attempts } = new RequestWorld().run(
      (_attempt, index) => (index < 2 ? ['overloaded', 'notApplied'] : SERVED),
      { timeoutMs: 2400 },
    );
    for (const { silenceMs } of attempts.slice(0, 1)) expect(silenceMs).toBeLessThanOrEqual(800);
    for (const { silenceMs, timeoutMs } of attempts) expect(silenceMs).toBeLessThanOrEqual(timeoutMs);
  });

  it('is the whole time where there is no other', () => {
    const { attempts } = new RequestWorld(['a:1']).run(() => SERVED);
    expect(attempts[0]?.silenceMs).toBe(attempts[0]?.timeoutMs);
  });

  it('passes before it is left for the next one, which gets the same request', () => {
    const world = new RequestWorld();
    const { value, addresses, elapsedMs } = world.run(({ address }) =>
      address === 'a:1' ? 'silence' : SERVED,
    );
    expect([value, addresses]).toEqual([SERVED, ['a:1', 'b:2']]);
    expect(elapsedMs).toBeGreaterThanOrEqual(1000);
    expect(elapsedMs).toBeLessThan(1050);
    expect(world.target('a:1').takenBack).toEqual(world.target('b:2').sent);
  });

  it('begins anew whenever the endpoint serves anybody', () => {
    const world = new RequestWorld();
    const a = world.target('a:1');
    const request = requestOf({ startedMs: world.nowMs });
    world.failover.begin(request, world.nowMs);
    for (let index = 0; index < 10; index++) {
      world.pass(900);
      a.lastActiveMs = world.nowMs;
    }
    expect(a.takenBack).toEqual([]);
    world.pass(990);
    expect(a.takenBack).toEqual([]);
    world.pass(20);
    expect(a.takenBack).toEqual([request]);
  });
});

describe('the error of all attempts together', () => {
  const short = { timeoutMs: 300 };

  it('is what all replicas that could be reached said', () => {
    const { error } = new RequestWorld().run(
      ({ address }) => (address === 'b:2' ? ['unreachable', 'notApplied'] : ['noQuorum', 'notApplied']),
      short,
    );
    expect(error).toMatchObject({ code: 'noQuorum', outcome: 'notApplied' });
    for (const address of ADDRESSES) expect(error?.message).toContain(address);
  });

  it.each([30_000, 1_000, 300, 100, 50, 20, 4])(
    'is the word of a replica that gave the request up shortly before the deadline (%d ms)',
    (timeoutMs) => {
      const world = new RequestWorld(['a:1', 'b:2']);
      const { error, attempts } = world.run(
        (attempt) => {
          world.nowMs += attempt.timeoutMs - headStartMs(attempt.timeoutMs) + 0.5;
          return ['noQuorum', 'notApplied'];
        },
        { timeoutMs },
      );
      expect(attempts).toHaveLength(1);
      expect(error).toMatchObject({ code: 'noQuorum', outcome: 'notApplied' });
    },
  );

  it('is deadlineExceeded where they said different things', () => {
    const { error } = new RequestWorld().run(
      ({ address }) => (address === 'b:2' ? ['shuttingDown', 'notApplied'] : ['overloaded', 'notApplied']),
      short,
    );
    expect(error).toMatchObject({ code: 'deadlineExceeded', outcome: 'notApplied', retryable: true });
    expect(error?.cause).toBeInstanceOf(KvError);
  });

  it.each([
    [5000, null, 5000],
    [30_000, null, 30_000],
    [30_000, 6000, 6000],
    [5000, 30_000, 5000],
    [5000, 0, 0],
  ])('is unreachable where no connection was made, of %d ms when retried for %s ms', (...figures) => {
    const [timeoutMs, retryForMs, endsAtMs] = figures;
    const world = new RequestWorld(undefined, { retryForMs });
    const { error, elapsedMs, attempts } = world.run(() => ['unreachable', 'notApplied'], { timeoutMs });
    expect(error).toMatchObject({ code: 'unreachable', outcome: 'notApplied' });
    expect(elapsedMs).toBeGreaterThan(endsAtMs - 150);
    expect(elapsedMs).toBeLessThan(endsAtMs + 300);
    expect(attempts.length).toBeGreaterThanOrEqual(3); // each endpoint once at least
  });

  it('is not given up early once a replica was reached', () => {
    const answer = ({ address }: Attempt): Answer =>
      address === 'a:1' ? ['overloaded', 'notApplied'] : ['unreachable', 'notApplied'];
    const { elapsedMs } = new RequestWorld(undefined, { retryForMs: 0 }).run(answer, { timeoutMs: 5000 });
    expect(elapsedMs).toBeGreaterThan(4500);
  });

  it.each(['unknown', 'none'] as const)(
    'has an unknown outcome if one attempt of a write had (%s)',
    (outcome) => {
      const answer = (_attempt: Attempt, index: number): Answer =>
        index === 0 ? ['connectionLost', outcome] : ['overloaded', 'notApplied'];
      expect(new RequestWorld().run(answer, short).error?.outcome).toBe('unknown');
      expect(new RequestWorld().run(answer, { ...short, mutates: false }).error?.outcome).toBe('notApplied');
    },
  );

  it.each([
    ['connecting', 'unreachable', 'notApplied'],
    ['queued', 'deadlineExceeded', 'notApplied'],
    ['sent', 'deadlineExceeded', 'unknown'],
  ] as const)('of an endpoint that stays silent is known if the request did not leave: %s', (...expected) => {
    const [progress, code, outcome] = expected;
    const world = new RequestWorld(['a:1']);
    world.target('a:1').progress = progress;
    const { error, elapsedMs } = world.run(() => 'silence', short);
    expect(error).toMatchObject({ code, outcome });
    expect(elapsedMs).toBeGreaterThanOrEqual(300);
    expect(elapsedMs).toBeLessThan(330);
  });

  it('is a refusal as it was given, unless an attempt before may have been applied', () => {
    const clean = new RequestWorld().run(() => ['invalidArgument', 'notApplied']);
    expect(clean.addresses).toHaveLength(1);
    expect(clean.error).toMatchObject({
      code: 'invalidArgument',
      outcome: 'notApplied',
      message: 'it says invalidArgument',
    });
    const tainted = new RequestWorld().run((_attempt, index) =>
      index === 0 ? ['connectionLost', 'unknown'] : ['invalidArgument', 'notApplied'],
    );
    expect(tainted.error).toMatchObject({ code: 'invalidArgument', outcome: 'unknown', retryable: false });
  });

  it('is cancelled once the caller gave up, with what is known of the outcome', () => {
    const world = new RequestWorld();
    const { error, attempts } = world.run((_attempt, index, request) => {
      if (index === 1) {
        world.target('b:2').progress = 'queued';
        world.failover.cancel(request, 'the request was cancelled');
        return 'silence';
      }
      return ['connectionLost', 'unknown'];
    });
    expect(error).toMatchObject({ code: 'cancelled', outcome: 'unknown', retryable: false });
    expect(attempts).toHaveLength(2);
  });

  it.each([
    ['queued', 'notApplied'],
    ['sent', 'unknown'],
  ] as const)('is cancelled with the outcome of the first attempt: %s', (progress, outcome) => {
    const world = new RequestWorld();
    world.target('a:1').progress = progress;
    const { error } = world.run((_attempt, _index, request) => {
      world.failover.cancel(request, 'the request was cancelled');
      return 'silence';
    });
    expect(error).toMatchObject({ code: 'cancelled', outcome });
  });

  it('comes once: what happens afterwards changes nothing', () => {
    const world = new RequestWorld(['a:1']);
    const errors: KvError[] = [];
    const results: unknown[] = [];
    const request = requestOf({
      startedMs: world.nowMs,
      allowedMs: 100,
      reject: (error) => errors.push(error),
      resolve: (result) => results.push(result),
    });
    world.failover.begin(request, world.nowMs);
    world.pass(200);
    world.failover.served(request, { version: 1, value: null, previousVersion: 0 });
    world.failover.failed(request, new KvError('overloaded', 'late', { outcome: 'notApplied' }));
    world.failover.cancel(request, 'late');
    expect([errors.length, results.length, world.wakeUps.size]).toEqual([1, 0, 0]);
  });
});
