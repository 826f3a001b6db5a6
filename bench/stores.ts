/** The stores that are measured, running on this machine, and the clients they can be measured through. */
import { connect } from '../src/client/index.ts';
import { ProcessCluster } from '../test/support/process-cluster.ts';
import { EtcdCluster } from './etcd-cluster.ts';
import type { ClosableTarget, Store } from './measure.ts';
import { EPAXOS_PATHS, ETCD_PATHS, UnaryTarget } from './unary-target.ts';

/** Beyond what any operation takes here. */
const TIMEOUT_MS = 60_000;

/** A running store. */
export interface RunningStore extends Store {
  /** Clients that make one gRPC call of each request, one a replica or member. */
  unary(): readonly ClosableTarget[];
  close(): Promise<void>;
}

/** One of ours. */
export interface RunningReplicas extends RunningStore {
  /** So many clients of the library; each begins at another replica. */
  library(count: number): readonly ClosableTarget[];
}

export async function startReplicas(count: 3 | 5): Promise<RunningReplicas> {
  const cluster = await ProcessCluster.start(count);
  const { endpoints } = cluster;
  const observer = connect({ endpoints, timeoutMs: TIMEOUT_MS });
  return {
    pids: cluster.ids.flatMap((id) => cluster.pid(id) ?? []),
    look: () => observer.status(),
    unary: () => endpoints.map((address) => new UnaryTarget({ address, paths: EPAXOS_PATHS })),
    library: (clients) =>
      Array.from({ length: clients }, (_, index) => {
        const first = index % endpoints.length;
        return connect({
          endpoints: [...endpoints.slice(first), ...endpoints.slice(0, first)],
          timeoutMs: TIMEOUT_MS,
        });
      }),
    close: () => {
      observer.close();
      return cluster.close();
    },
  };
}

export async function startEtcd(): Promise<RunningStore> {
  const cluster = await EtcdCluster.start();
  return {
    pids: cluster.pids,
    look: () => null,
    unary: () => cluster.endpoints.map((address) => new UnaryTarget({ address, paths: ETCD_PATHS })),
    close: () => cluster.close(),
  };
}
