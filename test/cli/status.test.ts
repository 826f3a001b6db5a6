/** `epaxos status` against replicas that answer as told. */
import { describe, expect, it } from 'vitest';
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
