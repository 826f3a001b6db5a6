/** What becomes of a request whose attempts fail one after another. No connection is made here. */
import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/client/endpoint.ts';
import { EndpointPool } from '../../src/client/endpoint-pool.ts';
import { type AttemptLimits, runWithFailover } from '../../src/client/failover.ts';
import { type ErrorCode, KvError, type Outcome } from '../../src/errors.ts';

const ADDRESSES = ['a:1', 'b:2', 'c:3'];

type Answer = string | readonly [ErrorCode, Outcome];

interface Attempt extends AttemptLimits {
  readonly address: string;
}

/** Runs one request; `answer` says what each attempt gets. */
async function request(
  answer: (attempt: Attempt, index: number) => Answer,
  options: {
    readonly addresses?: readonly string[];
    readonly timeoutMs?: number;
    readonly mutates?: boolean;
    readonly signal?: AbortSignal;
    readonly pool?: EndpointPool;
  } = {},
) {
  const attempts: Attempt[] = [];
  const pool = options.pool ?? new EndpointPool(options.addresses ?? ADDRESSES);
  const run = runWithFailover(pool, {
    timeoutMs: options.timeoutMs ?? 30_000,
    startedMs: performance.now(),
    silenceTimeoutMs: 1000,
    signal: options.signal ?? new AbortController().signal,
    mutates: options.mutates ?? true,
    attempt: async ({ address }: Endpoint, limits) => {
      attempts.push({ address, ...limits });
      const result = answer({ address, ...limits }, attempts.length - 1);
      if (typeof result === 'string') return result;
      throw new KvError(result[0], `it says ${result[0]}`, { outcome: result[1] });
    },
  });
  const outcome = await run.then(
    (value) => ({ value, error: null }),
    (error: KvError) => ({ value: null, error }),
  );
  pool.close();
  return { ...outcome, attempts, addresses: attempts.map((attempt) => attempt.address) };
}

describe('which endpoints are tried', () => {
  it('each in turn, again and again, until one serves', async () => {
    const { value, addresses } = await request((_attempt, index) =>
      index < 4 ? ['overloaded', 'notApplied'] : 'served',
    );
    expect(value).toBe('served');
    expect(new Set(addresses.slice(0, 3))).toEqual(new Set(ADDRESSES));
    expect(addresses).toHaveLength(5);
  });

  it('the others where one replica is broken, and each once if all are', async () => {
    const one = await request(({ address }) =>
      address === 'a:1' ? ['storageFailure', 'unknown'] : 'served',
    );
    expect([one.value, one.addresses]).toEqual(['served', ['a:1', 'b:2']]);
    const all = await request(() => ['internal', 'unknown']);
    expect(all.addresses).toEqual(ADDRESSES);
    expect(all.error).toMatchObject({ code: 'internal', outcome: 'unknown' });
  });

  it('first the one that served last', async () => {
    const pool = new EndpointPool(ADDRESSES);
    const onlyC = ({ address }: Attempt): Answer =>
      address === 'c:3' ? 'served' : ['unreachable', 'notApplied'];
    expect((await request(onlyC, { pool })).addresses).toEqual(['a:1', 'b:2', 'c:3']);
    expect((await request(onlyC, { pool })).addresses).toEqual(['c:3']);
  });

  it('none twice while requests side by side fail at the same one', () => {
    const pool = new EndpointPool(ADDRESSES);
    const [first] = pool.candidates();
    if (first === undefined) throw new Error('there are endpoints');
    pool.failed(first);
    pool.failed(first);
    expect(pool.candidates().map(({ address }) => address)).toEqual(['b:2', 'c:3', 'a:1']);
    pool.close();
  });
});

