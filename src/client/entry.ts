/** What the client library hands out, and how keys and values come in. */
import type { KvError } from '../errors.ts';
import type { OperationResult } from '../kv/index.ts';
import type { StatusResponse } from '../rpc/index.ts';

/** Keys and values: bytes, or a string that stands for its UTF-8 bytes. */
export type Bytes = string | Uint8Array;

export function toBytes(data: Bytes): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
}

/** A key that exists. */
export class Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** 1 for the put that created the key, plus one for every put since; starts over after a delete. */
  readonly version: number;

  constructor(row: { readonly key: Uint8Array; readonly value: Uint8Array; readonly version: number }) {
    this.key = row.key;
    this.value = row.value;
    this.version = row.version;
  }

  /** The value decoded as UTF-8. */
  text(): string {
    return Buffer.from(this.value).toString('utf8');
  }
}

/** What a get answered. */
export function entryFound(key: Uint8Array, { value, version }: OperationResult): Entry | null {
  return value === null ? null : new Entry({ key, value: owned(value), version });
}

/** The row before a write, if it was asked for. */
export function entryReplaced(key: Uint8Array, { value, previousVersion }: OperationResult): Entry | null {
  return value === null ? null : new Entry({ key, value: owned(value), version: previousVersion });
}

/** A small part of a large buffer is copied: whoever keeps it would keep the answers to many others alive. */
function owned(bytes: Uint8Array): Uint8Array {
  return bytes.length * 2 >= bytes.buffer.byteLength ? bytes : Buffer.from(bytes);
}

export interface PutResult {
  /** The key's version after the put. */
  readonly version: number;
  /** The row that was replaced; null if there was none or it was not asked for. */
  readonly previous: Entry | null;
}

export interface DeleteResult {
  /** Whether the key existed. */
  readonly deleted: boolean;
  /** The version that was removed; 0 if the key did not exist. */
  readonly version: number;
  /** The row that was removed; null if there was none or it was not asked for. */
  readonly previous: Entry | null;
}

/** A replica's own view of itself and of the cluster. */
export type ReplicaStatus = StatusResponse;

/** What one endpoint said about itself: either `status` or `error` is null. */
export interface ReplicaReport {
  readonly endpoint: string;
  readonly status: ReplicaStatus | null;
  readonly error: KvError | null;
}
