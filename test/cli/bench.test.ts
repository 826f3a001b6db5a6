/** `epaxos bench` against replicas that answer as told. */
import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { KvError } from '../../src/errors.ts';
import { LatencyHistogram } from '../../src/util/latency-histogram.ts';
import type { PutRequest, StatusResponse } from '../../src/wire/index.ts';
import { type Behaviour, refusedEndpoint, statusOf } from '../client/fake-replica.ts';
import { keysOf, start } from './replicas.ts';
import { runCli } from './run-cli.ts';

async function bench(...args: string[]) {
  const { exitCode, stdout, stderr } = await runCli(['bench', '-w', 'json', ...args]);
  return { exitCode, stderr, ...(stdout.length === 0 ? {} : JSON.parse(stdout.toString())) };
}

const FEW = ['--operations', '120', '--depth', '5'];

/** What replica 1 tells about itself, look by look: first that it is there, then before the load and after it. */
function statuses(...looks: readonly Partial<StatusResponse>[]): Partial<Behaviour> {
  let next = 0;
  return {
    status: () => {
      const look = looks[Math.max(0, next - 1)] ?? {};
      next += 1;
      return { ...statusOf(1), ...look, uptimeSeconds: next };
    },
  };
}

function countsOf(latenciesMs: readonly number[]): number[] {
  const histogram = new LatencyHistogram();
  for (const latencyMs of latenciesMs) histogram.record(latencyMs);
  return histogram.counts();
}

