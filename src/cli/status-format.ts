/** The answer of `epaxos status` as a table and as JSON, and what it means. */
import Table from 'cli-table3';
import type { ReplicaReport, ReplicaStatus } from '../client/index.ts';
import { LatencyHistogram } from '../util/latency-histogram.ts';
import { describeDuration, milliseconds } from './duration.ts';
import { type Percentiles, percentilesOf } from './replica-figures.ts';

export interface StatusTableOptions {
  /** Whether all columns are shown, or those alone that fit a terminal of 100 columns. */
  readonly wide: boolean;
}

interface Column {
  readonly head: string;
  cellOf(status: ReplicaStatus): string;
}

const NARROW: readonly Column[] = [
  { head: 'replica', cellOf: ({ replica, replicas }) => `${replica} of ${replicas}` },
  { head: 'state', cellOf: stateOf },
  { head: 'version', cellOf: ({ version }) => version },
  { head: 'uptime', cellOf: ({ uptimeSeconds }) => describeDuration(uptimeSeconds) },
  { head: 'commit p50', cellOf: (status) => latencyCell(status, 'p50') },
  { head: 'commit p99', cellOf: (status) => latencyCell(status, 'p99') },
];

/** Watermarks are one number a row of the instance space, `12/12/9` for rows 1, 2, 3. */
const WIDE: readonly Column[] = [
  ...NARROW.map((column) => (column.head === 'state' ? { ...column, cellOf: stateInFull } : column)),
  { head: 'committed', cellOf: ({ rows }) => rows.map((row) => row.committed).join('/') },
  { head: 'executed', cellOf: ({ rows }) => rows.map((row) => row.executed).join('/') },
  { head: 'pruned', cellOf: ({ rows }) => rows.map((row) => row.pruned).join('/') },
  { head: 'fast', cellOf: ({ paths }) => String(paths?.fast ?? 0) },
  { head: 'slow', cellOf: ({ paths }) => String(paths?.slow ?? 0) },
  { head: 'recovered', cellOf: ({ paths }) => String(paths?.recovered ?? 0) },
  { head: 'open', cellOf: ({ openInstances }) => String(openInstances) },
  { head: 'waiting', cellOf: ({ waitingOperations }) => String(waitingOperations) },
  { head: 'blocked', cellOf: ({ blockedInstances }) => String(blockedInstances) },
  { head: 'peers up', cellOf: ({ peers }) => `${peers.filter(isReachable).length} of ${peers.length}` },
];

/** One row an endpoint; one that does not answer has the reason instead. */
export function statusAsTable(reports: readonly ReplicaReport[], { wide }: StatusTableOptions): string {
  const columns = wide ? WIDE : NARROW;
  const table = new Table({
    head: ['endpoint', ...columns.map(({ head }) => head)],
    style: { head: [], border: [] },
  });
  for (const { endpoint, status, error } of reports) {
    if (status !== null) table.push([endpoint, ...columns.map(({ cellOf }) => cellOf(status))]);
    else table.push([endpoint, '-', { colSpan: columns.length - 1, content: error?.message ?? 'no answer' }]);
  }
  return table.toString();
}

function stateOf(status: ReplicaStatus): string {
  const state = hasQuorum(status) ? 'serving' : 'no quorum';
  return status.snapshot == null ? state : `${state}, copying`;
}

function stateInFull(status: ReplicaStatus): string {
  const { snapshot } = status;
  if (snapshot == null) return stateOf(status);
  const mebibytes = (snapshot.bytes / 2 ** 20).toFixed(1);
  return `${stateOf(status)} ${snapshot.source}: ${snapshot.entries} entries, ${mebibytes} MiB`;
}

function latencyCell({ latencies }: ReplicaStatus, percentile: 'p50' | 'p99'): string {
  const percentiles = percentilesOf(new LatencyHistogram(latencies?.commit));
  return percentiles === null ? '-' : milliseconds(percentiles[percentile]);
}

/** Whether the replica reaches a majority of the cluster, itself included. */
export function hasQuorum({ replicas, peers }: ReplicaStatus): boolean {
  return 1 + peers.filter(isReachable).length > replicas / 2;
}

function isReachable({ reachable }: { readonly reachable: boolean }): boolean {
  return reachable;
}

/**
 * Whether a majority of the cluster can be seen serving. Where as many endpoints were asked as there are replicas, more
 * than half of the replicas must say that they reach a majority: one that has just lost the others may not know it yet.
 * Where fewer were asked, one replica that says so is enough: what the others would say is not known.
 */
export function isMajorityServing(reports: readonly ReplicaReport[]): boolean {
  const statuses = reports.flatMap(({ status }) => status ?? []);
  const replicas = Math.max(1, ...statuses.map((status) => status.replicas));
  const serving = new Set(statuses.filter(hasQuorum).map(({ replica }) => replica)).size;
  return reports.length < replicas ? serving > 0 : serving > replicas / 2;
}

/**
 * Everything that was answered, but for the latencies the percentiles instead of the thousands of buckets that they are
 * computed from; an endpoint without an answer has `error` instead of `status`.
 */
export function statusAsJson(reports: readonly ReplicaReport[]): object[] {
  return reports.map(({ endpoint, status, error }) =>
    status === null
      ? { endpoint, reachable: false, error: { code: error?.code, message: error?.message } }
      : { endpoint, reachable: true, status: { ...status, latencies: latenciesAsJson(status) } },
  );
}

function latenciesAsJson({ latencies }: ReplicaStatus): object | null {
  return latencies == null
    ? null
    : {
        operations: latencies.operations,
        commitMs: latencyAsJson(latencies.commit),
        executeMs: latencyAsJson(latencies.execute),
        executionDelayMs: latencyAsJson(latencies.executionDelay),
      };
}

/** Null if nothing was counted. */
function latencyAsJson(counts: readonly number[]): ({ readonly count: number } & Percentiles) | null {
  const histogram = new LatencyHistogram(counts);
  const percentiles = percentilesOf(histogram);
  return percentiles === null ? null : { count: histogram.total, ...percentiles };
}
