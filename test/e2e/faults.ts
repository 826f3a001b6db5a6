/**
 * One cluster of real processes goes through everything that a cluster must survive. Afterwards each scenario
 * demands: all replicas have executed the same, every key reads the same at each of them, and one order of all
 * operations explains every answer; or, of multi-gets, that each saw one moment. At the end the tables on disk are compared.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { KvClient } from '../../src/client/index.ts';
import { ClientHistory } from '../support/client-history.ts';
import { epaxos } from '../support/epaxos-command.ts';
import { Load, type LoadKind } from '../support/load.ts';
import { brokenReads, PairLoad } from '../support/pair-load.ts';
import { ProcessCluster } from '../support/process-cluster.ts';

const MIXED: readonly LoadKind[] = ['put', 'put', 'exchange', 'get', 'get', 'delete'];
const PUTS_AND_GETS: readonly LoadKind[] = ['put', 'exchange', 'get'];

/** Longer than any of these requests waits on a machine that does its work at all. */
const PATIENT_MS = 30_000;
const TEST_TIMEOUT_MS = 120_000;

export function describeFaults(replicas: 3 | 5): void {
  const minority = replicas === 3 ? [1] : [1, 4];

  describe(`${replicas} replicas`, { timeout: TEST_TIMEOUT_MS }, () => {
    let cluster: ProcessCluster;
    /** One client a replica, in order of their ids. */
    let pinned: readonly KvClient[];

    beforeAll(async () => {
      cluster = await ProcessCluster.start(replicas);
      pinned = cluster.ids.map((id) => cluster.connect({ ids: [id], timeoutMs: PATIENT_MS }));
    }, TEST_TIMEOUT_MS);
    afterAll(() => cluster.close());
    beforeEach(async ({ onTestFailed }) => {
      onTestFailed(() => void process.stderr.write(cluster.logs()));
      await cluster.mend();
    });

    /** What every scenario ends with, when nobody writes any more. */
    async function demandConsistency(history: ClientHistory, keys: readonly string[]): Promise<void> {
      await cluster.untilConverged();
      await Promise.all(
        keys.map(async (key) => {
          const seen = await Promise.all(pinned.map((client) => history.get(client, key)));
          expect(seen, `${key} at each replica`).toEqual(seen.map(() => seen[0]));
        }),
      );
      expect(history.check()).toEqual({ type: 'linearizable' });
    }

    test('writers on one key at every replica: one order', async () => {
      const history = new ClientHistory();
      const keys = ['one key'];
      const load = new Load({ history, keys, clients: [...pinned, ...pinned], kinds: MIXED, seed: 1 });
      await load.untilAnswered(400);
      await load.stop();
      expect(load.failures).toEqual([]);
      await demandConsistency(history, keys);
    });

    test('writers on many keys at every replica: every write is there', async () => {
      const history = new ClientHistory();
      const keys = keysNamed('many', 50);
      const load = new Load({ history, keys, clients: [...pinned, ...pinned], kinds: MIXED, seed: 2 });
      await load.untilAnswered(1000);
      await load.stop();
      expect(load.failures).toEqual([]);
      await demandConsistency(history, keys);
    });

    test(`kill -9 of ${minority.length}: the others go on, also with what the dead were writing`, async () => {
      const history = new ClientHistory();
      const [shared, own] = [keysNamed('shared', 4), keysNamed('own', 4)];
      const isDoomed = (_: KvClient, index: number) => minority.includes(index + 1);
      const doomed = pinned.filter(isDoomed);
      const survivors = pinned.filter((client, index) => !isDoomed(client, index));
      const common = { history, kinds: PUTS_AND_GETS };
      const dying = new Load({ ...common, keys: shared, clients: [...doomed, ...doomed], seed: 3 });
      const amidst = new Load({ ...common, keys: shared, clients: survivors, seed: 4 });
      const apart = new Load({ ...common, keys: own, clients: survivors, seed: 5 });
      await Promise.all([dying.untilAnswered(50), amidst.untilAnswered(100), apart.untilAnswered(100)]);

      await cluster.kill(...minority);
      await Promise.all([amidst.untilAnswered(100), apart.untilAnswered(100)]);
      // The very keys, each through each survivor, and new ones.
      const touched = [...shared, ...keysNamed('new', 4)];
      for (const [index, client] of survivors.entries()) {
        await Promise.all(touched.map((key) => history.exchange(client, key, `through survivor ${index}`)));
      }
      await Promise.all([amidst.stop(), apart.stop()]);
      expect([...amidst.failures, ...apart.failures]).toEqual([]);

      await cluster.startAgain(minority);
      await dying.stop();
      await demandConsistency(history, [...touched, ...own]);
      await demandEqualStatus();
    });

    test('kill -9 of all, under load: nothing that was answered is lost', async () => {
      const history = new ClientHistory();
      const keys = [...keysNamed('crash', 40), 'crash'];
      const clients = cluster.ids.map((id) => cluster.connect({ ids: [id], timeoutMs: 1000 }));
      const load = new Load({ history, keys, clients: [...clients, ...clients], kinds: ['put'], seed: 5 });
      await load.untilAnswered(500);
      await cluster.kill(...cluster.ids);
      await load.stop();
      await cluster.startAgain(cluster.ids);

      await demandConsistency(history, keys);
      // The same once more, without the checker: a version counts the puts that were applied.
      for (const key of keys) {
        const { version } = await history.get(pinned[0] as KvClient, key);
        const puts = history.operations.filter((one) => one.kind === 'put' && one.key === key);
        expect(version).toBeGreaterThanOrEqual(puts.filter(({ result }) => result !== null).length);
        expect(version).toBeLessThanOrEqual(puts.length);
      }
    });

    test('a frozen replica: the others go on, and it catches up', async () => {
      const history = new ClientHistory();
      const keys = keysNamed('frozen', 6);
      const [frozen, ...others] = pinned as [KvClient, ...KvClient[]];
      const load = new Load({ history, keys, clients: others, kinds: PUTS_AND_GETS, seed: 6 });
      const caught = new Load({ history, keys, clients: [frozen], kinds: PUTS_AND_GETS, seed: 7 });
      await Promise.all([load.untilAnswered(50), caught.untilAnswered(10)]);

      cluster.pause(1);
      await load.untilAnswered(100);
      await cluster.untilUnreachable(1);
      await load.untilAnswered(100);
      cluster.resume(1);

      await cluster.untilConnected();
      await caught.untilAnswered(10);
      await Promise.all([load.stop(), caught.stop()]);
      expect(load.failures).toEqual([]);
      await demandConsistency(history, keys);
    });

    test('SIGTERM to one, under load: it drains, its clients go elsewhere, nothing is lost', async () => {
      const history = new ClientHistory();
      const keys = keysNamed('drain', 6);
      // Each begins at the replica that will stop, and knows the others.
      const stopping = replicas;
      const clients = Array.from({ length: 4 }, () =>
        cluster.connect({ ids: [stopping, ...cluster.ids.filter((id) => id !== stopping)] }),
      );
      const load = new Load({ history, keys, clients, kinds: PUTS_AND_GETS, seed: 8 });
      await load.untilAnswered(100);
      expect(await cluster.terminate(stopping)).toEqual({ code: 0, signal: null });
      await load.untilAnswered(100);
      await load.stop();
      expect(load.failures).toEqual([]);

      await cluster.startAgain([stopping]);
      await demandConsistency(history, keys);
    });

    test('multi-gets, while replicas are killed and come back: each sees one moment', async () => {
      // Writers go elsewhere when their replica dies; of the readers each asks one replica, whether it lives or not.
      const others = (id: number) => cluster.ids.filter((other) => other !== id);
      const writers = cluster.ids.map((id) => cluster.connect({ ids: [id, ...others(id)] }));
      const readers = cluster.ids.map((id) => cluster.connect({ ids: [id], timeoutMs: 1000 }));
      const load = new PairLoad({ writers, readers, seed: 9 });
      await load.untilDone(100);
      await cluster.kill(...minority);
      await load.untilDone(100);
      await cluster.startAgain(minority);
      await load.untilDone(100);
      await load.stop();
      expect(brokenReads(load.reads)).toEqual([]);
      await cluster.untilConverged();
      const seen = await Promise.all(pinned.map((client) => client.multiGet(load.keys)));
      expect(seen).toEqual(seen.map(() => seen[0]));
    });

    test('the tables on disk are the same', async () => {
      await cluster.untilConverged();
      const [first, ...others] = await cluster.stopAndReadTables();
      expect(first?.length).toBeGreaterThan(50);
      for (const table of others) expect(table).toEqual(first);
    });

    /** What an operator sees: `epaxos -w json status` names the same watermarks for every replica. */
    async function demandEqualStatus(): Promise<void> {
      await cluster.untilConverged();
      const { stdout, exitCode } = await epaxos([
        '--endpoints',
        cluster.endpoints.join(','),
        '-w',
        'json',
        'status',
      ]);
      expect(exitCode).toBe(0);
      const reports = JSON.parse(stdout.toString('utf8')) as {
        readonly status: { readonly rows: readonly { readonly pruned: number }[] };
      }[];
      // Each forgets in its own time.
      const rows = reports.map(({ status }) => status.rows.map((row) => ({ ...row, pruned: 0 })));
      expect(rows).toHaveLength(replicas);
      expect(rows).toEqual(rows.map(() => rows[0]));
    }
  });
}

function keysNamed(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix} ${index + 1}`);
}
