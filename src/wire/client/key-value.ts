/** What a read answers of one key on the clients' stream, by hand: messages KeyValue and MultiGetEntry of proto/epaxos/v1/kv.proto. */
import {
  bytesTag,
  fieldLength,
  integerTag,
  varintLength,
  type WireReader,
  writeBytes,
  writeInteger,
  writeVarint,
} from '../protobuf.ts';
import type { KeyValue } from './kv-messages.ts';

const KEY_VALUE = { value: bytesTag(1), version: integerTag(2) };
const FOUND = bytesTag(1);
const NO_BYTES: Buffer = Buffer.alloc(0);

/** Bytes of a KeyValue. */
function keyValueLength({ value, version }: KeyValue): number {
  return (value.length === 0 ? 0 : fieldLength(value.length)) + integerLength(version);
}

/** Writes a KeyValue as a field. @returns the position after it */
function writeKeyValue(target: Buffer, position: number, tag: number, row: KeyValue): number {
  let at = writeInteger(target, position, tag, keyValueLength(row));
  if (row.value.length > 0) at = writeBytes(target, at, KEY_VALUE.value, row.value);
  return writeIntegerUnlessZero(target, at, KEY_VALUE.version, row.version);
}

/** Bytes of a MultiGetEntry. @param row null: there is none */
export function rowLength(row: KeyValue | null): number {
  return row === null ? 0 : fieldLength(keyValueLength(row));
}

/** Writes a MultiGetEntry as a field. @returns the position after it */
export function writeRow(target: Buffer, position: number, tag: number, row: KeyValue | null): number {
  target[position] = tag;
  const at = writeVarint(target, position + 1, rowLength(row));
  return row === null ? at : writeKeyValue(target, at, FOUND, row);
}

/**
 * Reads a field that is a MultiGetEntry. The value is a view; a version of 2^53 and more is no safe integer.
 * @returns null if the key does not exist
 * @throws KvError invalidArgument if the bytes are no such message
 */
export function readRow(reader: WireReader): KeyValue | null {
  let row: KeyValue | null = null;
  const outer = reader.enter();
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === FOUND) row = readKeyValue(reader);
    else reader.skip(tag);
  }
  reader.leave(outer);
  return row;
}

function readKeyValue(reader: WireReader): KeyValue {
  let value = NO_BYTES;
  let version = 0;
  const outer = reader.enter();
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === KEY_VALUE.value) value = reader.bytes();
    else if (tag === KEY_VALUE.version) version = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { value, version };
}

/** Bytes of an integer's field; 0, the default, is left out. */
export function integerLength(value: number): number {
  return value === 0 ? 0 : 1 + varintLength(value);
}

/** @returns the position after the field; 0, the default, is left out */
export function writeIntegerUnlessZero(target: Buffer, position: number, tag: number, value: number): number {
  return value === 0 ? position : writeInteger(target, position, tag, value);
}
