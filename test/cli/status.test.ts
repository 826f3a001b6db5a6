/** `epaxos status` against replicas that answer as told. */
import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { LatencyHistogram } from '../../src/util/latency-histogram.ts';
import { FakeReplica, refusedEndpoint, statusOf } from '../client/fake-replica.ts';
import { start } from './replicas.ts';
import { runCli } from './run-cli.ts';

const PATIENCE = { timeout: 40_000, interval: 5 };

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

describe('status --watch', () => {
  /** What it has printed after so many looks; then it is told to stop. */
  async function watch(looks: number, options: { readonly isTerminal?: boolean } = {}, ...args: string[]) {
    let asked = 0;
    await start({
      status: () => {
        asked += 1;
        if (asked === looks) process.emit('SIGTERM', 'SIGTERM');
        const peers = asked < looks ? statusOf(1).peers : [];
        return { ...statusOf(1), peers, uptimeSeconds: asked };
      },
    });
    return runCli(['status', '--watch', '1ms', ...args], options);
  }

  it('looks again and again, and clears the screen on a terminal only', async () => {
    const piped = await watch(3, {}, '-w', 'json');
    const looks = piped.stdout
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(looks.map(([{ status }]) => status.uptimeSeconds)).toEqual([1, 2]);
    const shown = (await watch(3, { isTerminal: true })).stdout.toString().split('\u001b[H\u001b[2J');
    expect(shown.map((screen) => screen.match(/endpoint/g)?.length ?? 0)).toEqual([0, 1, 1]);
  });

  it('ends with the code of the last look that it finished; with 1 if there was none', async () => {
    expect((await watch(3)).exitCode).toBe(0);
    expect(await watch(1)).toMatchObject({ exitCode: 1, stdout: Buffer.alloc(0), stderr: '' });
  });

  it('sees a replica that comes back', async () => {
    const endpoint = await refusedEndpoint();
    const stdout = Object.assign(new PassThrough(), { isTTY: false });
    const printed: string[] = [];
    stdout.on('data', (data) => printed.push(String(data)));
    const args = ['status', '--watch', '10ms', '-w', 'json', '--endpoints', endpoint];
    const ended = run(args, { stdin: Readable.from([]), stdout, stderr: new PassThrough() });
    await vi.waitUntil(() => printed.length > 2, PATIENCE);
    const back = await FakeReplica.start({}, Number(endpoint.split(':')[1]));
    try {
      await vi.waitUntil(() => printed.at(-1)?.includes('"reachable":true,"status"'), PATIENCE);
    } finally {
      process.emit('SIGINT', 'SIGINT');
      expect(await ended).toBe(0);
      back.crash();
    }
  });

  it('leaves no listener for signals behind', async () => {
    const before = process.listenerCount('SIGTERM');
    await watch(2);
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });

  it('can be asked for in the environment, and refuses what is no time', async () => {
    await start({});
    vi.stubEnv('EPAXOS_WATCH', 'soon');
    const { exitCode, stderr } = await runCli(['status']);
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining('EPAXOS_WATCH')]);
  });
});

function cellsOf(line: string): string[] {
  return line
    .split('│')
    .slice(1, -1)
    .map((cell) => cell.trim());
}
