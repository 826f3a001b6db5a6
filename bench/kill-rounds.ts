/**
 * Is anything lost, or applied twice, when replicas are killed on the spot again and again under load? Real
 * processes on this machine. Each round kills one replica with SIGKILL (of five sometimes two, and in every
 * fifth round all), and starts what was killed again while clients at all replicas go on. At the end one order
 * must explain every answer, versions must count the puts that were applied, and the tables on disk must be
 * the same. If anything is wrong the exit code is 1 and the data stays. The build must be fresh: npm run build.
 *
 *   npx tsx bench/kill-rounds.ts [--replicas 3|5] [--rounds 50] [--seed 1]
 */
import { isDeepStrictEqual, parseArgs } from 'node:util';
import type { KvError } from '../src/client/index.ts';
import { Prng } from '../src/util/prng.ts';
import { ClientHistory } from '../test/support/client-history.ts';
import { Load } from '../test/support/load.ts';
import { ProcessCluster, type TableRow } from '../test/support/process-cluster.ts';
import { until } from '../test/support/until.ts';
import { Prober } from './prober.ts';

const KILL_ALL_EVERY = 5;
/** New in every round; each key is worked on for two rounds, so that every kill has a before and an after. */
const KEYS_A_ROUND = { mixed: 6, counted: 3 } as const;
const TIMEOUT_MS = 10_000;

interface Kills {
  rounds: number;
  kills: number;
  killsOfAll: number;
  /** Of clients of replicas that were not killed, from the kill until the killed ones were back. */
  longestStallMs: number;
}

/** Clients that never stop: on mixed keys everything is done, on counted keys nothing but puts. */
class Work {
  readonly history = new ClientHistory();
  /** Every key that was ever worked on. */
  readonly mixed: string[] = [];
  readonly counted: string[] = [];
  readonly #current = { mixed: [] as string[], counted: [] as string[] };
  readonly #loads: readonly Load[];
  /** One a replica, by id: its client knows no other. */
  readonly probers: ReadonlyMap<number, Prober>;

  constructor(cluster: ProcessCluster, seed: number) {
    this.turnTo(0);
    const { history } = this;
    const { ids } = cluster;
    // Each begins at another replica, and knows them all.
    const clients = [...ids, ...ids].map((first) => {
      return cluster.connect({ ids: [first, ...ids.filter((id) => id !== first)], timeoutMs: TIMEOUT_MS });
    });
    const { mixed, counted } = this.#current;
    this.#loads = [
      new Load({ history, clients, keys: mixed, kinds: ['put', 'exchange', 'get', 'get', 'delete'], seed }),
      new Load({ history, clients, keys: counted, kinds: ['put'], seed: seed + 1 }),
    ];
    this.probers = new Map(
      ids.map((id) => {
        const client = cluster.connect({ ids: [id], timeoutMs: TIMEOUT_MS });
        const put = (count: number) =>
          history.put(client, counted[count % counted.length] as string, `value ${count} at ${id}`);
        return [id, new Prober(put)];
      }),
    );
  }

  /** Leaves the keys of the round before the last one, and takes up new ones. */
  turnTo(round: number): void {
    for (const kind of ['mixed', 'counted'] as const) {
      const count = KEYS_A_ROUND[kind];
      const fresh = Array.from({ length: count }, (_, index) => `${kind} ${round} ${index}`);
      this[kind].push(...fresh);
      // In place: the loads draw from these very arrays.
      this.#current[kind].splice(0, this.#current[kind].length, ...this[kind].slice(-2 * count));
    }
  }

  get failures(): readonly KvError[] {
    return [...this.#loads, ...this.probers.values()].flatMap(({ failures }) => failures);
  }

  async untilAnswered(count: number): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.untilAnswered(count)));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#loads, ...this.probers.values()].map((one) => one.stop()));
  }
}

async function runRound(cluster: ProcessCluster, work: Work, kills: Kills, random: Prng): Promise<void> {
  kills.rounds += 1;
  work.turnTo(kills.rounds);
  await work.untilAnswered(random.integer(10, 100));
  // Every replica serves, those of the last round again.
  await Promise.all([...work.probers.values()].map((prober) => prober.untilAnswered(2)));

  const isAll = kills.rounds % KILL_ALL_EVERY === 0;
  const victims = isAll ? cluster.ids : drawVictims(cluster.ids, random);
  const survivors = [...work.probers].flatMap(([id, prober]) => (victims.includes(id) ? [] : prober));
  for (const prober of survivors) prober.takeLongestMs();
  await cluster.kill(...victims);
  kills.kills += victims.length;
  kills.killsOfAll += isAll ? 1 : 0;
  if (isAll) await untilMoreFail(work, random.integer(1, 10));
  else await work.untilAnswered(random.integer(10, 100));
  await cluster.startAgain(victims);
  kills.longestStallMs = Math.max(kills.longestStallMs, ...survivors.map((one) => one.takeLongestMs()));
}

