/** The stores that are measured, running on this machine, and the clients they can be measured through. */
import { connect } from '../src/client/index.ts';
import { ProcessCluster } from '../test/support/process-cluster.ts';
import { EtcdCluster } from './etcd-cluster.ts';
import type { ClosableTarget, Store } from './measure.ts';
import { EPAXOS_PATHS, ETCD_PATHS, UnaryTarget } from './unary-target.ts';

/** Beyond what any operation takes here. */
const TIMEOUT_MS = 60_000;

const THIS_VERSION: Version = { connect };

/** A running store. */
export interface RunningStore extends Store {
  /** `host:port` of every replica or member. */
  readonly endpoints: readonly string[];
  /** A client that makes one gRPC call of each request, all to this replica or member. */
  unary(address: string): ClosableTarget;
  close(): Promise<void>;
}

/** One of ours. */
export interface RunningReplicas extends RunningStore {
  /** So many clients of the library; each begins at another replica. */
  library(count: number): readonly ClosableTarget[];
  /** Stops every replica by a signal: it takes no processor time until it is resumed. */
  suspend(): void;
  /** Lets all go on, and waits until they reach each other. */
  resume(): Promise<void>;
}

/** A built version of this project: its command, and its own client library. */
export interface Version {
  readonly program?: string;
  readonly connect: typeof connect;
}

/** @param version what to run and to measure it with; this checkout if absent */
export async function startReplicas(
  count: 3 | 5,
  { connect, program }: Version = THIS_VERSION,
): Promise<RunningReplicas> {
  const cluster = await ProcessCluster.start(count, program === undefined ? {} : { program });
  const { endpoints } = cluster;
  const observer = connect({ endpoints, timeoutMs: TIMEOUT_MS });
  return {
    pids: cluster.ids.flatMap((id) => cluster.pid(id) ?? []),
    look: () => observer.status(),
    endpoints,
    unary: (address) => new UnaryTarget({ address, paths: EPAXOS_PATHS }),
    library: (clients) =>
      Array.from({ length: clients }, (_, index) => {
        const first = index % endpoints.length;
        return connect({
          endpoints: [...endpoints.slice(first), ...endpoints.slice(0, first)],
          timeoutMs: TIMEOUT_MS,
        });
      }),
    suspend: () => {
      for (const id of cluster.ids) cluster.pause(id);
    },
    resume: async () => {
      for (const id of cluster.ids) cluster.resume(id);
      await cluster.untilConnected();
    },
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
    endpoints: cluster.endpoints,
    unary: (address) => new UnaryTarget({ address, paths: ETCD_PATHS }),
    close: () => cluster.close(),
  };
}

/** Ends stores, all of them, whatever happens to one. @throws the first error, when all have ended */
export async function closeAll(stores: readonly (RunningStore | null)[]): Promise<void> {
  const ends = await Promise.allSettled(stores.map((store) => store?.close()));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
