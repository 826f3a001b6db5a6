/** `epaxos health` against replicas that answer as told. */
import { describe, expect, it, vi } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { refusedEndpoint, silence } from '../client/fake-replica.ts';
import { start } from './replicas.ts';
import { runCli } from './run-cli.ts';

const noQuorum = () => {
  throw new KvError('noQuorum', 'a majority of replicas cannot be reached', { outcome: 'notApplied' });
};

/** Names these endpoints, as they are, instead of all that were started. */
function ask(...endpoints: readonly (string | undefined)[]): void {
  vi.stubEnv('EPAXOS_ENDPOINTS', endpoints.join(','));
}

describe('health', () => {
  it('reads a key at every endpoint, linearizably, and tells how long that took', async () => {
    const replicas = await start({}, {}, {});
    const { exitCode, stdout, stderr } = await runCli(['health']);
    expect([exitCode, stderr]).toEqual([0, '']);
    const lines = stdout.toString().trimEnd().split('\n');
    expect(lines.map((line) => line.replace(/\d+\.\d+ ms$/, 'TIME'))).toEqual(
      replicas.map(({ endpoint }) => `${endpoint} is healthy: a read took TIME`),
    );
    for (const { reads, writes } of replicas) {
      expect(reads).toEqual([{ key: Buffer.from('epaxos/health'), stale: false }]);
      expect(writes).toEqual([]);
    }
  });

  it('names those that are not healthy and why, and ends with 1', async () => {
    const [well, alone, stuck] = await start({}, { get: noQuorum }, { get: silence });
    const refused = await refusedEndpoint();
    ask(well?.endpoint, alone?.endpoint, stuck?.endpoint, refused);
    const { exitCode, stdout } = await runCli(['health', '--command-timeout', '500ms']);
    expect(exitCode).toBe(1);
    expect(stdout.toString().trimEnd().split('\n')).toEqual([
      expect.stringMatching(`^${well?.endpoint} is healthy: a read took .* ms$`),
      expect.stringMatching(
        `^${alone?.endpoint} is unhealthy after .* ms: .*a majority of replicas cannot be reached`,
      ),
      expect.stringMatching(`^${stuck?.endpoint} is unhealthy after .* ms: .*500 ms`),
      expect.stringMatching(`^${refused} is unhealthy after .* ms: .*ECONNREFUSED`),
    ]);
    expect(well?.gets).toBe(1); // nobody stands in for another
  });

  it('ends with 1 if one is away, and with 2 if none can be reached', async () => {
    const [one] = await start({});
    ask(one?.endpoint, await refusedEndpoint());
    expect((await runCli(['health'])).exitCode).toBe(1);
    ask(await refusedEndpoint(), await refusedEndpoint());
    expect((await runCli(['health'])).exitCode).toBe(2);
  });

  it('prints the same as JSON and as a table', async () => {
    const [one] = await start({});
    const refused = await refusedEndpoint();
    ask(one?.endpoint, refused);
    const json = await runCli(['health', '-w', 'json']);
    expect(json.exitCode).toBe(1);
    expect(JSON.parse(json.stdout.toString())).toEqual([
      { endpoint: one?.endpoint, healthy: true, tookMs: expect.any(Number), error: null },
      {
        endpoint: refused,
        healthy: false,
        tookMs: expect.any(Number),
        error: { code: 'unreachable', message: expect.stringContaining('ECONNREFUSED') },
      },
    ]);
    const table = (await runCli(['health', '-w', 'table'])).stdout.toString();
    expect(table).toMatch(/│ endpoint +│ healthy │ took +│ error +│/);
    expect(table).toMatch(new RegExp(`│ ${one?.endpoint} +│ yes +│ \\d.* ms +│ +│`));
    expect(table).toMatch(new RegExp(`│ ${refused} +│ no +│ \\d.* ms +│ .*ECONNREFUSED.* │`));
  });
});
