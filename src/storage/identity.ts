/** The identity of a data directory as bytes (message StoredIdentity), and its comparison (R6.5). */
import { messageType } from '../codec/index.ts';
import { FORMAT_VERSION, type Identity } from './storage.ts';

/** An identity together with the format of the data. */
export interface StoredIdentity extends Identity {
  readonly format: number;
}

const identityType = messageType<StoredIdentity>('StoredIdentity');

/** The identity in the format that this program writes. */
export function withFormat(identity: Identity): StoredIdentity {
  const { cluster, replica, replicas } = identity;
  return { format: FORMAT_VERSION, cluster, replica, replicas };
}

export function encodeIdentity(identity: StoredIdentity): Buffer {
  return identityType.encode(identity);
}

/** @throws KvError invalidArgument */
export function decodeIdentity(bytes: Uint8Array): StoredIdentity {
  const { format, cluster, replica, replicas } = identityType.decode(bytes);
  return { format, cluster, replica, replicas };
}

export function sameIdentity(left: StoredIdentity, right: StoredIdentity): boolean {
  return (
    left.format === right.format &&
    left.cluster === right.cluster &&
    left.replica === right.replica &&
    left.replicas === right.replicas
  );
}

/** Such as: replica 2 of 3 in cluster "orders" (format 1). */
export function describeIdentity(identity: StoredIdentity): string {
  const { format, cluster, replica, replicas } = identity;
  return `replica ${replica} of ${replicas} in cluster "${cluster}" (format ${format})`;
}
