/** The answer of `epaxos probe`: how every replica reaches every other, as a table and as JSON. */
import Table from 'cli-table3';
import type { ReplicaReport, ReplicaStatus } from '../client/index.ts';

/** A row for each endpoint, a column for each replica it may reach: the round trip, or "down". */
export function probeAsTable(reports: readonly ReplicaReport[]): string {
  const replicas = Math.max(0, ...reports.map(({ status }) => status?.replicas ?? 0));
  const ids = Array.from({ length: replicas }, (_, index) => index + 1);
  const table = new Table({
    head: ['endpoint', 'from', ...ids.map((id) => `to ${id}`)],
    style: { head: [], border: [] },
  });
  for (const { endpoint, status, error } of reports) {
    if (status !== null)
      table.push([endpoint, `${status.replica}`, ...ids.map((id) => linkCell(status, id))]);
    else table.push([endpoint, { colSpan: ids.length + 1, content: error?.message ?? 'no answer' }]);
  }
  return table.toString();
}

function linkCell(status: ReplicaStatus, to: number): string {
  if (to === status.replica) return '-';
  const peer = status.peers.find(({ replica }) => replica === to);
  return peer?.reachable ? `${peer.roundTripMs.toFixed(2)} ms` : 'down';
}

/** Every endpoint with the links of its replica; one without an answer has `error` instead. */
export function probeAsJson(reports: readonly ReplicaReport[]): object[] {
  return reports.map(({ endpoint, status, error }) =>
    status === null
      ? { endpoint, error: { code: error?.code, message: error?.message } }
      : {
          endpoint,
          from: status.replica,
          links: status.peers.map((peer) => ({
            to: peer.replica,
            address: peer.address,
            reachable: peer.reachable,
            roundTripMs: peer.reachable ? peer.roundTripMs : null,
          })),
        },
  );
}

/** Whether every endpoint answered and its replica reaches all others. */
export function reachesAll(reports: readonly ReplicaReport[]): boolean {
  return reports.every(({ status }) => status?.peers.every((peer) => peer.reachable));
}
