/**
 * How long does a client of a surviving replica wait when another replica is killed on the spot?
 * Real processes on this machine; the replica with the highest id is killed with SIGKILL while it is writing,
 * and started again for the next trial. A pause is the longest time between two answers to a client that has
 * always one put under way, through replica 1. The build must be fresh: npm run build.
 *
 *   npx tsx bench/kill-pause.ts [--replicas 3|5] [--trials 10]
 */
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { KvClient } from '../src/client/index.ts';
import { ProcessCluster } from '../test/support/process-cluster.ts';
import { Prober } from './prober.ts';

/** Before the kill, and after it: the same time, so that the first tells how quiet the machine is. */
const WINDOW_MS = 2000;
const SHARED_KEYS = 4;

interface Trial {
  /** On keys that the dead replica was not writing. */
  readonly apartMs: number;
  /** On keys that it was writing. */
  readonly sharedMs: number;
  /** The same two before the kill. */
  readonly quietApartMs: number;
  readonly quietSharedMs: number;
}

async function runTrial(cluster: ProcessCluster): Promise<Trial> {
  const victim = cluster.ids.length;
  const shared = Array.from({ length: SHARED_KEYS }, (_, index) => `shared ${index}`);
  const clients = [
    cluster.connect({ ids: [1] }),
    cluster.connect({ ids: [victim], timeoutMs: 1000 }),
  ] as const;
  const [survivor, doomed] = clients;
  const apartProbe = proberOf(survivor, ['apart']);
  const sharedProbe = proberOf(survivor, shared);
  const doomedProbes = Array.from({ length: SHARED_KEYS }, () => proberOf(doomed, shared));

  await wait(WINDOW_MS / 2); // connections stand and the code is warm
  apartProbe.takeLongestMs();
  sharedProbe.takeLongestMs();
  await wait(WINDOW_MS);
  const [quietApartMs, quietSharedMs] = [apartProbe.takeLongestMs(), sharedProbe.takeLongestMs()];
  await cluster.kill(victim);
  await wait(WINDOW_MS);
  const [apartMs, sharedMs] = [apartProbe.takeLongestMs(), sharedProbe.takeLongestMs()];

  await cluster.startAgain([victim]);
  await Promise.all([apartProbe, sharedProbe, ...doomedProbes].map((probe) => probe.stop()));
  for (const client of clients) client.close();
  await cluster.untilConverged();
  return { apartMs, sharedMs, quietApartMs, quietSharedMs };
}

/** Puts to these keys in turn. */
function proberOf(client: KvClient, keys: readonly string[]): Prober {
  return new Prober((count) => client.put(keys[count % keys.length] as string, `${count}`));
}

function summary(name: string, samples: readonly number[]): string {
  const sorted = [...samples].sort((one, other) => one - other);
  const [least, median, most] = [0, Math.floor(sorted.length / 2), sorted.length - 1].map((index) =>
    (sorted[index] ?? 0).toFixed(1),
  );
  return `| ${name} | ${least} | ${median} | ${most} |`;
}

const { values } = parseArgs({
  options: {
    replicas: { type: 'string', default: '3' },
    trials: { type: 'string', default: '10' },
  },
});
const cluster = await ProcessCluster.start(values.replicas === '5' ? 5 : 3);
try {
  const trials: Trial[] = [];
  while (trials.length < Number(values.trials)) trials.push(await runTrial(cluster));
  console.log(
    [
      `Longest pause of a client of replica 1 when replica ${cluster.ids.length} of ${cluster.ids.length} is killed, ${trials.length} trials:`,
      '',
      '| puts on | min ms | median ms | max ms |',
      '| --- | --- | --- | --- |',
      summary(
        'keys of its own',
        trials.map(({ apartMs }) => apartMs),
      ),
      summary(
        'keys that the dead replica was writing',
        trials.map(({ sharedMs }) => sharedMs),
      ),
      summary(
        'keys of its own, before the kill',
        trials.map(({ quietApartMs }) => quietApartMs),
      ),
      summary(
        'keys of both, before the kill',
        trials.map(({ quietSharedMs }) => quietSharedMs),
      ),
    ].join('\n'),
  );
} finally {
  await cluster.close();
}
