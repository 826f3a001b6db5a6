/**
 * The transport port: best-effort delivery of protocol messages between replicas. Messages may be lost,
 * repeated or reordered; they are never altered. Sending never blocks and never fails: what cannot be
 * sent is dropped and counted, and the protocol retries.
 */
import type { Envelope, Message, ReplicaId } from '../epaxos/index.ts';
import type { KvError } from '../errors.ts';
import type { SnapshotChunk, SnapshotRequest } from '../wire/index.ts';

/** How a peer looks from here. */
export interface PeerStatus {
  readonly id: ReplicaId;
  readonly address: string;
  /** True while the connection answers heartbeats. */
  readonly reachable: boolean;
  /** The shortest of the last round trips of heartbeats, in milliseconds; null before the first. */
  readonly roundTripMs: number | null;
  /** Messages dropped since the start because the peer was away or its queue was full. */
  readonly dropped: number;
  /** How often the peer was hung up on since the start, as it sent what no replica sends. */
  readonly violations: number;
}

export interface TransportEvents {
  /** Called for each frame that arrived; all messages are from the same peer and well-formed. */
  onMessages(from: ReplicaId, messages: readonly Message[]): void;
  /** Called when a peer becomes reachable or stops being so. */
  onReachable(peer: ReplicaId, reachable: boolean): void;
  /**
   * Called when a peer says that this replica has run before with another store, or that its store held more
   * (`dataDirectoryMismatch`): it must not go on (R6.5, R6.13).
   */
  onDisowned(error: KvError): void;
  /** Called for a peer that asks for a snapshot; what it throws, as a KvError, the peer is told. */
  serveSnapshot(peer: ReplicaId, request: SnapshotRequest): AsyncIterable<SnapshotChunk>;
}

export interface Transport {
  /** Starts connecting to every peer and delivering what arrives. Called once. */
  start(events: TransportEvents): void;
  /** Queues messages, coalesced into frames. Bounded: the excess is dropped. */
  send(envelopes: readonly Envelope[]): void;
  /**
   * The chunks of a peer's snapshot, as they arrive; the peer sends no faster than they are taken. Breaking the
   * iteration off hangs up.
   * @throws KvError from the iteration: what the peer answered, or what broke the stream
   */
  fetchSnapshot(from: ReplicaId, request: SnapshotRequest): AsyncIterable<SnapshotChunk>;
  /** Every peer, by id; this replica itself is not among them. */
  peers(): readonly PeerStatus[];
  /** Closes every connection. Idempotent. */
  close(): Promise<void>;
}
