/**
 * What does a change cost? Two built checkouts of this project are measured side by side in one run: in every round
 * each line once for either, one right after the other, who comes first taking turns; who is not measured rests. (To
 * suspend it by a signal would be no rest: it has connections to make anew when it goes on.) Either is loaded through
 * its own client library.
 *
 * Two starts of the very same program differ by some percent, for as long as they run, and so does who was started
 * first: so both are started `--starts` times, in either order by turns. A line's ratio is the geometric mean of all its
 * rounds; how far that can be trusted is told by how much the starts differ.
 *
 *   npx tsx bench/compare-versions.ts BEFORE AFTER [--starts 4] [--rounds 10] [--uncounted 16] [--seconds 1] [--warm-up 0.3]
 *     [--only pipelined-put,…] [--clients 3] [--depth 1000] [--concurrency 256] [--keys 10000] [--value-size 100] [--seed 1]
 *
 * BEFORE and AFTER are directories in which `npm ci` was run.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { fillKeys } from '../src/load/index.ts';
import { type Line, linesOf, type Stores } from './compare-lines.ts';
import { number, table } from './compare-table.ts';
import { type Figures, measure, type Run, type RunSettings } from './measure.ts';
import { median } from './process-use.ts';
import { closeAll, type RunningReplicas, startReplicas, type Version } from './stores.ts';

const FILL_DEPTH = 64;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    starts: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '10' },
    // Until then the programs are still being compiled: an operation costs twice of what it costs later.
    uncounted: { type: 'string', default: '16' },
    seconds: { type: 'string', default: '1' },
    'warm-up': { type: 'string', default: '0.3' },
    clients: { type: 'string', default: '3' },
    depth: { type: 'string', default: '1000' },
    concurrency: { type: 'string', default: '256' },
    keys: { type: 'string', default: '10000' },
    'value-size': { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
  },
});
const [before, after, ...rest] = positionals;
if (before === undefined || after === undefined || rest.length > 0) {
  throw new Error('two directories are needed: the version before and the one after');
}
const settings: RunSettings = {
  valueSize: Number(flags['value-size']),
  warmUpMs: Number(flags['warm-up']) * 1000,
  durationMs: Number(flags.seconds) * 1000,
  seed: Number(flags.seed),
};
const rounds = Number(flags.rounds);
const uncounted = Number(flags.uncounted);
const starts = Number(flags.starts);
if (!(starts >= 1 && rounds >= 1 && settings.durationMs > 0)) {
  throw new Error('--starts, --rounds and --seconds are numbers above 0');
}

/** What is run of a version: the side of ours in the comparison with etcd. */
const lines = linesOf({
  clients: Number(flags.clients),
  depth: Number(flags.depth),
  concurrency: flags.concurrency.split(',').map(Number),
  keys: Number(flags.keys),
}).filter(({ name }) => flags.only === '' || flags.only.split(',').includes(name));
if (lines.length === 0) throw new Error('--only takes names of lines, as bench/compare-lines.ts has them');

async function load(directory: string): Promise<Version> {
  const library = await import(pathToFileURL(resolve(directory, 'dist/client/index.js')).href);
  return { program: resolve(directory, 'bin/epaxos.js'), connect: library.connect };
}

async function start(version: Version, count: 3 | 5): Promise<RunningReplicas> {
  const store = await startReplicas(count, version);
  const clients = store.endpoints.map((address) => store.unary(address));
  await fillKeys({ ...settings, clients, depth: FILL_DEPTH, keys: Number(flags.keys) });
  for (const client of clients) client.close();
  return store;
}

/** Measures a store while the other rests. @returns the figures of the best of the runs */
async function bestOf(runs: readonly Run[], value: (figures: Figures) => number): Promise<Figures> {
  const all: Figures[] = [];
  for (const run of runs) all.push(await measure(run, settings));
  const best = all.reduce((one, two) => (value(two) > value(one) ? two : one));
  return best;
}

interface Pair {
  readonly before: Figures;
  readonly after: Figures;
}

interface Row {
  readonly line: Line;
  /** Of each start, of each round. */
  readonly pairs: (readonly Pair[])[];
}

