/** The transport's timing, queues and events: what may be tuned (tests do) and what may be watched. */
import type { ReplicaId } from '../epaxos/index.ts';
import type { KvError } from '../errors.ts';
import { RPC_LIMITS } from '../wire/index.ts';

export interface TransportTiming {
  /** A ping to every peer this often. */
  readonly heartbeatIntervalMs: number;
  /** A peer of which nothing arrived for this long is not reachable, until it is heard again; above the usual loop delays. */
  readonly silenceMs: number;
  /** A connection on which nothing arrived for this long is given up. A starved peer would only be set back by dialling anew. */
  readonly hangUpMs: number;
  /** A connection that does not answer its first ping within this time is given up. */
  readonly connectTimeoutMs: number;
  /** The wait before dialling a peer again; it doubles with every failure. */
  readonly firstBackoffMs: number;
  readonly maxBackoffMs: number;
  /** The copy of a snapshot is broken off when the peer has sent nothing of it for this long. */
  readonly snapshotSilenceMs: number;
}

export const DEFAULT_TRANSPORT_TIMING: TransportTiming = {
  heartbeatIntervalMs: 250,
  silenceMs: 1000,
  hangUpMs: 5000,
  connectTimeoutMs: 5000,
  firstBackoffMs: 20,
  maxBackoffMs: 1000,
  snapshotSilenceMs: 10_000,
};

/** Bounds of the messages that wait for one stream to one peer. */
export interface QueueLimits {
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  /** Waiting messages are sent in frames of about this many bytes; a larger message goes alone. */
  readonly frameTargetBytes: number;
}

export const DEFAULT_QUEUE_LIMITS: QueueLimits = RPC_LIMITS;

/** What the transport noticed, for logs and metrics. Lasting conditions are reported once, when they begin or change. */
export type TransportEvent =
  | { readonly type: 'connected'; readonly peer: ReplicaId; readonly address: string }
  /** An established connection ended. */
  | { readonly type: 'disconnected'; readonly peer: ReplicaId; readonly error: KvError }
  /** A peer cannot be reached; dialling goes on. */
  | {
      readonly type: 'connectFailed';
      readonly peer: ReplicaId;
      readonly address: string;
      readonly error: KvError;
    }
  /** A peer answered that we do not belong together (`peerMismatch`); dialling goes on, slowly. */
  | {
      readonly type: 'refusedByPeer';
      readonly peer: ReplicaId;
      readonly address: string;
      readonly error: KvError;
    }
  /** A peer was dialled whose store is not the one it had at first contact (`peerMismatch`); dialling goes on, slowly. */
  | {
      readonly type: 'peerRefused';
      readonly peer: ReplicaId;
      readonly address: string;
      readonly error: KvError;
    }
  /**
   * Somebody called who does not belong here, or whose configuration differs (`peerMismatch`), or who has
   * another store than at first contact (`dataDirectoryMismatch`).
   */
  | { readonly type: 'callerRefused'; readonly error: KvError }
  /** A peer has sent what no replica sends. Nothing of it was taken, and the connections with it were closed. */
  | { readonly type: 'violation'; readonly peer: ReplicaId /** What it was. */; readonly error: KvError }
  /** A message over the size limit was dropped. */
  | {
      readonly type: 'tooLarge';
      readonly peer: ReplicaId;
      readonly messageType: string;
      readonly bytes: number;
    };

export type TransportObserver = (event: TransportEvent) => void;