describe('bench', () => {
  it('puts so many operations on all replicas, on keys of its own only', async () => {
    const all = await start({}, {}, {});
    const summary = await bench(...FEW, '--keys', '50', '--value-size', '10');
    expect(summary).toMatchObject({
      exitCode: 0,
      stderr: '',
      answered: 120,
      errors: {},
      unsent: 0,
      getMs: null,
      load: {
        clients: 3,
        depth: 5,
        rate: null,
        keys: { distribution: 'uniform', keys: 50 },
        valueSize: 10,
        readRatio: 0,
        seed: 1,
      },
    });
    expect(summary.answeredPerSecond).toBeCloseTo((120 / summary.durationMs) * 1000);
    const { p50, p99, p999 } = summary.putMs;
    expect([p50, p99, p999]).toEqual([p50, p99, p999].toSorted((one, other) => one - other));
    expect(p50).toBeGreaterThan(0);
    const keys = keysOf(...all);
    expect(keys).toHaveLength(120);
    expect(keys.every((key) => /^bench\/00000000[0-4]\d$/.test(key))).toBe(true);
    for (const { writes } of all) expect(writes.length).toBeGreaterThan(0);
    expect((all[0]?.writes[0] as PutRequest | undefined)?.value).toHaveLength(10);
  });

  it('reads in the ratio it is given, and fills beforehand if told', async () => {
    const all = await start({});
    const summary = await bench(...FEW, '--keys', '30', '--read-ratio', '1', '--fill');
    expect(summary).toMatchObject({ exitCode: 0, answered: 120, putMs: null });
    expect(summary.getMs.p50).toBeGreaterThan(0);
    expect(all[0]?.gets).toBe(120);
    expect(new Set(keysOf(...all)).size).toBe(30);
    const mixed = await bench(...FEW, '--read-ratio', '0.5');
    expect([mixed.getMs, mixed.putMs]).not.toContain(null);
  });

  it('draws keys as it is told', async () => {
    const all = await start({});
    await bench(...FEW, '--keys', '1');
    await bench(...FEW, '--distribution', 'hot', '--conflict', '1');
    expect(new Set(keysOf(...all))).toEqual(new Set(['bench/0000000000']));
    const zipf = await bench(...FEW, '--distribution', 'zipf', '--zipf-exponent', '0.7');
    expect(zipf.load.keys).toEqual({ distribution: 'zipf', keys: 10_000, exponent: 0.7 });
    const usual = await bench(...FEW, '--distribution', 'zipf');
    expect(usual.load.keys.exponent).toBe(0.99);
  });

  it('measures for some time, in an open loop too', async () => {
    await start({});
    const closed = await bench('--duration', '100ms', '--warm-up', '0');
    expect(closed).toMatchObject({ exitCode: 0, errors: {} });
    expect(closed.durationMs).toBeGreaterThanOrEqual(99);
    const open = await bench('--duration', '100ms', '--warm-up', '10ms', '--rate', '500');
    expect(open).toMatchObject({ exitCode: 0, errors: {}, load: { rate: 500 } });
    expect(open.answered + open.unsent).toBeLessThanOrEqual(Math.ceil(open.durationMs / 2) + 1);
  });

  it('takes what happened at the replicas from the difference of two statuses', async () => {
    const before = {
      paths: { fast: 10, slow: 2, recovered: 1 },
      latencies: { operations: 50, commit: countsOf([0.01]), execute: [], executionDelay: [] },
      process: { cpuSeconds: 1, residentBytes: 2 ** 20 },
    };
    const after = {
      paths: { fast: 19, slow: 3, recovered: 1 },
      latencies: {
        operations: 150,
        commit: countsOf([0.01, 0.02, 0.03, 0.04]),
        execute: countsOf([0.05]),
        executionDelay: [],
      },
      process: { cpuSeconds: 1.5, residentBytes: 2 ** 21 },
    };
    await start(statuses(before, after));
    const { replicas: figures, cpuMicroseconds } = await bench('--operations', '100');
    expect(figures).toEqual({
      commitMs: { p50: 0.03, p99: 0.04, p999: 0.04 },
      executeMs: { p50: 0.05, p99: 0.05, p999: 0.05 },
      executionDelayMs: null,
      fast: 9,
      slow: 1,
      recovered: 0,
      fastPathRatio: 0.9,
      operationsPerInstance: 10,
      cpuSeconds: 0.5,
      residentBytes: [2 ** 21],
    });
    expect(cpuMicroseconds.replicas).toBe(5000);
    expect(cpuMicroseconds.load).toBeGreaterThan(0);
  });

  it('says nothing of a replica that was started again meanwhile', async () => {
    let uptimeSeconds = 10;
    await start({
      status: () => {
        uptimeSeconds -= 1;
        return { ...statusOf(1), uptimeSeconds };
      },
    });
    expect(await bench(...FEW)).toMatchObject({ exitCode: 0, answered: 120, replicas: null });
  });

  it('ends with 1 where operations fail, and says how', async () => {
    let puts = 0;
    await start({
      put: () => {
        puts += 1;
        if (puts <= 3) throw new KvError('limitExceeded', 'too large', { outcome: 'notApplied' });
        return { version: 1, previous: null };
      },
    });
    expect(await bench(...FEW)).toMatchObject({ exitCode: 1, answered: 117, errors: { limitExceeded: 3 } });
  });

  it('ends with 2 where no replica answers', async () => {
    vi.stubEnv('EPAXOS_ENDPOINTS', await refusedEndpoint());
    const { exitCode, stderr } = await bench(...FEW);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^error: no replica answers at 127\.0\.0\.1:\d+/);
  });

  it('prints lines for people, and a table', async () => {
    await start(statuses({}, { paths: { fast: 14, slow: 3, recovered: 1 } }));
    const simple = (await runCli(['bench', ...FEW])).stdout.toString();
    expect(simple).toMatch(
      /^load: 0 % gets, 100 bytes, 10000 keys, uniform; closed loop, 3 clients of depth 5$/m,
    );
    expect(simple).toMatch(/^throughput: \d+ a second \(120 operations in \d+\.\d\d s\)$/m);
    expect(simple).toMatch(/^put latency: p50 [\d.]+ ms, p99 [\d.]+ ms, p99\.9 [\d.]+ ms$/m);
    expect(simple).toMatch(/^fast path: 80\.00 % of 5 instances, 0\.0 operations each$/m);
    expect(simple).not.toMatch(/get latency|never sent|errors/);
    const table = (await runCli(['bench', ...FEW, '-w', 'table'])).stdout.toString();
    expect(table).toMatch(/│ throughput +│ \d+ a second/);
  });
});