/** Every line that needs so many replicas, for as many rounds as are wanted. @param isSwapped whether AFTER is started first */
async function measureStart(
  versions: { readonly before: Version; readonly after: Version },
  options: { readonly count: 3 | 5; readonly wanted: readonly Line[]; readonly isSwapped: boolean },
): Promise<Pair[][]> {
  const { count, wanted, isSwapped } = options;
  const stores: RunningReplicas[] = [];
  try {
    for (const version of isSwapped ? [versions.after, versions.before] : [versions.before, versions.after]) {
      stores.push(await start(version, count));
    }
    const [old, young] = (isSwapped ? [...stores].reverse() : stores) as [RunningReplicas, RunningReplicas];
    const pairs: Pair[][] = wanted.map(() => []);
    for (let round = 1 - uncounted; round <= rounds; round += 1) {
      for (const [index, line] of wanted.entries()) {
        const runsOf = (store: RunningReplicas): readonly Run[] => {
          const some = { three: store, five: count === 5 ? store : null, etcd: null } satisfies Stores;
          return line.runs(some)[0];
        };
        const measureOne = (store: RunningReplicas) => bestOf(runsOf(store), line.value);
        const first = round % 2 === 0 ? null : await measureOne(young);
        const before = await measureOne(old);
        const after = first ?? (await measureOne(young));
        if (round > 0) pairs[index]?.push({ before, after });
      }
    }
    return pairs;
  } finally {
    await closeAll(stores);
  }
}

async function measureAll(
  count: 3 | 5,
  versions: { readonly before: Version; readonly after: Version },
): Promise<Row[]> {
  const wanted = lines.filter(({ needsFive = false }) => needsFive === (count === 5));
  const rows: Row[] = wanted.map((line) => ({ line, pairs: [] }));
  if (wanted.length === 0) return rows;
  for (let one = 0; one < starts; one += 1) {
    const measured = await measureStart(versions, { count, wanted, isSwapped: one % 2 === 1 });
    for (const [index, row] of rows.entries()) {
      row.pairs.push(measured[index] ?? []);
      console.error(`start ${one + 1}, ${count} replicas: ${summary(row).join(', ')}`);
    }
  }
  return rows;
}

const COSTS = {
  replicas: ({ serverCpuMicroseconds }: Figures) => serverCpuMicroseconds,
  all: ({ serverCpuMicroseconds, loadCpuMicroseconds }: Figures) =>
    serverCpuMicroseconds + loadCpuMicroseconds,
};

/** A line's row of the table. */
function summary({ line, pairs }: Row): readonly string[] {
  const all = pairs.flat();
  const middle = (side: 'before' | 'after', value: (figures: Figures) => number) =>
    number(median(all.map((pair) => value(pair[side]))));
  return [
    line.name,
    middle('before', line.value),
    middle('after', line.value),
    ratio(pairs, line.value),
    middle('before', COSTS.replicas),
    middle('after', COSTS.replicas),
    ratio(pairs, COSTS.replicas),
    ratio(pairs, COSTS.all),
  ];
}

/** After by before: the geometric mean of all rounds, its standard error from that of the starts, and their range. */
function ratio(pairs: readonly (readonly Pair[])[], value: (figures: Figures) => number): string {
  const ofStarts = pairs.map((ofOne) =>
    mean(ofOne.map(({ before, after }) => Math.log(value(after) / value(before)))),
  );
  const middle = mean(ofStarts);
  const squares = ofStarts.reduce((sum, one) => sum + (one - middle) ** 2, 0);
  const error = Math.sqrt(squares / ((ofStarts.length - 1) * ofStarts.length)); // of the logarithm: of the ratio, relative
  const [least, greatest] = [Math.min, Math.max].map((choose) => Math.exp(choose(...ofStarts)).toFixed(3));
  const range = ofStarts.length === 1 ? '' : ` ± ${error.toFixed(3)} (${least} to ${greatest})`;
  return `${Math.exp(middle).toFixed(3)}${range}`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}

const HEAD = [
  'line',
  'before',
  'after',
  'after / before (starts)',
  'CPU µs before',
  'after',
  'after / before (starts)',
  'with the load',
];

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
const versions = { before: await load(before), after: await load(after) };
const rows = [...(await measureAll(3, versions)), ...(await measureAll(5, versions))];
console.log(
  `\n${starts} starts of ${rounds} rounds, ${settings.durationMs / 1000} s a measurement\n\n${table(HEAD, rows.map(summary))}`,
);
