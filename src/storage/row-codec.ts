/** Rows of the table as bytes (message StoredRow), by hand: many are written, one for every key that a put has changed. */

import type { Row } from '../kv/index.ts';
import {
  bytesTag,
  checkCount,
  fieldLength,
  integerTag,
  malformed,
  varintLength,
  WireReader,
  writeBytes,
  writeInteger,
} from '../wire/index.ts';

const VERSION = integerTag(1);
const VALUE = bytesTag(2);
const NO_BYTES: Uint8Array = Buffer.alloc(0);

export function encodeRow(row: Row): Buffer {
  const { version, value } = row;
  const bytes = Buffer.allocUnsafe(1 + varintLength(version) + fieldLength(value.length));
  writeBytes(bytes, writeInteger(bytes, 0, VERSION, version), VALUE, value);
  return bytes;
}

/**
 * The inverse of {@link encodeRow}. The value is a view of `bytes`, which must not be changed afterwards.
 * @throws KvError invalidArgument
 */
export function decodeRow(bytes: Uint8Array): Row {
  const reader = new WireReader(bytes, 'StoredRow');
  let version = 0;
  let value = NO_BYTES;
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === VERSION) version = reader.varint();
    else if (tag === VALUE) value = reader.bytes();
    else reader.skip(tag);
  }
  if (checkCount(version, 'the version') === 0) throw malformed('a row has the version 0');
  return { value, version };
}
