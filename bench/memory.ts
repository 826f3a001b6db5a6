/**
 * Does the memory of the replicas stay bounded under load? The resident memory of all three together after the
 * last minute over that after the first one. The build must be fresh: npm run build. Needs Linux.
 *
 *   npx tsx bench/memory.ts [--minutes 10] [--rate 5000] [--clients 3] [--depth 3000] [--keys 10000]
 *     [--value-size 100]
 *
 * With `--rate 0` it takes as many puts as are answered. (soak.ts also looks at the disk, and at dead replicas.)
 */
import { parseArgs } from 'node:util';
import { number, table } from './compare-table.ts';
import { type Figures, measureWindows } from './measure.ts';
import { median } from './process-use.ts';
import { startReplicas } from './stores.ts';

const WINDOW_SECONDS = 10;
const WINDOWS_A_MINUTE = 60 / WINDOW_SECONDS;
const MOST = 1.2;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    rate: { type: 'string', default: '5000' },
    clients: { type: 'string', default: '3' },
    depth: { type: 'string', default: '3000' },
    keys: { type: 'string', default: '10000' },
    'value-size': { type: 'string', default: '100' },
  },
});
const minutes = Math.max(2, Number(values.minutes));
const rate = Number(values.rate) === 0 ? null : Number(values.rate);

/** After so many minutes: the median of three looks around that moment, as memory goes up and down with its tidying. */
function memoryAfter(figures: readonly Figures[], minute: number): number {
  const last = Math.min(minute * WINDOWS_A_MINUTE + 1, figures.length);
  return median(figures.slice(last - 3, last).map(({ residentMib }) => residentMib));
}

const store = await startReplicas(3);
try {
  const figures = await measureWindows(
    {
      store,
      label: 'puts',
      clients: () => store.library(Number(values.clients)),
      depth: Number(values.depth),
      rate,
      keys: { distribution: 'uniform', keys: Number(values.keys) },
      readRatio: 0,
    },
    {
      valueSize: Number(values['value-size']),
      warmUpMs: 0,
      durationMs: WINDOW_SECONDS * 1000,
      seed: 1,
      windows: minutes * WINDOWS_A_MINUTE,
      onWindow: (one) => console.error(`${number(one.perSecond)} a second, ${number(one.residentMib)} MiB`),
    },
  );
  const rows = Array.from({ length: minutes }, (_, index) => {
    const ofMinute = figures.slice(index * WINDOWS_A_MINUTE, (index + 1) * WINDOWS_A_MINUTE);
    const perSecond = median(ofMinute.map((one) => one.perSecond));
    return [`${index + 1}`, number(perSecond), number(memoryAfter(figures, index + 1))];
  });
  console.log(table(['minute', 'puts a second', 'memory MiB'], rows));
  const [early, late] = [memoryAfter(figures, 1), memoryAfter(figures, minutes)];
  const verdict = late / early <= MOST ? 'yes' : 'no';
  console.log(
    `\nminute ${minutes} : minute 1 = ${number(late / early)}; at most ${MOST} is asked for: ${verdict}`,
  );
} finally {
  await store.close();
}
