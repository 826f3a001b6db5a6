/** The identity of a data directory as bytes (message StoredIdentity), and its comparison (R6.5). */
import { randomBytes } from 'node:crypto';
import { malformed, messageCodec } from '../wire/index.ts';
import { FORMAT_VERSION, type Identity } from './storage.ts';

/** An identity together with the format of the data. */
export interface FormattedIdentity extends Identity {
  readonly format: number;
}

/** What is stored. */
export interface StoredIdentity extends FormattedIdentity {
  /** The id of the store: drawn at random when it was made, the same as long as it exists. */
  readonly store: string;
}

const STORE_ID_BYTES = 16;
const RUN_ID_BYTES = 8;

const identityType = messageCodec<StoredIdentity>('StoredIdentity');

/** The identity in the format that this program writes. */
export function withFormat(identity: Identity): FormattedIdentity {
  const { cluster, replica, replicas } = identity;
  return { format: FORMAT_VERSION, cluster, replica, replicas };
}

export function encodeIdentity(identity: StoredIdentity): Buffer {
  return identityType.encode(identity);
}

/** @throws KvError invalidArgument */
export function decodeIdentity(bytes: Uint8Array): StoredIdentity {
  const { format, cluster, replica, replicas, store } = identityType.decode(bytes);
  if (store === '') throw malformed('the store has no id');
  return { format, cluster, replica, replicas, store };
}

/** An id for a new store: 128 random bits. */
export function drawStoreId(): string {
  return randomBytes(STORE_ID_BYTES).toString('hex');
}

/** A name for a run of a store (R6.13): 64 random bits. */
export function drawRunId(): string {
  return randomBytes(RUN_ID_BYTES).toString('hex');
}

/** Whether both are the same replica's, whatever store it has. */
export function sameIdentity(left: FormattedIdentity, right: FormattedIdentity): boolean {
  return (
    left.format === right.format &&
    left.cluster === right.cluster &&
    left.replica === right.replica &&
    left.replicas === right.replicas
  );
}

/** Such as: replica 2 of 3 in cluster "orders" (format 1). */
export function describeIdentity(identity: FormattedIdentity): string {
  const { format, cluster, replica, replicas } = identity;
  return `replica ${replica} of ${replicas} in cluster "${cluster}" (format ${format})`;
}
