/**
 * Do memory and disk stay bounded under a steady load that overwrites the same keys? Real processes on this
 * machine; every minute a line for each replica, at the end what its store still holds and how the figures of
 * the last minutes relate. With `--dead` the replica with the highest id is killed after the first minute and
 * stays away until the end. The build must be fresh: npm run build. Needs Linux.
 *
 *   npx tsx bench/soak.ts [--replicas 3|5] [--minutes 10] [--keys 1000] [--rate 300] [--clients 8] [--dead]
 */

import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { type KvClient, KvError } from '../src/client/index.ts';
import type { Storage } from '../src/storage/index.ts';
import { Prng } from '../src/util/prng.ts';
import { ProcessCluster } from '../test/support/process-cluster.ts';
import { storedRows } from '../test/support/stored-rows.ts';
import { diskMib, median, residentMib } from './process-use.ts';

const SAMPLE_EVERY_MS = 5000;
const VALUE = 'x'.repeat(100);
/** Of a hundred requests; the rest are puts. */
const [GETS, DELETES] = [15, 5];

/** One replica in one minute. */
interface Sample {
  readonly memoryMib: number;
  readonly diskMib: number;
}

/** Clients that together send `rate` requests a second, or as many as are answered if that is less. */
class SteadyLoad {
  readonly #options: { readonly keys: number; readonly intervalMs: number };
  readonly #random = new Prng(1);
  readonly #workers: readonly Promise<void>[];
  #isStopped = false;
  answered = 0;
  readonly failures = new Map<string, number>();

  constructor(clients: readonly KvClient[], options: { readonly keys: number; readonly rate: number }) {
    this.#options = { keys: options.keys, intervalMs: (1000 * clients.length) / options.rate };
    this.#workers = clients.map((client) => this.#work(client));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#workers);
  }

  async #work(client: KvClient): Promise<void> {
    for (let dueMs = performance.now(); !this.#isStopped; ) {
      try {
        await this.#request(client);
        this.answered += 1;
      } catch (error) {
        if (!(error instanceof KvError)) throw error;
        this.failures.set(error.code, (this.failures.get(error.code) ?? 0) + 1);
      }
      dueMs = Math.max(dueMs + this.#options.intervalMs, performance.now());
      await wait(dueMs - performance.now());
    }
  }

  async #request(client: KvClient): Promise<unknown> {
    const key = `key ${this.#random.integer(1, this.#options.keys)}`;
    const kind = this.#random.integer(1, 100);
    if (kind <= GETS) return client.get(key);
    if (kind <= GETS + DELETES) return client.delete(key);
    return client.put(key, `${this.answered} ${VALUE}`);
  }
}

/** Watches the running replicas for a minute; medians, by id. */
async function watchMinute(cluster: ProcessCluster, endMs: number): Promise<Map<number, Sample>> {
  const seen = new Map<number, Sample[]>();
  while (performance.now() < endMs) {
    await wait(Math.min(SAMPLE_EVERY_MS, Math.max(0, endMs - performance.now())));
    for (const id of cluster.ids) {
      const pid = cluster.pid(id);
      if (pid === null) continue;
      const sample = { memoryMib: residentMib(pid), diskMib: diskMib(cluster.dataDir(id)) };
      seen.set(id, [...(seen.get(id) ?? []), sample]);
    }
  }
  return new Map(
    [...seen].map(([id, samples]) => [
      id,
      {
        memoryMib: median(samples.map((sample) => sample.memoryMib)),
        diskMib: median(samples.map((sample) => sample.diskMib)),
      },
    ]),
  );
}

async function instancesOf(cluster: ProcessCluster, id: number): Promise<number> {
  const { rows } = await cluster.status(id);
  return rows.reduce((sum, { highest }) => sum + highest, 0);
}

