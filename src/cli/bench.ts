/** One benchmark: a load through the client library, and what the replicas count meanwhile. */
import { setTimeout as wait } from 'node:timers/promises';
import { connect, type KvClient } from '../client/index.ts';
import { KvError } from '../errors.ts';
import { fillKeys, type KeyOptions, Load, type Measurement } from '../load/index.ts';
import { figuresBetween, type Percentiles, percentilesOf, type ReplicaFigures } from './replica-figures.ts';

const FOLLOW_INTERVAL_MS = 100;

/** The load, as it was asked for; all of it stands in the summary again. */
export interface BenchLoad {
  readonly clients: number;
  /** Of each client. */
  readonly depth: number;
  /** Operations a second, all clients together; null for a closed loop. */
  readonly rate: number | null;
  readonly keys: KeyOptions;
  readonly valueSize: number;
  readonly readRatio: number;
  readonly seed: number;
}

export interface BenchOptions extends BenchLoad {
  /** `host:port` of the replicas. Each client begins at another one, and goes on to those that follow. */
  readonly endpoints: readonly string[];
  /** Of each operation. */
  readonly timeoutMs: number;
  /** Puts every key once before anything else. */
  readonly fill: boolean;
  /** How long, after a warm-up; or how many operations, without one. */
  readonly span: { readonly warmUpMs: number; readonly durationMs: number } | { readonly operations: number };
  /** Called when a part of it begins that takes a while. @param total of this unit */
  readonly progressOf?: (total: number, unit: string) => Progress;
}

/** Told how far something is. */
export interface Progress {
  show(done: number): void;
  /** It has ended, in whatever way. */
  clear(): void;
}

export interface BenchSummary {
  readonly load: BenchLoad;
  readonly durationMs: number;
  readonly answered: number;
  readonly answeredPerSecond: number;
  /** Operations that ended with an error, by its code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Open loop: operations whose time came, but for which there was no place until the end. */
  readonly unsent: number;
  /** At the client, in milliseconds; null where there were none. */
  readonly putMs: Percentiles | null;
  readonly getMs: Percentiles | null;
  /** Of the replicas at the endpoints; null if none could be asked. */
  readonly replicas: ReplicaFigures | null;
  /** Processor time of one operation; null if none was answered. */
  readonly cpuMicroseconds: { readonly replicas: number | null; readonly load: number } | null;
}

/**
 * Runs a benchmark to its end.
 * @throws KvError if no replica answers, or the keys cannot be put beforehand
 */
export async function runBench(options: BenchOptions): Promise<BenchSummary> {
  const { endpoints, timeoutMs, fill, span } = options;
  const clients = clientsOf(options);
  const observer = connect({ endpoints, timeoutMs });
  const load = new Load({ ...options, clients, operations: 'operations' in span ? span.operations : null });
  const look = async () => ({ reports: await observer.status(), ...ownUse(), answered: load.answered });
  let stopFollowing = () => {};
  try {
    const [first] = (await observer.status()).filter(({ error }) => error === null);
    if (first === undefined)
      throw new KvError('unreachable', `no replica answers at ${endpoints.join(', ')}`);
    if (fill) await fillAll(options, clients);
    stopFollowing = follow(options, load);
    let before: Awaited<ReturnType<typeof look>>;
    if ('operations' in span) {
      before = await look();
      load.beginWindow();
      load.start();
      await load.finished;
    } else {
      load.start();
      await Promise.race([wait(span.warmUpMs), load.finished]);
      before = await look();
      load.beginWindow();
      await Promise.race([wait(span.durationMs), load.finished]);
    }
    const measurement = await load.endWindow();
    const after = await look();
    await load.stop();
    const figures = figuresBetween(before.reports, after.reports);
    return {
      ...summaryOf(options, measurement),
      replicas: figures,
      cpuMicroseconds: perOperation(after.answered - before.answered, {
        replicas: figures?.cpuSeconds ?? null,
        load: after.cpuSeconds - before.cpuSeconds,
      }),
    };
  } finally {
    stopFollowing();
    for (const client of [...clients, observer]) client.close();
  }
}

function clientsOf({ clients, endpoints, timeoutMs }: BenchOptions): readonly KvClient[] {
  return Array.from({ length: clients }, (_, client) => {
    const first = client % endpoints.length;
    return connect({ endpoints: [...endpoints.slice(first), ...endpoints.slice(0, first)], timeoutMs });
  });
}

async function fillAll(options: BenchOptions, clients: readonly KvClient[]): Promise<void> {
  const { keys } = options.keys;
  const progress = options.progressOf?.(keys, 'keys');
  try {
    await fillKeys({ ...options, clients, keys, onProgress: (done) => progress?.show(done) });
  } finally {
    progress?.clear();
  }
}

/** Tells how far the load is, from now until the returned function is called. */
function follow({ progressOf, span }: BenchOptions, load: Load): () => void {
  if (progressOf === undefined) return () => {};
  const startedMs = performance.now();
  const inTenths = (durationMs: number) => Math.floor(durationMs / 100) / 10;
  const [total, unit, done] =
    'operations' in span
      ? [span.operations, 'operations', () => load.answered]
      : [inTenths(span.warmUpMs + span.durationMs), 's', () => inTenths(performance.now() - startedMs)];
  const progress = progressOf(total, unit);
  const show = () => progress.show(Math.min(done(), total));
  show();
  const timer = setInterval(show, FOLLOW_INTERVAL_MS);
  return () => {
    clearInterval(timer);
    progress.clear();
  };
}

function ownUse(): { readonly cpuSeconds: number } {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6 };
}

function summaryOf(options: BenchOptions, measurement: Measurement) {
  const { clients, depth, rate, keys, valueSize, readRatio, seed } = options;
  const { durationMs, answered, errors, unsent, puts, gets } = measurement;
  return {
    load: { clients, depth, rate, keys, valueSize, readRatio, seed },
    durationMs,
    answered,
    answeredPerSecond: (answered / durationMs) * 1000,
    errors,
    unsent,
    putMs: percentilesOf(puts),
    getMs: percentilesOf(gets),
  };
}

function perOperation(
  operations: number,
  seconds: { readonly replicas: number | null; readonly load: number },
): BenchSummary['cpuMicroseconds'] {
  if (operations === 0) return null;
  const { replicas, load } = seconds;
  return {
    replicas: replicas === null ? null : (replicas / operations) * 1e6,
    load: (load / operations) * 1e6,
  };
}
