/** The summary of `epaxos bench` as text. */
import type { KeyOptions } from '../load/index.ts';
import type { BenchLoad, BenchSummary } from './bench.ts';
import { milliseconds } from './duration.ts';
import type { Percentiles } from './replica-figures.ts';

/** A few lines for people. */
export function benchAsText(summary: BenchSummary): string {
  return `${figuresOf(summary)
    .map(([name, figure]) => `${name}: ${figure}`)
    .join('\n')}\n`;
}

/** The cells of a table, a figure a row, with their heads. */
export function benchAsCells(summary: BenchSummary): {
  readonly head: string[];
  readonly rows: readonly (readonly string[])[];
} {
  return { head: ['figure', 'value'], rows: figuresOf(summary) };
}

function figuresOf(summary: BenchSummary): readonly (readonly [name: string, figure: string])[] {
  const { replicas, cpuMicroseconds: cpu, putMs, getMs, errors, unsent } = summary;
  const seconds = (summary.durationMs / 1000).toFixed(2);
  const each = replicas?.operationsPerInstance ?? null;
  return [
    ['load', describeLoad(summary.load)],
    [
      'throughput',
      `${Math.round(summary.answeredPerSecond)} a second (${summary.answered} operations in ${seconds} s)`,
    ],
    ...latencyOf('put latency', putMs),
    ...latencyOf('get latency', getMs),
    ...latencyOf('commit latency of instances', replicas?.commitMs ?? null),
    ...latencyOf('execute latency of instances', replicas?.executeMs ?? null),
    ...figure('fast path', replicas?.fastPathRatio ?? null, (ratio) => {
      const instances = (replicas?.fast ?? 0) + (replicas?.slow ?? 0);
      return `${(ratio * 100).toFixed(2)} % of ${instances} instances, ${(each ?? 0).toFixed(1)} operations each`;
    }),
    ...figure('CPU of the replicas', cpu?.replicas ?? null, (value) => `${value.toFixed(1)} µs an operation`),
    ...figure('CPU of the load', cpu?.load ?? null, (value) => `${value.toFixed(1)} µs an operation`),
    ...figure('memory of the replicas', replicas, ({ residentBytes }) =>
      residentBytes.map((bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`).join(', '),
    ),
    ...figure('never sent', unsent === 0 ? null : unsent, String),
    ...figure('errors', Object.keys(errors).length === 0 ? null : errors, (counts) =>
      Object.entries(counts)
        .map(([code, count]) => `${code} ${count}`)
        .join(', '),
    ),
  ];
}

function describeLoad({ clients, depth, rate, keys, valueSize, readRatio }: BenchLoad): string {
  const loop = rate === null ? 'closed loop' : `open loop, ${rate} a second`;
  const what = `${(readRatio * 100).toFixed(0)} % gets, ${valueSize} bytes, ${describeKeys(keys)}`;
  return `${what}; ${loop}, ${clients} clients of depth ${depth}`;
}

function describeKeys(options: KeyOptions): string {
  switch (options.distribution) {
    case 'uniform':
      return `${options.keys} keys, uniform`;
    case 'zipf':
      return `${options.keys} keys, Zipf ${options.exponent}`;
    case 'hot':
      return `${options.keys} keys, one of them hot with ${(options.conflict * 100).toFixed(0)} %`;
  }
}

function latencyOf(name: string, percentiles: Percentiles | null) {
  return figure(name, percentiles, ({ p50, p99, p999 }) => {
    const [low, high, highest] = [p50, p99, p999].map(milliseconds);
    return `p50 ${low}, p99 ${high}, p99.9 ${highest}`;
  });
}

/** Nothing for a figure that there is not. */
function figure<T>(
  name: string,
  value: T | null,
  format: (value: T) => string,
): readonly (readonly [string, string])[] {
  return value === null ? [] : [[name, format(value)]];
}