describe('how long a silent endpoint is waited for', () => {
  it('is the same for each in a round and doubles with the rounds', async () => {
    const { attempts } = await request((_attempt, index) =>
      index < 6 ? ['overloaded', 'notApplied'] : 'served',
    );
    expect(attempts.map(({ silenceMs }) => silenceMs)).toEqual([1000, 1000, 1000, 2000, 2000, 2000, 4000]);
  });

  it('leaves time for the others', async () => {
    const { attempts } = await request(
      (_attempt, index) => (index < 2 ? ['overloaded', 'notApplied'] : 'served'),
      {
        timeoutMs: 2400,
      },
    );
    for (const { silenceMs } of attempts.slice(0, 1)) expect(silenceMs).toBeLessThanOrEqual(800);
    for (const { silenceMs, timeoutMs } of attempts) expect(silenceMs).toBeLessThanOrEqual(timeoutMs);
  });

  it('is the whole time where there is no other', async () => {
    const { attempts } = await request(() => 'served', { addresses: ['a:1'] });
    expect(attempts[0]?.silenceMs).toBe(attempts[0]?.timeoutMs);
  });
});

describe('the error of all attempts together', () => {
  const short = { timeoutMs: 300 };

  it('is what all replicas that could be reached said', async () => {
    const { error } = await request(
      ({ address }) => (address === 'b:2' ? ['unreachable', 'notApplied'] : ['noQuorum', 'notApplied']),
      short,
    );
    expect(error).toMatchObject({ code: 'noQuorum', outcome: 'notApplied' });
    for (const address of ADDRESSES) expect(error?.message).toContain(address);
  });

  it('is the word of a replica that gave the request up shortly before the deadline', async () => {
    const { error, attempts } = await request(
      (_attempt, index) => [index === 0 ? 'noQuorum' : 'deadlineExceeded', 'unknown'],
      { addresses: ['a:1'], timeoutMs: 90 },
    );
    expect(attempts).toHaveLength(1);
    expect(error).toMatchObject({ code: 'noQuorum', outcome: 'unknown' });
  });

  it('is deadlineExceeded where they said different things', async () => {
    const { error } = await request(
      ({ address }) => (address === 'b:2' ? ['shuttingDown', 'notApplied'] : ['overloaded', 'notApplied']),
      short,
    );
    expect(error).toMatchObject({ code: 'deadlineExceeded', outcome: 'notApplied', retryable: true });
    expect(error?.cause).toBeInstanceOf(KvError);
  });

  it('is unreachable, soon, where no connection was ever made', async () => {
    const { error } = await request(() => ['unreachable', 'notApplied']);
    expect(error).toMatchObject({ code: 'unreachable', outcome: 'notApplied' });
  });

  it.each(['unknown', 'none'] as const)(
    'has an unknown outcome if one attempt of a write had (%s)',
    async (outcome) => {
      const answer = (_attempt: Attempt, index: number): Answer =>
        index === 0 ? ['connectionLost', outcome] : ['overloaded', 'notApplied'];
      expect((await request(answer, short)).error?.outcome).toBe('unknown');
      expect((await request(answer, { ...short, mutates: false })).error?.outcome).toBe('notApplied');
    },
  );

  it('is a refusal as it was given, unless an attempt before may have been applied', async () => {
    const clean = await request(() => ['invalidArgument', 'notApplied']);
    expect(clean.addresses).toHaveLength(1);
    expect(clean.error).toMatchObject({
      code: 'invalidArgument',
      outcome: 'notApplied',
      message: 'it says invalidArgument',
    });
    const tainted = await request((_attempt, index) =>
      index === 0 ? ['connectionLost', 'unknown'] : ['invalidArgument', 'notApplied'],
    );
    expect(tainted.error).toMatchObject({ code: 'invalidArgument', outcome: 'unknown', retryable: false });
  });

  it('is cancelled once the signal has fired, with what is known of the outcome', async () => {
    const controller = new AbortController();
    const { error, attempts } = await request(
      (_attempt, index) => {
        if (index === 1) controller.abort();
        return ['connectionLost', index === 0 ? 'unknown' : 'notApplied'];
      },
      { signal: controller.signal },
    );
    expect(error).toMatchObject({ code: 'cancelled', outcome: 'unknown' });
    expect(attempts).toHaveLength(2);
  });

  it('does not hide a bug', async () => {
    const pool = new EndpointPool(ADDRESSES);
    const run = runWithFailover(pool, {
      timeoutMs: 1000,
      startedMs: performance.now(),
      silenceTimeoutMs: 1000,
      signal: new AbortController().signal,
      mutates: true,
      attempt: () => Promise.reject(new TypeError('a bug')),
    });
    await expect(run).rejects.toThrow(TypeError);
    pool.close();
  });
});
