/**
 * How long do clients wait when a generation of request ids ends (R7.12)? All that is open waits for that, and it for all
 * that is open. Real processes on this machine; a client has always one put under way, and the longest time between two
 * of its answers is taken for each second. Three generations end: at rest; under load; and under load with a replica
 * killed on the spot when the end is about to be proposed, which then waits until what that one left open is settled.
 * It takes a minute for each, and more for the last. The build must be fresh: npm run build.
 *
 *   npx tsx bench/advance.ts [--replicas 3|5] [--depth 1000]
 */
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Load } from '../src/load/index.ts';
import { ProcessCluster } from '../test/support/process-cluster.ts';
import { number, table } from './compare-table.ts';
import { Prober } from './prober.ts';
import { median } from './process-use.ts';

const SECOND_MS = 1000;
/** A generation lasts so long at the least (DEFAULT_ADVANCE). */
const GENERATION_MS = 60_000;
/** So much before its end the replica is killed: the others have not yet noticed when the end is proposed. */
const KILL_BEFORE_MS = 100;
/** Until then the programs are being compiled. */
const WARM_UP_SECONDS = 10;
const CLIENTS = 3;

const { values } = parseArgs({
  options: { replicas: { type: 'string', default: '3' }, depth: { type: 'string', default: '1000' } },
});
const cluster = await ProcessCluster.start(values.replicas === '5' ? 5 : 3);
const client = cluster.connect({ ids: [1] });
const prober = new Prober((count) => client.put(`probed ${count % 10}`, `${count}`));
const clients = Array.from({ length: CLIENTS }, () => cluster.connect({ ids: [1, 2] }));
const load = new Load({
  clients,
  depth: Number(values.depth),
  rate: null,
  operations: null,
  keys: { distribution: 'uniform', keys: 10_000 },
  valueSize: 100,
  readRatio: 0,
  seed: 1,
});

/** The longest pause of each second until the present generation has ended at replica 1, and a second more. */
async function untilNext(): Promise<string[]> {
  const generation = async () => (await cluster.status(1)).generation;
  const before = await generation();
  const pauses: number[] = [];
  let isEnded = false;
  while (!isEnded) {
    await wait(SECOND_MS);
    isEnded = (await generation()) !== before;
    pauses.push(prober.takeLongestMs());
  }
  await wait(SECOND_MS);
  pauses.push(prober.takeLongestMs());
  const others = pauses.slice(WARM_UP_SECONDS, -2);
  const around = Math.max(...pauses.slice(-2));
  return [median(others), Math.max(...others), around].map(number);
}

try {
  const rest = await untilNext();
  load.start();
  const loaded = await untilNext();
  const kill = wait(GENERATION_MS - SECOND_MS - KILL_BEFORE_MS).then(() => cluster.kill(cluster.ids.length));
  const killed = await untilNext();
  await kill;
  console.log(`${cluster.ids.length} replicas; the longest pause of a client within a second, in ms:\n`);
  console.log(
    table(
      ['a generation ends', 'other seconds: median', 'most', 'when it ends'],
      [
        ['at rest', ...rest],
        ['under load', ...loaded],
        ['under load, a replica killed', ...killed],
      ],
    ),
  );
} finally {
  await load.stop().catch(() => undefined);
  await prober.stop();
  for (const each of [client, ...clients]) each.close();
  await cluster.close();
}
