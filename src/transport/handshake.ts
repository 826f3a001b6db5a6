/**
 * Who calls whom: the metadata that opens every stream between replicas, and its check. Two replicas talk
 * only if they agree on the protocol version, the cluster, its size and each other's ids.
 */
import { Metadata } from '@grpc/grpc-js';
import { FIRST_EPOCH, type ReplicaId } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import { formatStoreMark, parseStoreMark, type StoreMark } from '../wire/index.ts';

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
  /** How far this replica's store has come (R6.13); null for a new one. */
  mark(): StoreMark | null;
  /** Whether it still holds all that it had on disk at this mark. */
  holds(mark: StoreMark): boolean;
  /** A peer, whose store is accepted, says how far that has come. */
  heard(peer: ReplicaId, mark: StoreMark): void;
  /** What was heard last; null for nothing. */
  heardOf(peer: ReplicaId): StoreMark | null;
}

const KEYS = {
  protocol: 'epaxos-protocol',
  epoch: 'epaxos-epoch',
  cluster: 'epaxos-cluster',
  replicas: 'epaxos-replicas',
  from: 'epaxos-from',
  to: 'epaxos-to',
  store: 'epaxos-store',
  heard: 'epaxos-heard',
} as const;

/** The metadata with which `membership.self` calls the peer `to`. */
export function handshakeMetadata(
  membership: Membership,
  { to, stores }: { readonly to: ReplicaId; readonly stores: PeerStores },
): Metadata {
  const metadata = answerMetadata(to, stores);
  metadata.set(KEYS.protocol, String(PROTOCOL_VERSION));
  metadata.set(KEYS.epoch, String(FIRST_EPOCH));
  // A header carries printable ASCII only; a cluster may be named otherwise.
  metadata.set(KEYS.cluster, encodeURIComponent(membership.cluster));
  metadata.set(KEYS.replicas, String(membership.replicas));
  metadata.set(KEYS.from, String(membership.self));
  metadata.set(KEYS.to, String(to));
  return metadata;
}

/** The headers with which a call of a peer is answered that was let in. */
export function answerMetadata(peer: ReplicaId, stores: PeerStores): Metadata {
  const metadata = new Metadata();
  metadata.set(KEYS.store, stores.own);
  const heard = stores.heardOf(peer);
  if (heard !== null) metadata.set(KEYS.heard, formatStoreMark(heard));
  return metadata;
}

/**
 * Checks this replica's own store by what the peer at the other end has heard of it, as it says in its metadata (R6.13).
 * @throws KvError dataDirectoryMismatch if the store has gone back, invalidArgument for what is no mark
 */
export function checkOwnStore(
  metadata: Metadata,
  { peer, stores }: { readonly peer: ReplicaId; readonly stores: PeerStores },
): void {
  const heard = metadata.get(KEYS.heard)[0];
  if (heard === undefined) return;
  const mark = parseStoreMark(String(heard));
  if (stores.holds(mark)) return;
  throw new KvError(
    'dataDirectoryMismatch',
    `replica ${peer} has heard that this replica had written batch ${mark.batch} of run ${mark.run} to disk, which is not ` +
      'in its data directory: that is an older copy, or damaged at its end, and the replica no longer knows what it ' +
      'promised to the others. It takes no part any more: bring back the newest data directory; if it is lost for good, ' +
      'the cluster goes on with the other replicas, and a new cluster must be made from a copy of their data',
  );
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
