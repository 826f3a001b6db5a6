/** Operations by their fields: encoded, and read back as a replica reads them. */

import type {
  DeleteOperation,
  GetOperation,
  MultiGetOperation,
  PutOperation,
  RequestId,
} from '../../src/kv/index.ts';
import {
  decodeOperation,
  encodeDelete,
  encodeGet,
  encodeMultiGet,
  encodePut,
  keyToBytes,
} from '../../src/wire/index.ts';

/**
 * The operation that sets `key` to `value`.
 * @throws KvError invalidArgument (empty key, bad request id) or limitExceeded (kv's LIMITS)
 */
export function putOperation(fields: {
  readonly request: RequestId;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly returnPrevious: boolean;
  /** False if absent. */
  readonly unrecorded?: boolean;
}): PutOperation {
  return decodeOperation(encodePut({ ...fields, ...named(fields.request) })) as PutOperation;
}

/**
 * The operation that reads `key`.
 * @throws KvError invalidArgument (empty key, bad request id) or limitExceeded (kv's LIMITS)
 */
export function getOperation(fields: {
  readonly request: RequestId;
  readonly key: Uint8Array;
}): GetOperation {
  return decodeOperation(encodeGet({ ...fields, ...named(fields.request) })) as GetOperation;
}

/**
 * The operation that removes `key`.
 * @throws KvError invalidArgument (empty key, bad request id) or limitExceeded (kv's LIMITS)
 */
export function deleteOperation(fields: {
  readonly request: RequestId;
  readonly key: Uint8Array;
  readonly returnPrevious: boolean;
  /** False if absent. */
  readonly unrecorded?: boolean;
}): DeleteOperation {
  return decodeOperation(encodeDelete({ ...fields, ...named(fields.request) })) as DeleteOperation;
}

/**
 * The operation that reads `keys`, at one moment (R8.2).
 * @throws KvError invalidArgument (no key, an empty key, bad request id) or limitExceeded (kv's LIMITS)
 */
export function multiGetOperation(fields: {
  readonly request: RequestId;
  readonly keys: readonly Uint8Array[];
}): MultiGetOperation {
  return decodeOperation(encodeMultiGet({ ...fields, ...named(fields.request) })) as MultiGetOperation;
}

function named({ client, ...numbers }: RequestId): Omit<RequestId, 'client'> & { readonly client: Buffer } {
  return { client: keyToBytes(client), ...numbers };
}
