/**
 * Operations to bytes (message Operation of proto/epaxos/v1/instance.proto), by hand. One operation has one
 * encoding here: fields in the order of their numbers, those with their default left out. A request that is
 * repeated must carry the very same bytes, whoever encodes it.
 */
import { assert } from '../../util/assert.ts';
import { fieldLength, varintLength, WireReader, writeBytes, writeInteger } from '../protobuf.ts';
import { TAGS } from './fields.ts';
import {
  CLIENT_ID_BYTES,
  checkKeyBytes,
  checkKeyCount,
  checkOperationBytes,
  checkRequestName,
  checkValueBytes,
} from './operation-checks.ts';

/** A request's id (kv's RequestId) on its way to or from bytes. */
export interface RequestIdBytes {
  /** 16 bytes, drawn once a client. */
  readonly client: Uint8Array;
  /** A safe integer ≥ 1. */
  readonly sequence: number;
  /** A safe integer ≥ 0: in which the request is first sent; 0, or absent, if no answer is recorded, or it is not known. */
  readonly generation?: number;
}

/** What every operation has. */
export interface OperationName extends RequestIdBytes {
  readonly key: Uint8Array;
}

/** What every write has. */
export interface WriteName extends OperationName {
  readonly returnPrevious: boolean;
  /** False if absent. */
  readonly unrecorded?: boolean;
}

const CLIENT_FIELD_BYTES = fieldLength(CLIENT_ID_BYTES);
/** In the place of a client's id, where none asks. */
const NOBODY = new Uint8Array(CLIENT_ID_BYTES);

/**
 * The operation that sets `key` to `value`. Nothing of the arguments is kept.
 * @throws KvError invalidArgument (empty key, bad request id) or limitExceeded, outcome notApplied
 */
export function encodePut(put: WriteName & { readonly value: Uint8Array }): Buffer {
  const { key, value, returnPrevious, unrecorded = false } = put;
  checkValueBytes(value.length);
  const length =
    fieldLength(key.length) +
    (value.length > 0 ? fieldLength(value.length) : 0) +
    flagLength(returnPrevious) +
    flagLength(unrecorded);
  const { bytes, position } = begin(put, TAGS.put, length);
  let at = position;
  if (value.length > 0) at = writeBytes(bytes, at, TAGS.ofPut.value, value);
  at = writeFlag(bytes, at, TAGS.ofPut.returnPrevious, returnPrevious);
  writeFlag(bytes, at, TAGS.ofPut.unrecorded, unrecorded);
  return bytes;
}

/**
 * The operation that reads `key`.
 * @throws KvError as {@link encodePut}
 */
export function encodeGet(get: OperationName): Buffer {
  return begin(get, TAGS.get, fieldLength(get.key.length)).bytes;
}

/**
 * The operation that removes `key`.
 * @throws KvError as {@link encodePut}
 */
export function encodeDelete(remove: WriteName): Buffer {
  const { key, returnPrevious, unrecorded = false } = remove;
  const length = fieldLength(key.length) + flagLength(returnPrevious) + flagLength(unrecorded);
  const { bytes, position } = begin(remove, TAGS.delete, length);
  const at = writeFlag(bytes, position, TAGS.ofDelete.returnPrevious, returnPrevious);
  writeFlag(bytes, at, TAGS.ofDelete.unrecorded, unrecorded);
  return bytes;
}

/**
 * The operation that reads `keys`, at one moment.
 * @throws KvError invalidArgument (no key, an empty key, bad request id) or limitExceeded, outcome notApplied
 */
export function encodeMultiGet(
  multiGet: Omit<OperationName, 'key'> & { readonly keys: readonly Uint8Array[] },
): Buffer {
  const { keys, ...name } = multiGet;
  const [key, ...others] = keys;
  checkKeyCount(keys.length);
  assert(key !== undefined, 'there is a first key');
  let bodyLength = 0;
  for (const { length } of keys) {
    checkKeyBytes(length);
    bodyLength += fieldLength(length);
  }
  const { bytes, position } = begin({ ...name, key }, TAGS.multiGet, bodyLength);
  checkOperationBytes(bytes.length);
  let at = position;
  for (const other of others) at = writeBytes(bytes, at, TAGS.key, other);
  return bytes;
}

/**
 * The operation that ends a generation (R7.12). It needs no name of its own: whoever proposes it, one of them has an effect.
 * @param generation the one that ends, ≥ 1
 */
export function encodeAdvance(generation: number): Buffer {
  const name = { client: NOBODY, sequence: generation, generation: 0 };
  const bodyLength = 1 + varintLength(generation);
  const bytes = Buffer.allocUnsafe(fieldLength(nameLength(name)) + fieldLength(bodyLength));
  let at = writeName(bytes, 0, name);
  at = writeInteger(bytes, at, TAGS.advance, bodyLength);
  writeInteger(bytes, at, TAGS.ofAdvance.generation, generation);
  return bytes;
}

/**
 * The same operation under another name of the same client: for a request that no replica has been sent, or none may
 * execute any more.
 * @param operation as the functions above encode it
 */
export function renamed(
  operation: Uint8Array,
  name: { readonly sequence: number; readonly generation: number },
): Buffer {
  const reader = new WireReader(operation, 'Operation');
  assert(reader.varint() === TAGS.request, 'an operation begins with its name');
  const { start, end } = reader.extent();
  const client = operation.subarray(start + 2, start + 2 + CLIENT_ID_BYTES);
  const head = fieldLength(nameLength(name));
  const bytes = Buffer.allocUnsafe(head + operation.length - end);
  writeName(bytes, 0, { client, ...name });
  bytes.set(operation.subarray(end), head);
  return bytes;
}

/** A buffer for the whole operation, written up to and including the key, with which the body begins. */
function begin(
  { client, sequence, key, generation = 0 }: OperationName,
  kind: number,
  bodyLength: number,
): { readonly bytes: Buffer; readonly position: number } {
  const name = { client, sequence, generation };
  checkRequestName(client.length, name);
  checkKeyBytes(key.length);
  const bytes = Buffer.allocUnsafe(fieldLength(nameLength(name)) + fieldLength(bodyLength));
  let at = writeName(bytes, 0, name);
  at = writeInteger(bytes, at, kind, bodyLength);
  return { bytes, position: writeBytes(bytes, at, TAGS.key, key) };
}

/** Bytes of a RequestId. */
function nameLength({
  sequence,
  generation,
}: {
  readonly sequence: number;
  readonly generation: number;
}): number {
  const ofGeneration = generation === 0 ? 0 : 1 + varintLength(generation);
  return CLIENT_FIELD_BYTES + 1 + varintLength(sequence) + ofGeneration;
}

/** Writes the field with the RequestId. @returns the position after it */
function writeName(
  bytes: Buffer,
  position: number,
  name: { readonly client: Uint8Array; readonly sequence: number; readonly generation: number },
): number {
  let at = writeInteger(bytes, position, TAGS.request, nameLength(name));
  at = writeBytes(bytes, at, TAGS.requestId.client, name.client);
  at = writeInteger(bytes, at, TAGS.requestId.sequence, name.sequence);
  return name.generation === 0 ? at : writeInteger(bytes, at, TAGS.requestId.generation, name.generation);
}

function flagLength(flag: boolean): number {
  return flag ? 2 : 0;
}

function writeFlag(bytes: Buffer, position: number, tag: number, flag: boolean): number {
  if (!flag) return position;
  bytes[position] = tag;
  bytes[position + 1] = 1;
  return position + 2;
}
