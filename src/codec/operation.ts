/**
 * Operations as bytes. An operation is encoded once, where the client's request comes in or by the client
 * itself; from there on those very bytes are passed from replica to replica and stored, and everything else
 * is read from them. Reading is by hand: it is done for every operation on every replica.
 */
import type { DeleteOperation, GetOperation, KvOperation, PutOperation, RequestId } from '../kv/index.ts';
import { checkKeyBytes, checkRequestName, checkValueBytes, refuse } from './operation-checks.ts';
import { encodeDelete, encodeGet, encodePut, TAGS } from './operation-encoder.ts';
import { WireReader } from './wire.ts';

/** What a message inside an operation holds, unchecked. */
interface Body {
  readonly key: string;
  readonly value: Uint8Array;
  readonly returnPrevious: boolean;
  readonly unrecorded: boolean;
}

const NO_BYTES: Uint8Array = Buffer.alloc(0);

/** Bytes as a binary string: one character (0–255) a byte, so that string order is byte order. */
export function keyToString(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** The inverse of {@link keyToString}; the result is a fresh buffer. */
export function keyToBytes(key: string): Buffer {
  return Buffer.from(key, 'latin1');
}

// An operation that was just encoded is read back from its bytes, so that what is executed where the request
// came in is what every other replica reads, even if the caller's buffers change later.

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

function named({ client, sequence }: RequestId): { readonly client: Buffer; readonly sequence: number } {
  return { client: keyToBytes(client), sequence };
}

/**
 * The operation that `bytes` hold, its fields in any order, those that are not known skipped; of a field that
 * comes twice the last one counts. Its `bytes` is the argument itself and a put's `value` a view of it: the
 * caller hands the buffer over and must not change it.
 * @throws KvError invalidArgument if the bytes are no operation, limitExceeded over kv's LIMITS
 */
export function decodeOperation(bytes: Uint8Array): KvOperation {
  const reader = new WireReader(bytes, 'Operation');
  let request: RequestId | null = null;
  let put: Body | null = null;
  let get: Body | null = null;
  let remove: Body | null = null;
  while (!reader.isDone) {
    const tag = reader.varint();
    switch (tag) {
      case TAGS.request:
        request = readRequest(reader);
        break;
      case TAGS.put:
        put = readPut(reader);
        break;
      case TAGS.get:
        get = readGet(reader);
        break;
      case TAGS.delete:
        remove = readDelete(reader);
        break;
      default:
        reader.skip(tag);
    }
  }
  if (request === null) throw refuse('invalidArgument', 'the operation names no request');
  checkRequestName({ clientBytes: request.client.length, sequence: request.sequence });
  const body = put ?? get ?? remove;
  if (body === null) throw refuse('invalidArgument', 'the operation is of no known kind');
  if ((put !== null && (get !== null || remove !== null)) || (get !== null && remove !== null)) {
    throw refuse('invalidArgument', 'the operation is of more than one kind');
  }
  const { key, value, returnPrevious, unrecorded } = body;
  checkKeyBytes(key.length);
  if (get !== null) return { kind: 'get', request, key, accesses: [{ key, writes: false }], bytes };
  const accesses = [{ key, writes: true }];
  if (remove !== null) return { kind: 'delete', request, key, accesses, bytes, returnPrevious, unrecorded };
  checkValueBytes(value.length);
  return { kind: 'put', request, key, accesses, bytes, value, returnPrevious, unrecorded };
}

function readRequest(reader: WireReader): RequestId {
  let client = '';
  let sequence = 0;
  const outer = reader.enter();
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === TAGS.requestId.client) client = reader.recurringText();
    else if (tag === TAGS.requestId.sequence) sequence = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { client, sequence };
}

function readPut(reader: WireReader): Body {
  let key = '';
  let value = NO_BYTES;
  let returnPrevious = false;
  let unrecorded = false;
  const outer = reader.enter();
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === TAGS.key) key = reader.text('latin1');
    else if (tag === TAGS.ofPut.value) value = reader.bytes();
    else if (tag === TAGS.ofPut.returnPrevious) returnPrevious = reader.bool();
    else if (tag === TAGS.ofPut.unrecorded) unrecorded = reader.bool();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { key, value, returnPrevious, unrecorded };
}

function readGet(reader: WireReader): Body {
  let key = '';
  const outer = reader.enter();
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === TAGS.key) key = reader.text('latin1');
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { key, value: NO_BYTES, returnPrevious: false, unrecorded: false };
}

function readDelete(reader: WireReader): Body {
  let key = '';
  let returnPrevious = false;
  let unrecorded = false;
  const outer = reader.enter();
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === TAGS.key) key = reader.text('latin1');
    else if (tag === TAGS.ofDelete.returnPrevious) returnPrevious = reader.bool();
    else if (tag === TAGS.ofDelete.unrecorded) unrecorded = reader.bool();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { key, value: NO_BYTES, returnPrevious, unrecorded };
}
