/** The operators' service: this replica's own view, also when no quorum is reachable. */
import type { handleUnaryCall } from '@grpc/grpc-js';
import type { ReplicaId } from '../../epaxos/index.ts';
import type { Clock, Node } from '../../node/index.ts';
import type { ProcessUsage, StatusRequest, StatusResponse } from '../../wire/index.ts';

/** The methods of epaxos.v1.Admin. */
export interface AdminHandlers {
  readonly Status: handleUnaryCall<StatusRequest, StatusResponse>;
}

export interface AdminServiceOptions {
  readonly node: Pick<Node, 'status'>;
  readonly config: {
    readonly id: ReplicaId;
    readonly cluster: string;
    /** Every replica's address, this one's included, by id. */
    readonly peers: ReadonlyMap<ReplicaId, string>;
  };
  /** Of the program. */
  readonly version: string;
  readonly clock: Clock;
}

/** Uptime counts from this call. */
export function createAdminHandlers({ node, config, version, clock }: AdminServiceOptions): AdminHandlers {
  const startedMs = clock.nowMs();
  return {
    Status: (_call, callback) => {
      const status = node.status();
      callback(null, {
        cluster: config.cluster,
        replica: config.id,
        replicas: config.peers.size,
        version,
        uptimeSeconds: (clock.nowMs() - startedMs) / 1000,
        rows: status.rows,
        paths: status.paths,
        peers: status.peers.map((peer) => ({
          replica: peer.id,
          address: peer.address,
          reachable: peer.reachable,
          roundTripMs: peer.roundTripMs ?? 0,
          droppedMessages: peer.dropped,
          violations: peer.violations,
        })),
        openInstances: status.openInstances,
        waitingOperations: status.waitingOperations,
        blockedInstances: status.blockedInstances,
        snapshot: status.snapshot,
        latencies: status.latencies,
        process: processUsage(),
        generation: status.generation,
      });
    },
  };
}

function processUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
}
