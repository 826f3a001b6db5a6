/**
 * How fast is a cluster next to etcd? Both run on this machine with their default settings, each answer durable,
 * and are measured in turn in every round, through clients of Node.js; every line's ratio is the median of its
 * rounds. Without etcd it measures a cluster alone. docs/benchmarks.md explains the lines. The build must be fresh.
 *
 *   npm run bench -- [--rounds 5] [--seconds 5] [--warm-up 2] [--clients 3] [--depth 1000] [--concurrency 64,256,512]
 *     [--keys 10000] [--value-size 100] [--seed 1] [--only pipelined-put,unary-put,…] [--json FILE] [--suspend]
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { fillKeys } from '../src/load/index.ts';
import { type Line, linesOf, type Stores } from './compare-lines.ts';
import {
  barTable,
  figureTable,
  isMet,
  type LineResult,
  type RoundResult,
  ratiosOf,
} from './compare-table.ts';
import { etcdVersion } from './etcd-cluster.ts';
import { type Figures, measure, type Run, type RunSettings, type Store } from './measure.ts';
import { closeAll, type RunningStore, startEtcd, startReplicas } from './stores.ts';

const FILL_DEPTH = 64;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    'warm-up': { type: 'string', default: '2' },
    clients: { type: 'string', default: '3' },
    depth: { type: 'string', default: '1000' },
    concurrency: { type: 'string', default: '64,256,512' },
    keys: { type: 'string', default: '10000' },
    'value-size': { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    json: { type: 'string' },
    /** Clusters of ours are suspended while another store is measured; etcd never is. */
    suspend: { type: 'boolean', default: false },
  },
});
const rounds = Number(flags.rounds);
const settings: RunSettings = {
  valueSize: Number(flags['value-size']),
  warmUpMs: Number(flags['warm-up']) * 1000,
  durationMs: Number(flags.seconds) * 1000,
  seed: Number(flags.seed),
};
const allLines = linesOf({
  clients: Number(flags.clients),
  depth: Number(flags.depth),
  concurrency: flags.concurrency.split(',').map(Number),
  keys: Number(flags.keys),
});
const only = flags.only === '' ? allLines.map(({ name }) => name) : flags.only.split(',');
const lines = allLines.filter(({ name }) => only.includes(name));

async function startStores(): Promise<Stores> {
  const stores: { -readonly [Name in keyof Stores]: Stores[Name] | null } = {
    three: null,
    five: null,
    etcd: null,
  };
  try {
    stores.three = await startReplicas(3);
    if (etcdVersion() !== null) stores.etcd = await startEtcd();
    return { ...stores, three: stores.three };
  } catch (error) {
    await closeAll(Object.values(stores)).catch(() => undefined);
    throw error;
  }
}

async function fill(stores: readonly (RunningStore | null)[]): Promise<void> {
  for (const store of stores) {
    if (store === null) continue;
    const clients = store.endpoints.map((address) => store.unary(address));
    await fillKeys({ ...settings, clients, depth: FILL_DEPTH, keys: Number(flags.keys) });
    for (const client of clients) client.close();
  }
}

/** The run with the best value, by what the bar asks for. */
async function bestOf(line: Line, runs: readonly Run[]): Promise<Figures | null> {
  let best: Figures | null = null;
  for (const run of runs) {
    if (flags.suspend) await suspendAllBut(run.store);
    const figures = await measure(run, settings);
    const isBetter =
      best === null ||
      ('atLeast' in line.bar
        ? line.value(figures) > line.value(best)
        : line.value(figures) < line.value(best));
    if (isBetter) best = figures;
    if (run.store === stores.three) fastPathRatios.push(figures.fastPathRatio);
  }
  return best;
}

async function suspendAllBut(store: Store): Promise<void> {
  const ours = [stores.three, stores.five].filter((one) => one !== null);
  for (const one of ours) if (one !== store) one.suspend();
  for (const one of ours) if (one === store) await one.resume();
}

/** Who comes first takes turns. */
async function runLine(line: Line, round: number): Promise<RoundResult> {
  const [first, second] = line.runs(stores);
  const isSwapped = round % 2 !== 0;
  const before = isSwapped ? await bestOf(line, second) : null;
  const ours = await bestOf(line, first);
  if (ours === null) throw new Error(`${line.name} has nothing to run`);
  return { first: ours, second: isSwapped ? before : await bestOf(line, second) };
}

/**
 * The first rounds are not counted: until then the programs under Node.js are being compiled, replicas and load. The
 * more of them share the processors, the longer that takes.
 */
async function runRounds(some: readonly Line[], options: { uncounted: number }): Promise<LineResult[]> {
  const results = some.map((line) => ({ line, rounds: [] as RoundResult[] }));
  for (let round = 1 - options.uncounted; round <= rounds; round += 1) {
    for (const { line, rounds: done } of results) {
      const result = await runLine(line, round);
      if (round > 0) done.push(result);
      const [ours, other] = [result.first, result.second].map((one) =>
        one === null ? '-' : line.value(one),
      );
      console.error(`round ${round}, ${line.name}: ${ours} ${other}`);
    }
  }
  return results;
}

function describeRun(): string {
  const { valueSize, durationMs } = settings;
  const parts = [
    `${rounds} rounds`,
    `${durationMs / 1000} s a measurement`,
    `values of ${valueSize} bytes`,
    `${flags.keys} keys`,
    `etcd ${etcdVersion() ?? 'is not installed: ours alone'}`,
    `Node.js ${process.version}`,
    `${cpus().length} processors`,
    ...(flags.suspend ? ['our replicas suspended while another store is measured'] : []),
  ];
  return parts.join(', ');
}

function report(results: readonly LineResult[]): void {
  const known = fastPathRatios.filter((ratio) => ratio !== null);
  const fastPathRatio = known.length === 0 ? null : Math.min(...known);
  console.log(`\n${describeRun()}\n\n${barTable(results, fastPathRatio)}\n\n${figureTable(results)}`);
  if (flags.json === undefined) return;
  const plain = results.map((result) => ({
    line: result.line.name,
    sides: result.line.sides,
    bar: result.line.bar,
    met: isMet(result),
    ratios: ratiosOf(result),
    rounds: result.rounds,
  }));
  const all = { run: describeRun(), flags, fastPathRatio, lines: plain };
  writeFileSync(flags.json, `${JSON.stringify(all, null, 2)}\n`);
}

/** Of every run on three replicas. */
const fastPathRatios: (number | null)[] = [];
if (lines.length !== only.length) {
  throw new Error(`--only takes names of lines: ${allLines.map(({ name }) => name).join(', ')}`);
}
if (!(rounds >= 1 && settings.durationMs > 0)) throw new Error('--rounds and --seconds are numbers above 0');
// etcd's members are in process groups of their own: Ctrl-C does not reach them, but the end of this process does.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
let stores = await startStores();
try {
  await fill([stores.three, stores.etcd]);
  const small = lines.filter(({ needsFive }) => !needsFive);
  const large = lines.filter(({ needsFive }) => needsFive);
  const results = await runRounds(small, { uncounted: 1 });
  // Not before: replicas that are idle take processor time too.
  if (large.length > 0) {
    stores = { ...stores, five: await startReplicas(5) };
    await fill([stores.five]);
  }
  report([...results, ...(await runRounds(large, { uncounted: 3 }))]);
} finally {
  await closeAll([stores.three, stores.five, stores.etcd]);
}
