/**
 * Who calls whom: the metadata that opens every stream between replicas, and its check. Two replicas talk
 * only if they agree on the protocol version, the cluster, its size and each other's ids.
 */
import { Metadata } from '@grpc/grpc-js';
import type { ReplicaId } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';

/** Raised by any change of the peers' protocol that older replicas cannot follow. */
export const PROTOCOL_VERSION = 1;

/** One replica's idea of itself. */
export interface Membership {
  readonly cluster: string;
  /** N. */
  readonly replicas: number;
  readonly self: ReplicaId;
}

const KEYS = {
  protocol: 'epaxos-protocol',
  cluster: 'epaxos-cluster',
  replicas: 'epaxos-replicas',
  from: 'epaxos-from',
  to: 'epaxos-to',
} as const;

/** The metadata with which `membership.self` calls the peer `to`. */
export function handshakeMetadata(membership: Membership, to: ReplicaId): Metadata {
  const metadata = new Metadata();
  metadata.set(KEYS.protocol, String(PROTOCOL_VERSION));
  // A header carries printable ASCII only; a cluster may be named otherwise.
  metadata.set(KEYS.cluster, encodeURIComponent(membership.cluster));
  metadata.set(KEYS.replicas, String(membership.replicas));
  metadata.set(KEYS.from, String(membership.self));
  metadata.set(KEYS.to, String(to));
  return metadata;
}

/**
 * Checks the metadata of a call that arrived at `membership.self`.
 * @returns the replica that calls
 * @throws KvError peerMismatch, with a message that names both sides
 */
export function checkHandshake(
  metadata: Metadata,
  membership: Membership,
  peers: readonly ReplicaId[],
): ReplicaId {
  const value = (key: keyof typeof KEYS) => String(metadata.get(KEYS[key])[0] ?? 'none');
  const from = Number(value('from'));
  const differing =
    value('protocol') !== String(PROTOCOL_VERSION)
      ? 'the protocol versions differ'
      : value('cluster') !== encodeURIComponent(membership.cluster)
        ? 'the clusters differ'
        : value('replicas') !== String(membership.replicas)
          ? 'the cluster sizes differ'
          : value('to') !== String(membership.self)
            ? `the call was meant for replica ${value('to')}`
            : !peers.includes(from)
              ? `replica ${value('from')} is not a peer of replica ${membership.self}`
              : null;
  if (differing === null) return from;
  const caller = `replica ${value('from')} of cluster ${decoded(value('cluster'))} (${value('replicas')} replicas, protocol ${value('protocol')})`;
  const called = `replica ${membership.self} of cluster ${membership.cluster} (${membership.replicas} replicas, protocol ${PROTOCOL_VERSION})`;
  throw new KvError('peerMismatch', `${caller} called ${called}: ${differing}`);
}

function decoded(cluster: string): string {
  try {
    return decodeURIComponent(cluster);
  } catch {
    return cluster; // not one of ours: shown as it came
  }
}
