/** What the replicas did between two looks at them: the difference of what their statuses count. */
import type { ReplicaReport, ReplicaStatus } from '../client/index.ts';
import { LatencyHistogram } from '../util/latency-histogram.ts';

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** Of all replicas that answered both times and were not started again in between. */
export interface ReplicaFigures {
  /** Of own instances, in milliseconds; null if there were none. See `InstanceLatencies` in the schema. */
  readonly commitMs: Percentiles | null;
  readonly executeMs: Percentiles | null;
  readonly executionDelayMs: Percentiles | null;
  /** Own instances committed by each path, and instances of any replica committed by recovery. */
  readonly fast: number;
  readonly slow: number;
  readonly recovered: number;
  /** Of own instances, the part that took the fast path; null if there were none. */
  readonly fastPathRatio: number | null;
  /** Operations proposed in each own instance, on average; null if there were none. */
  readonly operationsPerInstance: number | null;
  readonly cpuSeconds: number;
  /** At the second look, one a replica. */
  readonly residentBytes: readonly number[];
}

interface Pair {
  readonly before: ReplicaStatus;
  readonly after: ReplicaStatus;
}

/** Null if no replica answered both times. */
export function figuresBetween(
  before: readonly ReplicaReport[],
  after: readonly ReplicaReport[],
): ReplicaFigures | null {
  const pairs = after.flatMap(({ endpoint, status }): Pair[] => {
    const earlier = before.find((report) => report.endpoint === endpoint)?.status ?? null;
    if (status === null || earlier === null || earlier.uptimeSeconds > status.uptimeSeconds) return [];
    return [{ before: earlier, after: status }];
  });
  if (pairs.length === 0) return null;
  const sum = (count: (status: ReplicaStatus) => number) =>
    pairs.reduce((total, pair) => total + count(pair.after) - count(pair.before), 0);
  const [fast, slow] = [sum(({ paths }) => paths?.fast ?? 0), sum(({ paths }) => paths?.slow ?? 0)];
  const instances = fast + slow;
  return {
    commitMs: percentilesOf(merged(pairs, 'commit')),
    executeMs: percentilesOf(merged(pairs, 'execute')),
    executionDelayMs: percentilesOf(merged(pairs, 'executionDelay')),
    fast,
    slow,
    recovered: sum(({ paths }) => paths?.recovered ?? 0),
    fastPathRatio: instances === 0 ? null : fast / instances,
    operationsPerInstance:
      instances === 0 ? null : sum(({ latencies }) => latencies?.operations ?? 0) / instances,
    cpuSeconds: sum(({ process }) => process?.cpuSeconds ?? 0),
    residentBytes: pairs.map(({ after: { process } }) => process?.residentBytes ?? 0),
  };
}

/** Null for an empty histogram. */
export function percentilesOf(histogram: LatencyHistogram): Percentiles | null {
  const [p50, p99, p999] = [50, 99, 99.9].map((percent) => histogram.percentileMs(percent));
  return p50 == null || p99 == null || p999 == null ? null : { p50, p99, p999 };
}

function merged(pairs: readonly Pair[], what: 'commit' | 'execute' | 'executionDelay'): LatencyHistogram {
  return pairs
    .map(({ before, after }) =>
      new LatencyHistogram(after.latencies?.[what]).minus(new LatencyHistogram(before.latencies?.[what])),
    )
    .reduce((all, one) => all.plus(one));
}
