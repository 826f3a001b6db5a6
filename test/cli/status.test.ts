/** `epaxos status` against replicas that answer as told. */
import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../../src/util/latency-histogram.ts';
import { refusedEndpoint, statusOf } from '../client/fake-replica.ts';
import { start } from './replicas.ts';
import { runCli } from './run-cli.ts';

/** Starts replicas 1, 2, 3, … of a cluster of three, and gives their endpoints. @param reached by each: so many peers */
async function cluster(...reached: readonly number[]): Promise<string[]> {
  const started = await start(
    ...reached.map((count, index) => {
      const status = statusOf(index + 1);
      const peers = status.peers.map((peer, place) => ({ ...peer, reachable: place < count }));
      return { status: () => ({ ...status, peers }) };
    }),
  );
  return started.map(({ endpoint }) => endpoint);
}

function status(endpoints: readonly string[], ...args: string[]) {
  return runCli(['status', '--endpoints', endpoints.join(','), ...args]);
}

describe('status', () => {
  it('asks every endpoint, and tells why one does not answer', async () => {
    const { exitCode, stdout } = await status([...(await cluster(1)), await refusedEndpoint()]);
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toContain('serving');
    expect(stdout.toString()).toContain('ECONNREFUSED');
  });

  it('ends with 2 if none answers', async () => {
    const { exitCode, stdout } = await status([await refusedEndpoint()], '-w', 'json');
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout.toString())).toMatchObject([
      { reachable: false, error: { code: 'unreachable' } },
    ]);
  });
});

describe('status ends with 0 only if a majority can be seen serving', () => {
  it.each<[what: string, reached: readonly number[], refused: number, exitCode: number]>([
    ['all of three serve', [2, 2, 2], 0, 0],
    ['two of three serve, and one is away', [1, 1], 1, 0],
    ['two of three serve, and one reaches nobody', [1, 1, 0], 0, 0],
    ['one of three has not noticed yet that the others are away', [2], 2, 1],
    ['nobody reaches anybody', [0, 0, 0], 0, 1],
    ['one alone is asked, and reaches a majority', [1], 0, 0],
    ['one alone is asked, and reaches nobody', [0], 0, 1],
    ['two of three are asked, of which one is away and the other reaches the third', [1], 1, 0],
    ['none of three answers', [], 3, 2],
  ])('%s', async (_, reached, refused, exitCode) => {
    const away = await Promise.all(Array.from({ length: refused }, refusedEndpoint));
    expect((await status([...(await cluster(...reached)), ...away])).exitCode).toBe(exitCode);
  });

  it('counts a replica once, however many endpoints are its', async () => {
    const twice = await start(
      { status: () => statusOf(1) },
      { status: () => statusOf(1) },
      { status: () => ({ ...statusOf(2), peers: [] }) },
    );
    expect((await status(twice.map(({ endpoint }) => endpoint))).exitCode).toBe(1);
  });
});

describe('status fits what reads it', () => {
  /** As much as a replica tells after three days under load. */
  function busy(replica: number) {
    const histogram = new LatencyHistogram();
    for (let latencyMs = 1; latencyMs <= 1000; latencyMs += 1) histogram.record(latencyMs);
    const counts = histogram.counts();
    const slots = Array.from({ length: 3 }, (_, index) => ({
      ...{
        replica: index + 1,
        committed: 1_234_567,
        executed: 1_234_567,
        highest: 1_234_567,
        pruned: 1_234_000,
      },
    }));
    return {
      status: () => ({
        ...statusOf(replica),
        version: '0.2.0-dev',
        uptimeSeconds: 3 * 86_400 + 4 * 3_600,
        rows: slots,
        snapshot: replica === 3 ? { source: 2, entries: 1_234_567, bytes: 1e9 } : null,
        latencies: { operations: 5000, commit: counts, execute: counts, executionDelay: [] },
      }),
    };
  }

  it('is a table of at most 100 columns for three replicas', async () => {
    await start(busy(1), busy(2), busy(3));
    const { stdout } = await runCli(['status']);
    const lines = stdout.toString().split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    const shared = ['0.2.0-dev', '3d 4h', '507.9 ms', '999.4 ms'];
    expect(lines.filter((line) => line.includes('127.0.0.1')).map((line) => cellsOf(line).slice(1))).toEqual([
      ['1 of 3', 'serving', ...shared],
      ['2 of 3', 'serving', ...shared],
      ['3 of 3', 'serving, copying', ...shared],
    ]);
  });

  it('is wider if asked for', async () => {
    await start(busy(1), busy(2), busy(3));
    const lines = (await runCli(['status', '--wide'])).stdout.toString().split('\n');
    const narrow = (await runCli(['status'])).stdout.toString().split('\n');
    expect(cellsOf(lines[1] ?? '')).toEqual([
      ...cellsOf(narrow[1] ?? ''),
      ...[
        'committed',
        'executed',
        'pruned',
        'fast',
        'slow',
        'recovered',
        'open',
        'waiting',
        'blocked',
        'peers up',
      ],
    ]);
    expect(cellsOf(lines.find((line) => line.includes('3 of 3')) ?? '')).toContain(
      'serving, copying 2: 1234567 entries, 953.7 MiB',
    );
  });

  it('has no more than a few thousand bytes a replica in JSON', async () => {
    await start(busy(1));
    const { stdout } = await runCli(['status', '-w', 'json']);
    expect(stdout.length).toBeLessThan(3000);
    expect(JSON.parse(stdout.toString())[0].status.latencies).toEqual({
      operations: 5000,
      commitMs: { count: 1000, p50: 507.903, p99: 999.423, p999: 1015.807 },
      executeMs: { count: 1000, p50: 507.903, p99: 999.423, p999: 1015.807 },
      executionDelayMs: null,
    });
  });
});

function cellsOf(line: string): string[] {
  return line
    .split('│')
    .slice(1, -1)
    .map((cell) => cell.trim());
}
