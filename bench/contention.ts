/**
 * Does execution keep up when every put is on one key? Three replicas under full load, measured window after
 * window without a pause. The delay from the commit of an instance to its execution must not grow: in a graph of
 * dependencies that is never cut, it would. The build must be fresh: npm run build. Needs Linux.
 *
 *   npx tsx bench/contention.ts [--seconds 60] [--window 10] [--clients 3] [--depth 1000] [--value-size 100]
 */
import { parseArgs } from 'node:util';
import { number, table } from './compare-table.ts';
import { type Figures, measureWindows } from './measure.ts';
import { median } from './process-use.ts';
import { startReplicas } from './stores.ts';

/** What the medians of the halves may differ by without being called growth. */
const MOST = 1.2;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    window: { type: 'string', default: '10' },
    clients: { type: 'string', default: '3' },
    depth: { type: 'string', default: '1000' },
    'value-size': { type: 'string', default: '100' },
  },
});

function cellsOf({ perSecond, executionDelayMs, commitMs, executeMs, ...rest }: Figures): readonly string[] {
  const figures = [
    perSecond,
    executionDelayMs?.p50,
    executionDelayMs?.p99,
    commitMs?.p50,
    executeMs?.p50,
    rest.operationsPerInstance,
    rest.residentMib,
  ];
  return figures.map((figure) => (figure == null ? '-' : number(figure)));
}

function delayOf(windows: readonly Figures[]): number {
  return median(windows.flatMap(({ executionDelayMs }) => executionDelayMs?.p50 ?? []));
}

const windowSeconds = Number(values.window);
const windows = Math.max(2, Math.round(Number(values.seconds) / windowSeconds));
const store = await startReplicas(3);
try {
  const figures = await measureWindows(
    {
      store,
      label: 'one key',
      clients: () => store.library(Number(values.clients)),
      depth: Number(values.depth),
      keys: { distribution: 'uniform', keys: 1 },
      readRatio: 0,
    },
    {
      valueSize: Number(values['value-size']),
      warmUpMs: 2000,
      durationMs: windowSeconds * 1000,
      seed: 1,
      windows,
      onWindow: ({ perSecond }) => console.error(`${number(perSecond)} puts a second`),
    },
  );
  const delays = ['commit to execution p50 ms', 'p99 ms', 'commit p50 ms', 'execute p50 ms'];
  const head = ['seconds', 'a second', ...delays, 'operations an instance', 'memory MiB'];
  const rows = figures.map((one, index) => [`${index * windowSeconds}`, ...cellsOf(one)]);
  console.log(table(head, rows));
  const half = Math.floor(windows / 2);
  const [early, late] = [delayOf(figures.slice(0, half)), delayOf(figures.slice(-half))];
  const verdict = late / early <= MOST ? 'does not grow' : 'GROWS';
  console.log(
    `\nmedian delay, last half : first half = ${number(late)} : ${number(early)} ms = ${number(late / early)}; it ${verdict}`,
  );
} finally {
  await store.close();
}
