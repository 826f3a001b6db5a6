/**
 * What does a change cost? Two built checkouts of this project are measured side by side in one run: in every round
 * each line once for either, one right after the other, who comes first taking turns; who is not measured is
 * suspended. Either is loaded through its own client library. A line's ratio is the median of its rounds.
 *
 *   npx tsx bench/compare-versions.ts BEFORE AFTER [--rounds 5] [--seconds 3] [--warm-up 2] [--only pipelined-put,…]
 *     [--clients 3] [--depth 1000] [--concurrency 256] [--keys 10000] [--value-size 100] [--seed 1]
 *
 * BEFORE and AFTER are directories in which `npm ci` was run.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { fillKeys } from '../src/load/index.ts';
import { linesOf, type Stores } from './compare-lines.ts';
import { number, table } from './compare-table.ts';
import { type Figures, measure, type Run, type RunSettings } from './measure.ts';
import { median } from './process-use.ts';
import { closeAll, type RunningReplicas, startReplicas, type Version } from './stores.ts';

/** Until then the programs are still being compiled. */
const UNCOUNTED = 1;
const FILL_DEPTH = 64;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    'warm-up': { type: 'string', default: '2' },
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
if (!(rounds >= 1 && settings.durationMs > 0)) throw new Error('--rounds and --seconds are numbers above 0');

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

/** Measures one of two stores while the other stands still. @returns the figures of the best of the runs */
async function runAlone(
  runs: readonly Run[],
  value: (figures: Figures) => number,
  stores: { readonly measured: RunningReplicas; readonly other: RunningReplicas },
): Promise<Figures> {
  stores.other.suspend();
  await stores.measured.resume();
  const all: Figures[] = [];
  for (const run of runs) all.push(await measure(run, settings));
  const best = all.reduce((one, two) => (value(two) > value(one) ? two : one));
  return best;
}

interface Row {
  readonly what: string;
  readonly pairs: { readonly before: Figures; readonly after: Figures }[];
  readonly value: (figures: Figures) => number;
}

async function measureAll(count: 3 | 5, versions: readonly [Version, Version]): Promise<Row[]> {
  const wanted = lines.filter(({ needsFive = false }) => needsFive === (count === 5));
  if (wanted.length === 0) return [];
  const stores: RunningReplicas[] = [];
  try {
    for (const version of versions) {
      stores.at(-1)?.suspend();
      stores.push(await start(version, count));
    }
    const [old, young] = stores as [RunningReplicas, RunningReplicas];
    const rows: Row[] = wanted.map(({ name, value }) => ({ what: name, pairs: [], value }));
    for (let round = 1 - UNCOUNTED; round <= rounds; round += 1) {
      for (const [index, line] of wanted.entries()) {
        const runsOf = (store: RunningReplicas): readonly Run[] => {
          const some = { three: store, five: count === 5 ? store : null, etcd: null } satisfies Stores;
          return line.runs(some)[0];
        };
        const measureOne = (measured: RunningReplicas, other: RunningReplicas) =>
          runAlone(runsOf(measured), line.value, { measured, other });
        const isSwapped = round % 2 !== 0;
        const first = isSwapped ? await measureOne(young, old) : null;
        const ofOld = await measureOne(old, young);
        const ofYoung = first ?? (await measureOne(young, old));
        console.error(
          `round ${round}, ${line.name}: ${number(line.value(ofOld))} ${number(line.value(ofYoung))}`,
        );
        if (round > 0) rows[index]?.pairs.push({ before: ofOld, after: ofYoung });
      }
    }
    return rows;
  } finally {
    await Promise.all(stores.map((store) => store.resume()));
    await closeAll(stores);
  }
}

function report(rows: readonly Row[]): string {
  const head = [
    'line',
    'before',
    'after',
    'after / before',
    'rounds',
    'CPU µs before',
    'after',
    'after / before',
  ];
  return table(
    head,
    rows.map(({ what, pairs, value }) => {
      const ratios = pairs.map((pair) => value(pair.after) / value(pair.before));
      const costs = pairs.map((pair) => pair.after.serverCpuMicroseconds / pair.before.serverCpuMicroseconds);
      const middle = (values: readonly number[]) => number(median(values));
      return [
        what,
        middle(pairs.map((pair) => value(pair.before))),
        middle(pairs.map((pair) => value(pair.after))),
        median(ratios).toFixed(3),
        `${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)}`,
        middle(pairs.map((pair) => pair.before.serverCpuMicroseconds)),
        middle(pairs.map((pair) => pair.after.serverCpuMicroseconds)),
        median(costs).toFixed(3),
      ];
    }),
  );
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
const versions = [await load(before), await load(after)] as const;
const rows = [...(await measureAll(3, versions)), ...(await measureAll(5, versions))];
console.log(`\n${rounds} rounds, ${settings.durationMs / 1000} s a measurement\n\n${report(rows)}`);
