/**
 * The requests and responses of the KV and Admin services (proto/epaxos/v1/kv.proto, admin.proto) as
 * they are in memory: what the service definitions take and give. In what was received every field is
 * present, with null for an absent message; in what is sent, fields that have their default may be left out.
 */
import type { RequestIdBytes } from '../operation/operation-encoder.ts';

/** What every response to a client's request says. */
export interface Answered {
  /** The present generation of request ids at the replica that answers, ≥ 1. */
  readonly generation: number;
}

export interface KeyValue {
  readonly value: Uint8Array;
  readonly version: number;
}

export interface PutRequest {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly returnPrevious: boolean;
  /** Null: the replica draws one. */
  readonly requestId: RequestIdBytes | null;
}

export interface PutResponse extends Answered {
  readonly version: number;
  /** Null: not asked for, or the key did not exist. */
  readonly previous: KeyValue | null;
}

export interface GetRequest {
  readonly key: Uint8Array;
  /** Answer from the replica's own table, which may be behind. Absent: false. */
  readonly stale?: boolean;
}

export interface GetResponse extends Answered {
  /** Null: the key does not exist. */
  readonly found: KeyValue | null;
}

export interface MultiGetRequest {
  readonly keys: readonly Uint8Array[];
  /** As in {@link GetRequest}. */
  readonly stale?: boolean;
}

export interface MultiGetResponse extends Answered {
  /** One for each key, in the order of the request. */
  readonly entries: readonly MultiGetEntry[];
}

export interface MultiGetEntry {
  /** Null: the key does not exist. */
  readonly found: KeyValue | null;
}

export interface DeleteRequest {
  readonly key: Uint8Array;
  readonly returnPrevious: boolean;
  /** Null: the replica draws one. */
  readonly requestId: RequestIdBytes | null;
}

export interface DeleteResponse extends Answered {
  /** The version that was removed; 0: the key did not exist. */
  readonly version: number;
  /** Null: not asked for, or the key did not exist. */
  readonly previous: KeyValue | null;
}

export type StatusRequest = Record<never, never>;

export interface StatusResponse {
  readonly cluster: string;
  readonly replica: number;
  /** N. */
  readonly replicas: number;
  /** Of the program. */
  readonly version: string;
  readonly uptimeSeconds: number;
  /** One a replica, by id. */
  readonly rows: readonly RowStatus[];
  readonly paths: PathCounts | null;
  /** Every other replica, by id. */
  readonly peers: readonly PeerState[];
  /** Own instances not yet executed. */
  readonly openInstances: number;
  /** Operations that wait to be proposed. */
  readonly waitingOperations: number;
  /** Committed instances that wait for what they depend on. */
  readonly blockedInstances: number;
  /** What is being copied from a peer, as the replica is too far behind to fetch it; absent or null for nothing. */
  readonly snapshot?: SnapshotProgress | null;
  readonly latencies?: InstanceLatencies | null;
  readonly process?: ProcessUsage | null;
  /** The present one of request ids, as far as the replica has executed. */
  readonly generation?: number;
}

/** How long own instances take; since the process started. Counts are by bucket, as LatencyHistogram has them. */
export interface InstanceLatencies {
  /** Proposed in own instances; one that is proposed again counts again. */
  readonly operations: number;
  /** From proposed to committed. */
  readonly commit: readonly number[];
  /** From proposed to executed and answered. */
  readonly execute: readonly number[];
  /** From committed to executed and answered. */
  readonly executionDelay: readonly number[];
}

export interface ProcessUsage {
  /** User and system, since the process started. */
  readonly cpuSeconds: number;
  /** Memory. */
  readonly residentBytes: number;
}

export interface SnapshotProgress {
  /** The peer. */
  readonly source: number;
  /** Entries that have arrived. */
  readonly entries: number;
  readonly bytes: number;
}

export interface RowStatus {
  readonly replica: number;
  /** Every slot up to this one is committed here. */
  readonly committed: number;
  /** Every slot up to this one is executed here. */
  readonly executed: number;
  /** The highest slot known here in any status. */
  readonly highest: number;
  /** Every slot up to this one is forgotten here. */
  readonly pruned: number;
}

/** Instances that the replica coordinated since it started, by the path that committed them. */
export interface PathCounts {
  readonly fast: number;
  readonly slow: number;
  readonly recovered: number;
}

export interface PeerState {
  readonly replica: number;
  readonly address: string;
  readonly reachable: boolean;
  /** Of the last heartbeat; 0 before the first. */
  readonly roundTripMs: number;
  readonly droppedMessages: number;
  /** How often it was hung up on, as it sent what no replica sends. */
  readonly violations: number;
}
