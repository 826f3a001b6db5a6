/**
 * What does a dead replica cost the others, and how fast does it catch up? One of three is killed, puts are made at the
 * others, as many as are answered; then it is started again, and nothing else is done until all have executed the same.
 * The most memory and disk that a survivor took, what they take at rest, and the two rates. The build must be fresh: npm
 * run build. Needs Linux.
 *
 *   npx tsx bench/catch-up.ts [--puts 2000000] [--value-size 100] [--keys 10000] [--depth 1000] [--silent 1] [--replicas 3]
 *
 * With `--replicas 5 --silent 2` two of five are away: then nothing at all may be forgotten (R9.2).
 */
import { parseArgs } from 'node:util';
import { Load } from '../src/load/index.ts';
import { ProcessCluster } from '../test/support/process-cluster.ts';
import { number, table } from './compare-table.ts';
import { anonymousMib, diskMib, residentMib } from './process-use.ts';

const SAMPLE_EVERY_MS = 200;
const TIMEOUT_MS = 60_000;

const { values: flags } = parseArgs({
  options: {
    puts: { type: 'string', default: '2000000' },
    'value-size': { type: 'string', default: '100' },
    keys: { type: 'string', default: '10000' },
    depth: { type: 'string', default: '1000' },
    replicas: { type: 'string', default: '3' },
    silent: { type: 'string', default: '1' },
  },
});
const puts = Number(flags.puts);
const replicas = Number(flags.replicas);
const silent = Number(flags.silent);
if ((replicas !== 3 && replicas !== 5) || !(silent >= 1 && silent <= (replicas - 1) / 2)) {
  throw new RangeError('--replicas is 3 or 5, and --silent leaves a majority');
}

/** The highest of what the survivors take, each on its own. */
class Peak {
  memory = 0;
  anonymous = 0;
  disk = 0;

  note(now: Pick<Peak, 'memory' | 'anonymous' | 'disk'>): void {
    this.memory = Math.max(this.memory, now.memory);
    this.anonymous = Math.max(this.anonymous, now.anonymous);
    this.disk = Math.max(this.disk, now.disk);
  }
}

const cluster = await ProcessCluster.start(replicas);
try {
  const survivors = cluster.ids.slice(0, replicas - silent);
  const away = cluster.ids.slice(replicas - silent);
  const ofProcess = (measure: (pid: number) => number) => (id: number) => {
    const pid = cluster.pid(id);
    return pid === null ? 0 : measure(pid);
  };
  const [memoryOf, anonymousOf] = [ofProcess(residentMib), ofProcess(anonymousMib)];
  const most = (of: (id: number) => number) => Math.max(...survivors.map(of));
  const executed = async (id: number) =>
    (await cluster.status(id)).rows.reduce((sum, row) => sum + row.executed, 0);
  const rest = most(memoryOf);

  await cluster.kill(...away);
  const clients = survivors.map((id) =>
    cluster.connect({ ids: [id, ...survivors.filter((other) => other !== id)], timeoutMs: TIMEOUT_MS }),
  );
  const load = new Load({
    clients,
    depth: Number(flags.depth),
    rate: null,
    operations: puts,
    keys: { distribution: 'uniform', keys: Number(flags.keys) },
    valueSize: Number(flags['value-size']),
    readRatio: 0,
    seed: 1,
  });
  const peak = new Peak();
  const look = () => {
    peak.note({
      memory: most(memoryOf),
      anonymous: most(anonymousOf),
      disk: most((id) => diskMib(cluster.dataDir(id))),
    });
  };
  const sampling = setInterval(look, SAMPLE_EVERY_MS);
  const startedMs = performance.now();
  load.beginWindow();
  load.start();
  await load.finished;
  const loadSeconds = (performance.now() - startedMs) / 1000;
  const { answered, errors } = await load.endWindow();
  console.error(`${answered} puts in ${number(loadSeconds)} s, errors ${JSON.stringify(errors)}`);

  const returnedMs = performance.now();
  await cluster.startAgain(away);
  await cluster.untilConverged();
  const backSeconds = (performance.now() - returnedMs) / 1000;
  clearInterval(sampling);
  look();
  const instances = await executed(survivors[0] ?? 1);
  console.log(
    table(
      ['what', 'figure'],
      [
        ['puts answered, a second', number(answered / loadSeconds)],
        ['a survivor at rest before, MiB', number(rest)],
        ['the most a survivor took, MiB', number(peak.memory)],
        ['beside what it has at rest, MiB', number(peak.memory - rest)],
        ['the most without mapped files, MiB', number(peak.anonymous)],
        ['the most of a data directory, MiB', number(peak.disk)],
        ['instances', String(instances)],
        ['until all had executed the same, s', number(backSeconds)],
        ['rate of catching up by that of the load', number(loadSeconds / backSeconds)],
        ['the one that returned, MiB', number(Math.max(...away.map(memoryOf)))],
      ],
    ),
  );
  for (const client of clients) client.close();
} finally {
  await cluster.close();
}