/** What a store holds: records of instances, answers and rows. */
async function contentsOf(storage: Storage): Promise<readonly number[]> {
  const contents = [storage.records(), storage.answerPages(), storedRows(storage)];
  return Promise.all(
    contents.map(async (entries: AsyncIterable<unknown>) => {
      let count = 0;
      for await (const _ of entries) count += 1;
      return count;
    }),
  );
}

/** Memory and disk of each replica at the marks, and the last over the one before. */
function report(history: readonly Map<number, Sample>[], ids: readonly number[]): string {
  const marks = [0.2, 0.6, 1].map((part) => Math.max(1, Math.round(part * history.length)));
  const lines = ids.flatMap((id) =>
    (['memoryMib', 'diskMib'] as const).map((what) => {
      const values = marks.map((minute) => history[minute - 1]?.get(id)?.[what] ?? Number.NaN);
      const [first = 0, middle = 0, last = 0] = values;
      const figures = [
        ...values.map((value) => value.toFixed(1)),
        (last / middle).toFixed(2),
        (last / first).toFixed(2),
      ];
      return `| ${id} | ${what === 'memoryMib' ? 'memory' : 'disk'} | ${figures.join(' | ')} |`;
    }),
  );
  const [first, middle, last] = marks;
  const head = `| replica | MiB | minute ${first} | minute ${middle} | minute ${last} | ${last} : ${middle} | ${last} : ${first} |`;
  return [head, '| --- | --- | --- | --- | --- | --- | --- |', ...lines].join('\n');
}

const { values } = parseArgs({
  options: {
    replicas: { type: 'string', default: '3' },
    minutes: { type: 'string', default: '10' },
    keys: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '300' },
    clients: { type: 'string', default: '8' },
    dead: { type: 'boolean', default: false },
  },
});
const cluster = await ProcessCluster.start(values.replicas === '5' ? 5 : 3);
try {
  const victim = values.dead ? cluster.ids.length : null;
  const survivors = cluster.ids.filter((id) => id !== victim);
  // Each begins at another replica, and knows them all.
  const clients = Array.from({ length: Number(values.clients) }, (_, index) =>
    cluster.connect({ ids: cluster.ids.map((id) => ((id + index) % cluster.ids.length) + 1) }),
  );
  const load = new SteadyLoad(clients, { keys: Number(values.keys), rate: Number(values.rate) });
  const startedMs = performance.now();
  const history: Map<number, Sample>[] = [];
  console.log(
    `${cluster.ids.length} replicas, ${values.keys} keys, at most ${values.rate} requests a second`,
  );
  console.log('| minute | requests answered | replica | instances so far | memory MiB | disk MiB |');
  console.log('| --- | --- | --- | --- | --- | --- |');
  for (let minute = 1; minute <= Number(values.minutes); minute += 1) {
    const samples = await watchMinute(cluster, startedMs + minute * 60_000);
    history.push(samples);
    for (const [id, { memoryMib, diskMib }] of samples) {
      const instances = await instancesOf(cluster, id);
      console.log(
        `| ${minute} | ${load.answered} | ${id} | ${instances} | ${memoryMib.toFixed(1)} | ${diskMib.toFixed(1)} |`,
      );
    }
    if (minute === 1 && victim !== null) await cluster.kill(victim);
  }
  await load.stop();
  console.log(`\n${report(history, survivors)}\n`);
  console.log(`answered ${load.answered}, failed ${JSON.stringify(Object.fromEntries(load.failures))}`);

  if (victim !== null) await cluster.startAgain([victim]);
  await cluster.untilConverged();
  const tables = await cluster.stopAndReadTables();
  for (const id of cluster.ids) {
    const [records, answers, rows] = await cluster.readStore(id, contentsOf);
    console.log(`replica ${id} holds ${records} records of instances, ${answers} answers, ${rows} rows`);
  }
  const areEqual = tables.every((table) => isDeepStrictEqual(table, tables[0]));
  console.log(`tables of all replicas: ${areEqual ? 'equal' : 'DIFFERENT'}`);
  if (!areEqual) process.exitCode = 1;
} finally {
  await cluster.close();
}
