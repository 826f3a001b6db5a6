/** `epaxos batch-put` against replicas that answer as told. */
import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { KvError } from '../../src/errors.ts';
import type { PutRequest, PutResponse } from '../../src/wire/index.ts';
import { refusedEndpoint, silence } from '../client/fake-replica.ts';
import { keysOf, start } from './replicas.ts';
import { runCli } from './run-cli.ts';

async function summaryOf(...args: string[]) {
  const { exitCode, stdout, stderr } = await runCli(['batch-put', '-w', 'json', ...args]);
  return { exitCode, stderr, ...JSON.parse(stdout.toString()) };
}

const ALL_WELL = { failed: 0, unknown: 0, errors: {}, exitCode: 0, stderr: '' };

describe('batch-put', () => {
  it('goes through the keys in order, and counts', async () => {
    const [one] = await start({});
    const summary = await summaryOf('--count', '25', '--keys', '10', '--depth', '1', '--key-prefix', 'k/');
    expect(summary).toMatchObject({ count: 25, acknowledged: 25, ...ALL_WELL });
    const { p50, p90, p99, max } = summary.latencyMs;
    expect([p50, p90, p99, max]).toEqual([p50, p90, p99, max].toSorted((a, b) => a - b));
    expect(p50).toBeGreaterThan(0);
    expect(keysOf(one)).toEqual(Array.from({ length: 25 }, (_, index) => `k/${index % 10}`));
  });

  it('draws keys and values by chance', async () => {
    const [one] = await start({});
    const summary = await summaryOf('--count', '200', '--keys', '4', '--random', '--value-size', '32');
    expect(summary).toMatchObject({ acknowledged: 200, ...ALL_WELL });
    expect(new Set(keysOf(one))).toEqual(new Set(['key-0', 'key-1', 'key-2', 'key-3']));
    const puts = (one?.writes ?? []) as PutRequest[];
    const values = puts.map(({ value }) => Buffer.from(value).toString('hex'));
    expect(values.every((value) => value.length === 64)).toBe(true);
    expect(new Set(values).size).toBe(200);
  });

  it('spreads the puts over all replicas, or sends them to one', async () => {
    const all = await start({}, {}, {});
    await summaryOf('--count', '30');
    expect(all.map(({ writes }) => writes.length)).toEqual([10, 10, 10]);
    await summaryOf('--count', '30', '--replica', '2');
    expect(all.map(({ writes }) => writes.length)).toEqual([10, 40, 10]);
  });

  it('keeps as many under way as --depth says', async () => {
    let underWay = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    const answerAll = () => {
      for (const answer of waiting.splice(0)) answer();
    };
    await start({
      put: () =>
        new Promise<Omit<PutResponse, 'generation'>>((resolve) => {
          underWay += 1;
          most = Math.max(most, underWay);
          waiting.push(() => {
            underWay -= 1;
            resolve({ version: 1, previous: null });
          });
          // The seventh comes only if seven are sent before the first is answered.
          if (underWay === 7) setImmediate(answerAll);
        }),
    });
    expect(await summaryOf('--count', '70', '--depth', '7')).toMatchObject({ acknowledged: 70, exitCode: 0 });
    expect(most).toBe(7);
  });

  it('goes on at another replica where one is down', async () => {
    const [one] = await start({});
    const endpoints = `${await refusedEndpoint()},${one?.endpoint}`;
    const summary = await summaryOf('--endpoints', endpoints, '--count', '20');
    expect(summary).toMatchObject({ acknowledged: 20, ...ALL_WELL });
  });

  it('ends with 1 where some puts were not applied, and says why', async () => {
    const refusal = new KvError('limitExceeded', 'too large', { outcome: 'notApplied' });
    let puts = 0;
    await start({
      put: () => {
        puts += 1;
        if (puts <= 3) throw refusal;
        return { version: 1, previous: null };
      },
    });
    expect(await summaryOf('--count', '10')).toMatchObject({
      exitCode: 1,
      acknowledged: 7,
      failed: 3,
      unknown: 0,
      errors: { limitExceeded: 3 },
    });
  });

  it('ends with 6 where the outcome of some is not known', async () => {
    await start({ put: silence });
    expect(await summaryOf('--count', '2', '--command-timeout', '2s')).toMatchObject({
      exitCode: 6,
      acknowledged: 0,
      unknown: 2,
      latencyMs: null,
      errors: { deadlineExceeded: 2 },
    });
  });

  it('ends with 6 where one was not applied and the outcome of another is not known: whoever reads it must look', async () => {
    let puts = 0;
    await start({
      put: () => {
        puts += 1;
        if (puts === 1) throw new KvError('limitExceeded', 'too large', { outcome: 'notApplied' });
        if (puts === 2) throw new KvError('internal', 'a bug', { outcome: 'unknown' });
        return { version: 1, previous: null };
      },
    });
    expect(await summaryOf('--count', '10')).toMatchObject({
      exitCode: 6,
      acknowledged: 8,
      failed: 1,
      unknown: 1,
      errors: { internal: 1, limitExceeded: 1 },
    });
  });

  it('prints a few lines for people, and a table', async () => {
    await start({});
    const simple = await runCli(['batch-put', '--count', '10']);
    expect(simple.stdout.toString()).toMatch(
      /^10 of 10 puts acknowledged in \d+\.\d\d s, \d+ a second\nlatency: p50 .* ms, p90 .* ms, p99 .* ms, max .* ms\n$/,
    );
    const table = await runCli(['batch-put', '--count', '10', '-w', 'table']);
    expect(table.stdout.toString()).toMatch(/│ acknowledged │ not applied │ perhaps applied │/);
    vi.stubEnv('EPAXOS_ENDPOINTS', await refusedEndpoint());
    const failed = await runCli(['batch-put', '--count', '2']);
    expect(failed.stdout.toString()).toMatch(/^0 of 2 puts.*\nnot applied: 2\nerrors: unreachable 2\n$/);
  });

  it.each([
    ['--depth', '10001'],
    ['--count', '0'],
    ['--value-size', '1048577'],
    ['--replica', '4'],
    ['--key-prefix', 'k'.repeat(4096)],
  ])('ends with 3 for %s %s', async (flag, value) => {
    await start({}, {}, {});
    const { exitCode, stdout, stderr } = await runCli(['batch-put', flag, value]);
    expect([exitCode, stdout.length]).toEqual([3, 0]);
    expect(stderr).toContain(flag);
  });

  it('takes its flags from the environment', async () => {
    await start({});
    vi.stubEnv('EPAXOS_COUNT', '3');
    vi.stubEnv('EPAXOS_DEPTH', '2');
    expect(await summaryOf()).toMatchObject({ count: 3, acknowledged: 3 });
  });

  it('draws a bar on a terminal, on standard error, and takes it away', async () => {
    await start({});
    const stdout = new PassThrough();
    const stderr = Object.assign(new PassThrough(), { isTTY: true });
    await run(['batch-put', '--count', '5', '--depth', '1'], { stdin: Readable.from([]), stdout, stderr });
    const drawn = String(stderr.read()).split('\r\u001b[K');
    expect([drawn.at(0), drawn.at(-1)]).toEqual(['', '']);
    expect(drawn.at(1)).toMatch(/^█*░+ \d of 5$/);
    expect(String(stdout.read())).toMatch(/^5 of 5/);
  });
});
