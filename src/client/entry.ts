/** What the client library hands out, and how keys and values come in. */
import { KvError } from '../errors.ts';
import type { OperationResult } from '../kv/index.ts';
import type { StatusResponse } from '../wire/index.ts';

/** Keys and values: bytes, or a string that stands for its UTF-8 bytes. */
export type Bytes = string | Uint8Array;

/**
 * @param what it is, for the error
 * @throws KvError invalidArgument if it is neither, or a string with half of a surrogate pair: such strings would all
 *   become the same bytes
 */
export function toBytes(data: Bytes, what: 'key' | 'value'): Uint8Array {
  if (typeof data === 'string' && data.isWellFormed()) return Buffer.from(data, 'utf8');
  if (data instanceof Uint8Array) return data;
  const wrong =
    typeof data === 'string'
      ? `the ${what} is no well-formed text, as it has half of a surrogate pair: give its bytes instead`
      : `the ${what} must be a string or a Uint8Array, not ${data === null ? 'null' : typeof data}`;
  throw new KvError('invalidArgument', wrong, { outcome: 'notApplied' });
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

/** What a put answers its caller. */
export function putResult(result: OperationResult, key: Bytes): PutResult {
  return { version: result.version, previous: entryReplaced(result, key) };
}

/** What a get answers its caller. */
export function getResult({ value, version }: OperationResult, key: Bytes): Entry | null {
  return value === null ? null : new Entry({ key: toBytes(key, 'key'), value: owned(value), version });
}

/**
 * What a multi-get answers its caller: an entry for each key, in their order.
 * @throws KvError `internal` if the replica answered something else
 */
export function multiGetResult(
  { rows = [] }: OperationResult,
  keys: readonly Uint8Array[],
): readonly (Entry | null)[] {
  if (rows.length !== keys.length) {
    throw new KvError('internal', `the replica answered ${rows.length} keys instead of ${keys.length}`, {
      outcome: 'notApplied',
    });
  }
  return keys.map((key, index) => {
    const row = rows[index];
    return row ? new Entry({ key, value: owned(row.value), version: row.version }) : null;
  });
}

/** What a delete answers its caller. */
export function deleteResult(result: OperationResult, key: Bytes): DeleteResult {
  const { version } = result;
  return { deleted: version > 0, version, previous: entryReplaced(result, key) };
}

/** The row before a write, if it was asked for. */
function entryReplaced({ value, previousVersion }: OperationResult, key: Bytes): Entry | null {
  return value === null
    ? null
    : new Entry({ key: toBytes(key, 'key'), value: owned(value), version: previousVersion });
}

/** A replica's own view of itself and of the cluster. */
export type ReplicaStatus = StatusResponse;

/** What one endpoint said about itself: either `status` or `error` is null. */
export interface ReplicaReport {
  readonly endpoint: string;
  readonly status: ReplicaStatus | null;
  readonly error: KvError | null;
}
