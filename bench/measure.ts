/** One measurement of one store: a load on it for some seconds, and what it and the load cost meanwhile. */
import { setTimeout as wait } from 'node:timers/promises';
import { figuresBetween, type Percentiles, percentilesOf } from '../src/cli/replica-figures.ts';
import type { ReplicaReport } from '../src/client/index.ts';
import { type KeyOptions, Load, type Measurement, type Target } from '../src/load/index.ts';
import { cpuSeconds, residentMib } from './process-use.ts';

/** A client that is closed after its measurement. */
export interface ClosableTarget extends Target {
  close(): void;
}

/** A store under test. */
export interface Store {
  readonly pids: readonly number[];
  /** What its replicas tell about themselves; null for a store that tells nothing. */
  look(): Promise<readonly ReplicaReport[]> | null;
}

export interface Run {
  readonly store: Store;
  /** What it is, in a few words, where a line of the table has several. */
  readonly label: string;
  /** Opens the clients. */
  readonly clients: () => readonly ClosableTarget[];
  readonly depth: number;
  /** Operations a second, in an open loop; absent or null: a closed loop. */
  readonly rate?: number | null;
  readonly keys: KeyOptions;
  readonly readRatio: number;
}

/** For all runs. */
export interface RunSettings {
  readonly valueSize: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly seed: number;
}

export interface Figures {
  readonly label: string;
  readonly perSecond: number;
  /** At the clients. */
  readonly latencyMs: Percentiles;
  /** Of instances, at the replicas; null for a store that does not tell. */
  readonly commitMs: Percentiles | null;
  readonly executeMs: Percentiles | null;
  readonly executionDelayMs: Percentiles | null;
  readonly fastPathRatio: number | null;
  readonly operationsPerInstance: number | null;
  /** Processor time of one operation. */
  readonly serverCpuMicroseconds: number;
  readonly loadCpuMicroseconds: number;
  /** Of all replicas together, at the end. */
  readonly residentMib: number;
  readonly errors: Readonly<Record<string, number>>;
}

/** One measurement of a run. @throws Error if nothing was answered */
export async function measure(run: Run, settings: RunSettings): Promise<Figures> {
  const [figures] = await measureWindows(run, { ...settings, windows: 1 });
  if (figures === undefined) throw new Error('a measurement has figures');
  return figures;
}

/**
 * Several measurements of one run, without a pause in the load: what one leaves to be done meets the next one.
 * @param settings `durationMs` is that of each window
 * @throws Error if nothing was answered in one of them
 */
export async function measureWindows(
  run: Run,
  settings: RunSettings & {
    readonly windows: number;
    /** Called after each window. */
    readonly onWindow?: (figures: Figures) => void;
  },
): Promise<readonly Figures[]> {
  const { store, depth, keys, readRatio, rate = null } = run;
  const { valueSize, warmUpMs, durationMs, seed, windows, onWindow } = settings;
  const clients = run.clients();
  const load = new Load({ clients, depth, rate, operations: null, keys, valueSize, readRatio, seed });
  const done: Figures[] = [];
  try {
    load.start();
    await wait(warmUpMs);
    let before = await lookAt(store, load);
    while (done.length < windows) {
      load.beginWindow();
      await wait(durationMs);
      const measurement = await load.endWindow();
      const after = await lookAt(store, load);
      const figures = figuresOf(run, measurement, before, after);
      done.push(figures);
      onWindow?.(figures);
      before = after;
    }
    await load.stop();
    return done;
  } finally {
    for (const client of clients) client.close();
  }
}

interface Look {
  readonly reports: readonly ReplicaReport[] | null;
  /** Processor time so far. */
  readonly serverSeconds: number;
  readonly loadSeconds: number;
  readonly answered: number;
}

async function lookAt(store: Store, load: Load): Promise<Look> {
  return {
    reports: await store.look(),
    serverSeconds: cpuSeconds(store.pids),
    loadSeconds: cpuSeconds([process.pid]),
    answered: load.answered,
  };
}

function figuresOf(run: Run, measurement: Measurement, before: Look, after: Look): Figures {
  const { puts, gets, answered, errors, durationMs } = measurement;
  const latencyMs = percentilesOf(puts.plus(gets));
  if (latencyMs === null) throw new Error(`${run.label}: nothing was answered; ${JSON.stringify(errors)}`);
  const replicas = before.reports && after.reports ? figuresBetween(before.reports, after.reports) : null;
  const operations = after.answered - before.answered;
  return {
    label: run.label,
    perSecond: (answered / durationMs) * 1000,
    latencyMs,
    commitMs: replicas?.commitMs ?? null,
    executeMs: replicas?.executeMs ?? null,
    executionDelayMs: replicas?.executionDelayMs ?? null,
    fastPathRatio: replicas?.fastPathRatio ?? null,
    operationsPerInstance: replicas?.operationsPerInstance ?? null,
    serverCpuMicroseconds: ((after.serverSeconds - before.serverSeconds) / operations) * 1e6,
    loadCpuMicroseconds: ((after.loadSeconds - before.loadSeconds) / operations) * 1e6,
    residentMib: run.store.pids.map(residentMib).reduce((sum, one) => sum + one, 0),
    errors,
  };
}
