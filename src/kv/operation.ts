/** The operations of the key-value store: what a client's request becomes inside a command. */
import type { Operation } from '../epaxos/index.ts';
import { assert } from '../util/assert.ts';
import type { RequestId } from './types.ts';

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

/** The core carries operations without looking inside; this gives them back their type. */
export function asKvOperation(operation: Operation): KvOperation {
  assert('kind' in operation && 'request' in operation, 'an operation of the key-value store');
  return operation as KvOperation;
}
