/**
 * The requests and responses of the unary calls of KV (proto/epaxos/v1/kv.proto) as a server reads and writes
 * them, by hand: the loader's conversion to objects and back costs about five times as much. Clients have the
 * loader's.
 */

import { LIMITS } from '../../kv/index.ts';
import { TAGS } from '../operation/fields.ts';
import type { RequestIdBytes } from '../operation/operation-encoder.ts';
import { bytesTag, fieldLength, integerTag, WireReader } from '../protobuf.ts';
import {
  integerLength,
  keyValueLength,
  readResponseLength,
  writeIntegerUnlessZero,
  writeKeyValue,
  writeReadResponse,
  writeRow,
} from './key-value.ts';
import type {
  DeleteRequest,
  DeleteResponse,
  GetRequest,
  GetResponse,
  MultiGetRequest,
  MultiGetResponse,
  PutRequest,
  PutResponse,
} from './kv-messages.ts';

const PUT = { key: bytesTag(1), value: bytesTag(2), returnPrevious: integerTag(3), requestId: bytesTag(4) };
const GET = { key: bytesTag(1), stale: integerTag(2) };
const MULTI_GET = { keys: bytesTag(1), stale: integerTag(2) };
const DELETE = { key: bytesTag(1), returnPrevious: integerTag(2), requestId: bytesTag(3) };
const REQUEST_ID = TAGS.requestId;
const WRITTEN = { version: integerTag(1), previous: bytesTag(2), generation: integerTag(3) };
const READ = { generation: integerTag(2) };
const MANY = { entries: bytesTag(1), generation: integerTag(2) };

const NO_BYTES: Buffer = Buffer.alloc(0);

/**
 * Key, value and client id are views of `bytes`, not checked; a sequence or generation of 2^53 and more is no safe integer.
 * @throws KvError invalidArgument if the bytes are no such message
 */
export function decodePutRequest(bytes: Buffer): PutRequest {
  const reader = new WireReader(bytes, 'PutRequest');
  let key = NO_BYTES;
  let value = NO_BYTES;
  let returnPrevious = false;
  let requestId: RequestIdBytes | null = null;
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === PUT.key) key = reader.bytes();
    else if (tag === PUT.value) value = reader.bytes();
    else if (tag === PUT.returnPrevious) returnPrevious = reader.bool();
    else if (tag === PUT.requestId) requestId = readRequestId(reader);
    else reader.skip(tag);
  }
  return { key, value, returnPrevious, requestId };
}

/** As {@link decodePutRequest}. */
export function decodeGetRequest(bytes: Buffer): Required<GetRequest> {
  const reader = new WireReader(bytes, 'GetRequest');
  let key = NO_BYTES;
  let stale = false;
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === GET.key) key = reader.bytes();
    else if (tag === GET.stale) stale = reader.bool();
    else reader.skip(tag);
  }
  return { key, stale };
}

/** As {@link decodePutRequest}; of too many keys it reads only so many that this can be seen. */
export function decodeMultiGetRequest(bytes: Buffer): Required<MultiGetRequest> {
  const reader = new WireReader(bytes, 'MultiGetRequest');
  const keys: Buffer[] = [];
  let stale = false;
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === MULTI_GET.keys && keys.length <= LIMITS.multiGetKeys) keys.push(reader.bytes());
    else if (tag === MULTI_GET.stale) stale = reader.bool();
    else reader.skip(tag);
  }
  return { keys, stale };
}

/** As {@link decodePutRequest}. */
export function decodeDeleteRequest(bytes: Buffer): DeleteRequest {
  const reader = new WireReader(bytes, 'DeleteRequest');
  let key = NO_BYTES;
  let returnPrevious = false;
  let requestId: RequestIdBytes | null = null;
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === DELETE.key) key = reader.bytes();
    else if (tag === DELETE.returnPrevious) returnPrevious = reader.bool();
    else if (tag === DELETE.requestId) requestId = readRequestId(reader);
    else reader.skip(tag);
  }
  return { key, returnPrevious, requestId };
}

/** The response to a put or a delete: the two messages have the same fields. */
export function encodeWriteResponse(written: PutResponse | DeleteResponse): Buffer {
  const { version, previous, generation } = written;
  const ofPrevious = previous === null ? 0 : fieldLength(keyValueLength(previous));
  const response = Buffer.allocUnsafe(integerLength(version) + ofPrevious + integerLength(generation));
  let at = writeIntegerUnlessZero(response, 0, WRITTEN.version, version);
  if (previous !== null) at = writeKeyValue(response, at, WRITTEN.previous, previous);
  writeIntegerUnlessZero(response, at, WRITTEN.generation, generation);
  return response;
}

export function encodeGetResponse({ found, generation }: GetResponse): Buffer {
  const response = Buffer.allocUnsafe(readResponseLength(found) + integerLength(generation));
  const at = writeReadResponse(response, 0, found);
  writeIntegerUnlessZero(response, at, READ.generation, generation);
  return response;
}

export function encodeMultiGetResponse({ entries, generation }: MultiGetResponse): Buffer {
  let length = integerLength(generation);
  for (const { found } of entries) length += fieldLength(readResponseLength(found));
  const response = Buffer.allocUnsafe(length);
  let at = 0;
  for (const { found } of entries) at = writeRow(response, at, MANY.entries, found);
  writeIntegerUnlessZero(response, at, MANY.generation, generation);
  return response;
}

function readRequestId(reader: WireReader): RequestIdBytes {
  let client = NO_BYTES;
  let sequence = 0;
  let generation = 0;
  const outer = reader.enter();
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === REQUEST_ID.client) client = reader.bytes();
    else if (tag === REQUEST_ID.sequence) sequence = reader.varint();
    else if (tag === REQUEST_ID.generation) generation = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { client, sequence, generation };
}