describe('flags', () => {
  it.each([
    [['--operations', '5', '--duration', '1s'], '--operations and --duration'],
    [['--operations', '5', '--warm-up', '0'], '--warm-up'],
    [['--conflict', '0.5'], '--conflict needs --distribution hot'],
    [['--distribution', 'hot'], '--distribution hot needs --conflict'],
    [['--zipf-exponent', '0.9'], '--zipf-exponent needs --distribution zipf'],
    [['--distribution', 'hot', '--conflict', '0.5', '--keys', '3'], '--keys is 3'],
    [['--distribution', 'zipf', '--zipf-exponent', '1'], '0.5 to 0.99'],
    [['--distribution', 'pareto'], 'uniform, zipf, hot'],
    [['--read-ratio', '1.1'], '0 to 1'],
    [['--depth', '10001'], '--depth'],
    [['--rate', '0'], '--rate'],
    [['--value-size', '1048577'], '--value-size'],
    [['--duration', '0'], '--duration'],
  ])('ends with 3 for %j', async (args, message) => {
    const [one] = await start({});
    const { exitCode, stdout, stderr } = await runCli(['bench', ...args]);
    expect([exitCode, stdout.length, one?.writes.length]).toEqual([3, 0, 0]);
    expect(stderr).toContain(message);
  });

  it('have twins in the environment', async () => {
    await start({});
    vi.stubEnv('EPAXOS_OPERATIONS', '7');
    vi.stubEnv('EPAXOS_READ_RATIO', '1');
    vi.stubEnv('EPAXOS_DISTRIBUTION', 'hot');
    vi.stubEnv('EPAXOS_CONFLICT', '0.25');
    expect(await bench()).toMatchObject({
      answered: 7,
      load: { readRatio: 1, keys: { distribution: 'hot', conflict: 0.25 } },
    });
  });

  it('are explained, with what is written where', async () => {
    const { exitCode, stdout } = await runCli(['bench', '--help']);
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toMatch(/Writes only keys that begin with "bench\/"/);
    expect(stdout.toString()).toMatch(/Examples:\n.*epaxos bench/);
  });
});

describe('bench on a terminal', () => {
  /** What it draws on standard error, screen line by screen line, and prints on standard output. */
  async function draw(...args: readonly string[]) {
    const stdout = new PassThrough();
    const stderr = Object.assign(new PassThrough(), { isTTY: true });
    const exitCode = await run(['bench', ...args], { stdin: Readable.from([]), stdout, stderr });
    const drawn = String(stderr.read() ?? '').split('\r\u001b[K');
    return { exitCode, drawn, printed: String(stdout.read()) };
  }

  it('draws how many keys it has filled, then how many operations are done, and takes the bar away', async () => {
    await start({});
    const { exitCode, drawn, printed } = await draw(...FEW, '--clients', '1', '--fill', '--keys', '60');
    expect(exitCode).toBe(0);
    expect([drawn.at(0), drawn.at(-1)]).toEqual(['', '']);
    expect(drawn.find((line) => line.endsWith('keys'))).toMatch(/^█*░+ \d+ of 60 keys$/);
    expect(drawn.find((line) => line.endsWith('operations'))).toBe(`${'░'.repeat(30)} 0 of 120 operations`);
    expect(printed).toMatch(/^load: /);
  });

  it('draws how much of the time is over, the warm-up included', async () => {
    await start({});
    const { drawn } = await draw(
      '--duration',
      '300ms',
      '--warm-up',
      '200ms',
      '--clients',
      '1',
      '--depth',
      '1',
    );
    expect(drawn.at(1)).toBe(`${'░'.repeat(30)} 0 of 0.5 s`);
    const shown = drawn.slice(1, -1).filter((line) => line !== '');
    expect(shown.length).toBeGreaterThan(1);
    for (const line of shown) expect(line).toMatch(/^█*░* 0(\.[1-5])? of 0\.5 s$/);
  });

  it('takes the bar away also if it fails', async () => {
    await start({
      put: () => Promise.reject(new KvError('storageFailure', 'full', { outcome: 'notApplied' })),
    });
    const { exitCode, drawn } = await draw(...FEW, '--fill', '--keys', '10');
    expect([exitCode, drawn.slice(0, -1).join(''), drawn.length > 1]).toEqual([1, '', true]);
  });
});
