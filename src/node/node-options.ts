/** What the loop (node.ts) is made of, and what it tells about itself. */

import type { Logger } from 'pino';
import type { Replica, ReplicaId, ReplicaStatus } from '../epaxos/index.ts';
import type { Sessions } from '../kv/index.ts';
import type { Storage } from '../storage/index.ts';
import type { PeerStatus, Transport, TransportEvents } from '../transport/index.ts';
import type { AdvanceLimits } from './advance-timing.ts';
import type { Clock } from './clock.ts';
import type { InboxLimits } from './inbox.ts';
import type { InstanceLatencyCounts } from './instance-latencies.ts';
import type { PathCounts } from './metrics.ts';
import type { PendingLimits } from './pending.ts';
import type { SnapshotProgress } from './snapshot-fetcher.ts';

/** What the loop drives; restored before it is handed over. */
export type Core = Pick<
  Replica,
  | 'propose'
  | 'read'
  | 'withdraw'
  | 'step'
  | 'tick'
  | 'setReachable'
  | 'setRoundTrip'
  | 'hasReady'
  | 'isAtRest'
  | 'takeReady'
  | 'status'
>;

/** What a store holds, read back: where a process begins, and where it begins anew from a snapshot. */
export interface Restored {
  readonly core: Core;
  readonly sessions: Sessions;
}

export interface NodeOptions extends Restored {
  readonly id: ReplicaId;
  /** N. */
  readonly replicas: number;
  readonly storage: Storage;
  readonly transport: Transport;
  /** Reads back what the store holds now, after a snapshot has taken the place of what it held. */
  readonly restore: () => Promise<Restored>;
  /** Sends snapshots to peers. */
  readonly serveSnapshot: TransportEvents['serveSnapshot'];
  readonly clock: Clock;
  /** The period of the core's ticks, in milliseconds; deadlines are checked at the same time. */
  readonly tickMs: number;
  readonly limits: PendingLimits & InboxLimits;
  /** When generations end (R7.13). Defaults to {@link DEFAULT_ADVANCE}. */
  readonly advance?: AdvanceLimits;
  readonly logger: Logger;
  /** Called when a majority of replicas comes into reach or goes out of it; out of reach at the start. */
  readonly onQuorum?: (reachable: boolean) => void;
  /**
   * Called after the process stood still for long (pulse.ts): the connections that clients had before are to be
   * closed within a tick, so that nothing that was sent in that time is taken from them.
   */
  readonly onStoodStill?: () => void;
}

/** How a replica is doing, as it sees it. */
export interface NodeStatus extends ReplicaStatus {
  readonly paths: PathCounts;
  readonly latencies: InstanceLatencyCounts;
  readonly peers: readonly PeerStatus[];
  /** The present generation of request ids (R7.12), ≥ 1. */
  readonly generation: number;
  /** Calls of clients that wait for their answer. */
  readonly pendingRequests: number;
  /** The snapshot that is being copied, as this replica is too far behind; null for none. */
  readonly snapshot: SnapshotProgress | null;
}