/** One replica; of five, every other time two. */
function drawVictims(ids: readonly number[], random: Prng): readonly number[] {
  const first = random.integer(0, ids.length - 1);
  const hasSecond = ids.length > 3 && random.integer(0, 1) === 1;
  const second = (first + random.integer(1, ids.length - 1)) % ids.length;
  return ids.filter((_, index) => index === first || (hasSecond && index === second));
}

async function untilMoreFail(work: Work, count: number): Promise<void> {
  const goal = work.failures.length + count;
  await until(`${count} more requests fail`, () => work.failures.length >= goal);
}

/** Puts of the counted keys that are missing, or there more often than they were sent, by the versions on disk. */
function countPuts(
  work: Work,
  table: readonly TableRow[],
): { readonly lost: number; readonly twice: number } {
  const versions = new Map(table.map(({ key, version }) => [key, version]));
  let [lost, twice] = [0, 0];
  for (const key of work.counted) {
    const puts = work.history.operations.filter((one) => one.kind === 'put' && one.key === key);
    const acknowledged = puts.filter(({ result }) => result !== null).length;
    const version = versions.get(key) ?? 0;
    lost += Math.max(0, acknowledged - version);
    twice += Math.max(0, version - puts.length);
  }
  return { lost, twice };
}

/** What is wrong; nothing if all is well. Ends the replicas. */
async function verify(cluster: ProcessCluster, work: Work): Promise<readonly string[]> {
  await cluster.untilConverged();
  for (const id of cluster.ids) {
    const client = cluster.connect({ ids: [id] });
    await Promise.all([...work.mixed, ...work.counted].map((key) => work.history.get(client, key)));
  }
  const [table = [], ...others] = await cluster.stopAndReadTables();
  const problems: string[] = [];
  const verdict = work.history.check();
  if (verdict.type !== 'linearizable') problems.push(`history: ${JSON.stringify(verdict)}`);
  const { lost, twice } = countPuts(work, table);
  console.log(`acknowledged puts lost: ${lost}; puts applied more than once: ${twice}`);
  if (lost > 0) problems.push(`${lost} acknowledged puts are lost`);
  if (twice > 0) problems.push(`${twice} puts were applied more than once`);
  if (!others.every((other) => isDeepStrictEqual(other, table))) problems.push('the tables on disk differ');
  return problems;
}

function printCounts(work: Work, kills: Kills): void {
  const acknowledged = work.history.operations.filter(({ result }) => result !== null).length;
  const unknown = work.failures.filter(({ outcome }) => outcome === 'unknown').length;
  const failed = work.failures.length - unknown;
  console.log(`rounds: ${kills.rounds}; kills: ${kills.kills}; rounds that killed all: ${kills.killsOfAll}`);
  console.log(
    `operations attempted: ${acknowledged + unknown + failed}; acknowledged: ${acknowledged}; ` +
      `unknown: ${unknown}; failed without effect: ${failed}`,
  );
  console.log(`longest stall of a client of a surviving replica: ${kills.longestStallMs.toFixed(0)} ms`);
}

const { values } = parseArgs({
  options: {
    replicas: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
  },
});
const [rounds, seed] = [Number(values.rounds), Number(values.seed)];
const cluster = await ProcessCluster.start(values.replicas === '5' ? 5 : 3);
console.log(`${cluster.ids.length} replicas, seed ${seed}`);
const problems: string[] = [];
try {
  const work = new Work(cluster, seed);
  const kills: Kills = { rounds: 0, kills: 0, killsOfAll: 0, longestStallMs: 0 };
  const random = new Prng(seed);
  while (kills.rounds < rounds) {
    await runRound(cluster, work, kills, random);
    if (kills.rounds % 10 === 0)
      console.log(`after ${kills.rounds} rounds: ${work.failures.length} failures`);
  }
  await work.stop();
  printCounts(work, kills);
  problems.push(...(await verify(cluster, work)));
} catch (error) {
  problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
}
const logs = cluster.logs();
await cluster.close({ keepData: problems.length > 0 }).catch((error: Error) => problems.push(error.message));
if (problems.length === 0) {
  console.log('verdict: one order explains every answer; the tables of all replicas are equal');
} else {
  console.log(`verdict: VIOLATED\n${problems.join('\n')}\n${logs}\nthe data is in ${cluster.directory}`);
  process.exitCode = 1;
}
