/**
 * Who calls whom: the metadata that opens every stream between replicas, and its check. Two replicas talk
 * only if they agree on the protocol version, the cluster, its size and each other's ids.
 */
import { Metadata } from '@grpc/grpc-js';
import { FIRST_EPOCH, type ReplicaId } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';

/** Raised by any change of the peers' protocol that older replicas cannot follow. */
export const PROTOCOL_VERSION = 7;

/** One replica's idea of itself. */
export interface Membership {
  readonly cluster: string;
  /** N. */
  readonly replicas: number;
  readonly self: ReplicaId;
}

/**
 * The stores of the replicas (R6.5). A replica whose store is gone has forgotten what it promised, and must
 * not take part any more; that its store is another one shows by its id, which its peers remember.
 */
export interface PeerStores {
  /** The id of this replica's store. */
  readonly own: string;
  /** True if the peer had this store at first contact, which may be now: then it is remembered from now on. */
  accepts(peer: ReplicaId, store: string): boolean;
}

const KEYS = {
  protocol: 'epaxos-protocol',
  epoch: 'epaxos-epoch',
  cluster: 'epaxos-cluster',
  replicas: 'epaxos-replicas',
  from: 'epaxos-from',
  to: 'epaxos-to',
  store: 'epaxos-store',
} as const;

/** The metadata with which `membership.self` calls the peer `to`. */
export function handshakeMetadata(
  membership: Membership,
  { to, store }: { readonly to: ReplicaId /** The caller's. */; readonly store: string },
): Metadata {
  const metadata = answerMetadata(store);
  metadata.set(KEYS.protocol, String(PROTOCOL_VERSION));
  metadata.set(KEYS.epoch, String(FIRST_EPOCH));
  // A header carries printable ASCII only; a cluster may be named otherwise.
  metadata.set(KEYS.cluster, encodeURIComponent(membership.cluster));
  metadata.set(KEYS.replicas, String(membership.replicas));
  metadata.set(KEYS.from, String(membership.self));
  metadata.set(KEYS.to, String(to));
  return metadata;
}

/** The headers with which a call is answered that was let in. */
export function answerMetadata(store: string): Metadata {
  const metadata = new Metadata();
  metadata.set(KEYS.store, store);
  return metadata;
}

/**
 * Checks the store of the peer at the other end, as the peer says it in its metadata.
 * @throws KvError with the code given if it is not the one that the peer had at first contact, peerMismatch if
 *   the peer does not say
 */
export function checkStore(
  metadata: Metadata,
  check: {
    readonly peer: ReplicaId;
    readonly stores: PeerStores;
    readonly code: 'dataDirectoryMismatch' | 'peerMismatch';
  },
): void {
  const { peer, stores, code } = check;
  const store = metadata.get(KEYS.store)[0];
  if (store === undefined || store === '') {
    throw new KvError('peerMismatch', `replica ${peer} does not say which store it has`);
  }
  if (stores.accepts(peer, String(store))) return;
  throw new KvError(
    code,
    `replica ${peer} has run before with another data directory, and without that one it does not know what it ` +
      'promised to the others: bring back the old data directory; if it is lost for good, the cluster goes on ' +
      'with the other replicas, and a new cluster must be made from a copy of their data',
  );
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
          : value('epoch') !== String(FIRST_EPOCH)
            ? 'the epochs differ'
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
