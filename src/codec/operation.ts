/**
 * Operations as bytes. An operation is encoded once, where the client's request comes in; from there on
 * those very bytes are passed from replica to replica and stored, and everything else is read from them.
 */
import { KvError } from '../errors.ts';
import {
  type DeleteOperation,
  type GetOperation,
  type KvOperation,
  LIMITS,
  type PutOperation,
  type RequestId,
} from '../kv/index.ts';
import { messageType } from './schema.ts';

/** Bytes of a client's id. */
export const CLIENT_ID_BYTES = 16;

interface WireOperation {
  readonly request?: { readonly client: Uint8Array; readonly sequence: number } | null;
  readonly put?: {
    readonly key: Uint8Array;
    readonly value: Uint8Array;
    readonly returnPrevious: boolean;
    readonly unrecorded: boolean;
  } | null;
  readonly get?: { readonly key: Uint8Array } | null;
  readonly delete?: {
    readonly key: Uint8Array;
    readonly returnPrevious: boolean;
    readonly unrecorded: boolean;
  } | null;
}

const operationType = messageType<WireOperation>('Operation');

/** Bytes as a binary string: one character (0–255) a byte, so that string order is byte order. */
export function keyToString(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** The inverse of {@link keyToString}; the result is a fresh buffer. */
export function keyToBytes(key: string): Buffer {
  return Buffer.from(key, 'latin1');
}

function refuse(code: 'invalidArgument' | 'limitExceeded', reason: string): KvError {
  return new KvError(code, reason, { outcome: 'notApplied' });
}

function checkKey(key: Uint8Array): Uint8Array {
  if (key.length === 0) throw refuse('invalidArgument', 'the key is empty');
  if (key.length > LIMITS.keyBytes) {
    throw refuse('limitExceeded', `the key has ${key.length} bytes; at most ${LIMITS.keyBytes} are allowed`);
  }
  return key;
}

function checkValue(value: Uint8Array): Uint8Array {
  if (value.length > LIMITS.valueBytes) {
    throw refuse(
      'limitExceeded',
      `the value has ${value.length} bytes; at most ${LIMITS.valueBytes} are allowed`,
    );
  }
  return value;
}

/**
 * Checks a request's name (R7.6): 16 bytes of client id, a sequence that is a safe integer ≥ 1.
 * @throws KvError invalidArgument
 */
export function checkRequestId(request: RequestId): RequestId {
  const { client, sequence } = request;
  if (client.length !== CLIENT_ID_BYTES) {
    throw refuse('invalidArgument', `the client id has ${client.length} bytes instead of ${CLIENT_ID_BYTES}`);
  }
  if (!Number.isSafeInteger(sequence) || sequence < 1) {
    throw refuse(
      'invalidArgument',
      `the request's sequence is ${sequence}, not an integer from 1 to 2^53 - 1`,
    );
  }
  return request;
}

function requestToWire(request: RequestId): NonNullable<WireOperation['request']> {
  const { client, sequence } = checkRequestId(request);
  return { client: keyToBytes(client), sequence };
}

function requestFromWire(wire: WireOperation['request']): RequestId {
  if (!wire) throw refuse('invalidArgument', 'the operation names no request');
  return checkRequestId({ client: keyToString(wire.client), sequence: wire.sequence });
}

// An operation that was just encoded is read back from its bytes, so that what is executed where the request
// came in is what every other replica reads, even if the caller's buffers change later.

/**
 * The operation that sets `key` to `value`.
 * @throws KvError invalidArgument (empty key, bad request id) or limitExceeded ({@link LIMITS})
 */
export function putOperation(fields: {
  readonly request: RequestId;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly returnPrevious: boolean;
  /** False if absent. */
  readonly unrecorded?: boolean;
}): PutOperation {
  const { request, key, value, returnPrevious, unrecorded = false } = fields;
  const put = { key: checkKey(key), value: checkValue(value), returnPrevious, unrecorded };
  return decodeOperation(operationType.encode({ request: requestToWire(request), put })) as PutOperation;
}

/**
 * The operation that reads `key`.
 * @throws KvError invalidArgument (empty key, bad request id) or limitExceeded ({@link LIMITS})
 */
export function getOperation(fields: {
  readonly request: RequestId;
  readonly key: Uint8Array;
}): GetOperation {
  const { request, key } = fields;
  const get = { key: checkKey(key) };
  return decodeOperation(operationType.encode({ request: requestToWire(request), get })) as GetOperation;
}

/**
 * The operation that removes `key`.
 * @throws KvError invalidArgument (empty key, bad request id) or limitExceeded ({@link LIMITS})
 */
export function deleteOperation(fields: {
  readonly request: RequestId;
  readonly key: Uint8Array;
  readonly returnPrevious: boolean;
  /** False if absent. */
  readonly unrecorded?: boolean;
}): DeleteOperation {
  const { request, key, returnPrevious, unrecorded = false } = fields;
  const remove = { key: checkKey(key), returnPrevious, unrecorded };
  return decodeOperation(
    operationType.encode({ request: requestToWire(request), delete: remove }),
  ) as DeleteOperation;
}

/**
 * The operation that `bytes` hold. Its `bytes` is the argument itself and a put's `value` a view of it:
 * the caller hands the buffer over and must not change it.
 * @throws KvError invalidArgument if the bytes are no operation, limitExceeded over {@link LIMITS}
 */
export function decodeOperation(bytes: Uint8Array): KvOperation {
  const { request: name, put, get, delete: remove } = operationType.decode(bytes);
  const request = requestFromWire(name);
  const kinds = (put ? 1 : 0) + (get ? 1 : 0) + (remove ? 1 : 0);
  if (kinds > 1) throw refuse('invalidArgument', 'the operation is of more than one kind');
  if (put) {
    const key = keyToString(checkKey(put.key));
    const { returnPrevious, unrecorded } = put;
    const value = checkValue(put.value);
    const accesses = [{ key, writes: true }];
    return { kind: 'put', request, key, accesses, bytes, value, returnPrevious, unrecorded };
  }
  if (get) {
    const key = keyToString(checkKey(get.key));
    return { kind: 'get', request, key, accesses: [{ key, writes: false }], bytes };
  }
  if (remove) {
    const key = keyToString(checkKey(remove.key));
    const { returnPrevious, unrecorded } = remove;
    const accesses = [{ key, writes: true }];
    return { kind: 'delete', request, key, accesses, bytes, returnPrevious, unrecorded };
  }
  throw refuse('invalidArgument', 'the operation is of no known kind');
}
