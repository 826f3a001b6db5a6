/** `epaxos probe` against replicas that answer as told. */
import { afterEach, describe, expect, it } from 'vitest';
import { FakeReplica, refusedEndpoint, statusOf } from '../client/fake-replica.ts';
import { runCli } from './run-cli.ts';

const replicas: FakeReplica[] = [];
afterEach(() => {
  for (const replica of replicas.splice(0)) replica.crash();
});

/** Endpoints of three replicas; of a fake one, everybody reaches all but those listed as down. */
async function start(down: readonly number[] = []): Promise<readonly string[]> {
  const started = await Promise.all(
    [1, 2, 3].map((id) => {
      const status = statusOf(id);
      const peers = status.peers.map((peer) => ({ ...peer, reachable: !down.includes(peer.replica) }));
      return FakeReplica.start({ status: () => ({ ...status, peers }) });
    }),
  );
  replicas.push(...started);
  return started.map(({ endpoint }) => endpoint);
}

function probe(endpoints: readonly string[], ...args: string[]) {
  return runCli(['probe', '--endpoints', endpoints.join(','), ...args]);
}

describe('probe', () => {
  it('shows the round trip from each replica to each other, and ends with 0', async () => {
    const { exitCode, stdout, stderr } = await probe(await start());
    expect([exitCode, stderr]).toEqual([0, '']);
    const rows = stdout.toString().match(/127\.0\.0\.1:\d+.*│/g) ?? [];
    const cells = rows.map((row) =>
      row
        .split('│')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
    expect(cells).toEqual([
      ['1', '-', '0.50 ms', '0.50 ms'],
      ['2', '0.50 ms', '-', '0.50 ms'],
      ['3', '0.50 ms', '0.50 ms', '-'],
    ]);
  });

  it('shows what is down, and ends with 1', async () => {
    const { exitCode, stdout } = await probe(await start([3]));
    expect(exitCode).toBe(1);
    expect(stdout.toString().match(/down/g)).toHaveLength(2);
  });

  it('shows endpoints that do not answer with the reason', async () => {
    const endpoints = [...(await start()).slice(0, 2), await refusedEndpoint()];
    const { exitCode, stdout } = await probe(endpoints);
    expect(exitCode).toBe(1);
    expect(stdout.toString()).toContain('ECONNREFUSED');
  });

  it('ends with 2 if none answers', async () => {
    expect((await probe([await refusedEndpoint()])).exitCode).toBe(2);
  });

  it('prints every link as JSON', async () => {
    const [first = ''] = await start([3]);
    const { stdout } = await probe([first, await refusedEndpoint()], '-w', 'json');
    expect(JSON.parse(stdout.toString())).toEqual([
      {
        endpoint: first,
        from: 1,
        links: [
          { to: 2, address: 'host:2', reachable: true, roundTripMs: 0.5 },
          { to: 3, address: 'host:3', reachable: false, roundTripMs: null },
        ],
      },
      { endpoint: expect.any(String), error: { code: 'unreachable', message: expect.any(String) } },
    ]);
  });
});
