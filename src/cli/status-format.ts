/** The answer of `epaxos status` as a table and as JSON. */
import Table from 'cli-table3';
import type { ReplicaReport, ReplicaStatus } from '../client/index.ts';

const HEAD = [
  'endpoint',
  'replica',
  'state',
  'committed',
  'executed',
  'pruned',
  'fast',
  'slow',
  'recovered',
  'open',
  'waiting',
  'blocked',
  'peers up',
];

/**
 * One row an endpoint, unreachable ones included. Watermarks are one number a row of the instance space,
 * `12/12/9` for rows 1, 2, 3; the paths count what the replica coordinated since it started.
 */
export function statusAsTable(reports: readonly ReplicaReport[]): string {
  const table = new Table({ head: HEAD, style: { head: [], border: [] } });
  for (const { endpoint, status, error } of reports) {
    if (status !== null) table.push([endpoint, ...statusCells(status)]);
    else table.push([endpoint, '-', { colSpan: HEAD.length - 2, content: error?.message ?? 'no answer' }]);
  }
  return table.toString();
}

function statusCells(status: ReplicaStatus): string[] {
  const reachable = status.peers.filter((peer) => peer.reachable).length;
  return [
    `${status.replica} of ${status.replicas}`,
    stateOf(status),
    status.rows.map((row) => row.committed).join('/'),
    status.rows.map((row) => row.executed).join('/'),
    status.rows.map((row) => row.pruned).join('/'),
    String(status.paths?.fast ?? 0),
    String(status.paths?.slow ?? 0),
    String(status.paths?.recovered ?? 0),
    String(status.openInstances),
    String(status.waitingOperations),
    String(status.blockedInstances),
    `${reachable} of ${status.peers.length}`,
  ];
}

function stateOf(status: ReplicaStatus): string {
  const state = hasQuorum(status) ? 'serving' : 'no quorum';
  const { snapshot } = status;
  if (snapshot == null) return state;
  const mebibytes = (snapshot.bytes / 2 ** 20).toFixed(1);
  return `${state}, copying ${snapshot.source}: ${snapshot.entries} entries, ${mebibytes} MiB`;
}

/** Whether the replica reaches a majority of the cluster, itself included. */
export function hasQuorum(status: ReplicaStatus): boolean {
  const reachable = 1 + status.peers.filter((peer) => peer.reachable).length;
  return reachable > status.replicas / 2;
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

/** Everything that was answered; an endpoint without an answer has `error` instead of `status`. */
export function statusAsJson(reports: readonly ReplicaReport[]): object[] {
  return reports.map(({ endpoint, status, error }) =>
    status === null
      ? { endpoint, reachable: false, error: { code: error?.code, message: error?.message } }
      : { endpoint, reachable: true, status },
  );
}
