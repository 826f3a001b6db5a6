/** One measurement of one store: a load on it for some seconds, and what it and the load cost meanwhile. */
import { setTimeout as wait } from 'node:timers/promises';
import { figuresBetween, type Percentiles, percentilesOf } from '../src/cli/replica-figures.ts';
import type { ReplicaReport } from '../src/client/index.ts';
import { type KeyOptions, Load, type Target } from '../src/load/index.ts';
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

/** @throws Error if nothing was answered */
export async function measure(run: Run, settings: RunSettings): Promise<Figures> {
  const { store, depth, keys, readRatio, label } = run;
  const { valueSize, warmUpMs, durationMs, seed } = settings;
  const clients = run.clients();
  const load = new Load({ clients, depth, rate: null, operations: null, keys, valueSize, readRatio, seed });
  const look = async () => ({
    reports: await store.look(),
    servers: cpuSeconds(store.pids),
    load: cpuSeconds([process.pid]),
    answered: load.answered,
  });
  try {
    load.start();
    await wait(warmUpMs);
    const before = await look();
    load.beginWindow();
    await wait(durationMs);
    const { puts, gets, answered, errors, durationMs: measuredMs } = await load.endWindow();
    const after = await look();
    await load.stop();
    const latencyMs = percentilesOf(puts.plus(gets));
    if (latencyMs === null) throw new Error(`${label}: nothing was answered; ${JSON.stringify(errors)}`);
    const replicas = before.reports && after.reports ? figuresBetween(before.reports, after.reports) : null;
    const operations = after.answered - before.answered;
    return {
      label,
      perSecond: (answered / measuredMs) * 1000,
      latencyMs,
      commitMs: replicas?.commitMs ?? null,
      executeMs: replicas?.executeMs ?? null,
      executionDelayMs: replicas?.executionDelayMs ?? null,
      fastPathRatio: replicas?.fastPathRatio ?? null,
      operationsPerInstance: replicas?.operationsPerInstance ?? null,
      serverCpuMicroseconds: ((after.servers - before.servers) / operations) * 1e6,
      loadCpuMicroseconds: ((after.load - before.load) / operations) * 1e6,
      residentMib: store.pids.map(residentMib).reduce((sum, one) => sum + one, 0),
      errors,
    };
  } finally {
    for (const client of clients) client.close();
  }
}
