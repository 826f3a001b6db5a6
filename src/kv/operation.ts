/** The operations of the key-value store: what a client's request becomes inside a command. */
import type { InstanceId, Operation } from '../epaxos/index.ts';
import { assert } from '../util/assert.ts';

/** Named limits on what one request may carry; over them a request is refused with `limitExceeded`. */
export const LIMITS = {
  /** Bytes of a key; a key has at least one. */
  keyBytes: 4 * 1024,
  /** Bytes of a value; a value may be empty. */
  valueBytes: 1024 * 1024,
  /** Bytes of all operations in one command, and so of one operation: the keys of a multi-get count together. */
  commandBytes: 4 * 1024 * 1024,
  /** Keys of one multi-get; there is at least one. A key that is named twice counts twice. */
  multiGetKeys: 1024,
  /** Bytes of the values in the answer of one multi-get. */
  answerBytes: 4 * 1024 * 1024,
} as const;

/**
 * The longest that a request may take, its retries included, in milliseconds: by then it is answered or given up. No
 * generation is shorter (R7.13), so what is sent under the present one is never too old in that time.
 */
export const MAX_REQUEST_MS = 60_000;

/**
 * How long before its caller's deadline a replica gives a request up, so that the caller learns from it what became of
 * the request: a tenth of the time there is, but not less than two ticks, and of very little time one half.
 * @param remainingMs what is left of the caller's time, in milliseconds; so is the result, at most 100
 */
export function headStartMs(remainingMs: number): number {
  return Math.min(100, Math.max(remainingMs / 10, Math.min(20, remainingMs / 2)));
}

/**
 * Names one request for ever, whatever replica it is sent to and however often (R7.6).
 * A client draws its id at random once and counts its requests from 1.
 */
export interface RequestId {
  /** 16 random bytes as a binary string. */
  readonly client: string;
  /** ≥ 1, each number used for one request only. */
  readonly sequence: number;
  /**
   * ≥ 1: the generation in which the request was first sent (R7.12). A retry keeps it. 0 for what leaves no answer
   * behind: reads, and what is unrecorded; a write that is recorded has no effect with it.
   */
  readonly generation: number;
}

/** What every operation has. Whatever is not needed all the time is made anew when it is asked for: ask once. */
interface OperationBase extends Operation {
  readonly request: RequestId;
  /**
   * The key's bytes as a binary string (one character a byte); of a multi-get, those of its first key; of an advance
   * none.
   */
  readonly key: string;
  /** The operation as it is sent and stored, `size` bytes. They are not to be changed. */
  readonly bytes: Uint8Array;
}

interface WriteBase extends OperationBase {
  readonly returnPrevious: boolean;
  /**
   * Nobody knows the request's id but the replica that drew it, so that the operation is proposed once only
   * and no answer needs to be kept of it (R7.6). Like everything else a function of `bytes`.
   */
  readonly unrecorded: boolean;
}

/** Sets the key's value. */
export interface PutOperation extends WriteBase {
  readonly kind: 'put';
  /** Not to be changed, and part of what arrived together with it: a copy if it is kept for long. */
  readonly value: Uint8Array;
  /** Where the value lies: from `valueStart` to before `valueEnd` in `source`. Who keeps these need not keep the operation. */
  readonly source: Uint8Array;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** Reads the key's value, in order with all writes of the key. */
export interface GetOperation extends OperationBase {
  readonly kind: 'get';
}

/** Removes the key; no effect if it does not exist. */
export interface DeleteOperation extends WriteBase {
  readonly kind: 'delete';
}

/** Reads several keys as they are at one moment: in order with all writes of each of them (R8.2). */
export interface MultiGetOperation extends OperationBase {
  readonly kind: 'multiGet';
  /** As {@link OperationBase.key}: 1 to `LIMITS.multiGetKeys`, in the client's order; one may come several times. */
  readonly keys: readonly string[];
}

/** Ends a generation (R7.12). Replicas propose it, never clients. It touches everything. */
export interface AdvanceOperation extends OperationBase {
  readonly kind: 'advance';
  /** ≥ 1: the generation that it ends; void in any other. */
  readonly generation: number;
}

/** What changes nothing. */
export type ReadOperation = GetOperation | MultiGetOperation;

export type KvOperation = PutOperation | DeleteOperation | ReadOperation | AdvanceOperation;

/** A key's row in the table. */
export interface Row {
  readonly value: Uint8Array;
  /** 1 for the put that created the key, plus one for every put since; starts over after a delete. */
  readonly version: number;
}

/** A row as the table has it. */
export interface StampedRow extends Row {
  /** Which write made it. */
  readonly stamp: Stamp;
}

/**
 * Names one executed operation: the instance that it is in, and its place among the operations of that command. The same
 * on every replica, and never used twice.
 */
export interface Stamp {
  /** Of the instance, ≥ 1. */
  readonly epoch: number;
  readonly id: InstanceId;
  /** ≥ 0. */
  readonly place: number;
}

/** True for what may change the table. */
export function isWrite(operation: KvOperation): operation is PutOperation | DeleteOperation {
  return operation.kind === 'put' || operation.kind === 'delete';
}

/** True for what changes nothing. */
export function isRead(operation: KvOperation): operation is ReadOperation {
  return operation.kind === 'get' || operation.kind === 'multiGet';
}

/** True if the operation's answer is kept for whoever repeats the request (R7.6). */
export function isRecorded(operation: KvOperation): boolean {
  return isWrite(operation) && !operation.unrecorded;
}

/** What executing one operation answers. */
export interface OperationResult {
  /**
   * put: the key's version after it. get: the version read, 0 if the key does not exist.
   * delete: the version that was removed, 0 if there was none. multi-get and advance: 0.
   */
  readonly version: number;
  /**
   * get: the row's value. put and delete: the value before, only if asked for. Null where there was no row, and for a
   * multi-get and an advance.
   */
  readonly value: Uint8Array | null;
  /** put and delete with `returnPrevious`: the version before, 0 if there was no row; otherwise 0. */
  readonly previousVersion: number;
  /** multi-get only: the row of each key, in the order of the keys; null where there is none. */
  readonly rows?: readonly (Row | null)[];
}

/** The core carries operations without looking inside; this gives them back their type. */
export function asKvOperation(operation: Operation): KvOperation {
  assert('kind' in operation && 'request' in operation, 'an operation of the key-value store');
  return operation as KvOperation;
}
