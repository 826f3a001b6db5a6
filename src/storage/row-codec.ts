/** Rows of the table as bytes (message StoredRow), by hand: many are written, one for every key that a put has changed. */

import type { Stamp, StampedRow } from '../kv/index.ts';
import {
  bytesTag,
  checkCount,
  checkSlot,
  fieldLength,
  integerTag,
  malformed,
  varintLength,
  WireReader,
  writeBytes,
  writeInteger,
  writeVarint,
} from '../wire/index.ts';

const VERSION = integerTag(1);
const VALUE = bytesTag(2);
const STAMP = bytesTag(3);
const NO_BYTES: Uint8Array = Buffer.alloc(0);

export function encodeRow(row: StampedRow): Buffer {
  const { version, value, stamp } = row;
  const ofStamp = stampLength(stamp);
  const bytes = Buffer.allocUnsafe(
    1 + varintLength(version) + fieldLength(value.length) + fieldLength(ofStamp),
  );
  let at = writeBytes(bytes, writeInteger(bytes, 0, VERSION, version), VALUE, value);
  at = writeInteger(bytes, at, STAMP, ofStamp);
  at = writeVarint(bytes, at, stamp.epoch);
  at = writeVarint(bytes, at, stamp.id.replica);
  at = writeVarint(bytes, at, stamp.id.slot);
  writeVarint(bytes, at, stamp.place);
  return bytes;
}

/**
 * The inverse of {@link encodeRow}. The value is a view of `bytes`, which must not be changed afterwards.
 * @throws KvError invalidArgument
 */
export function decodeRow(bytes: Uint8Array): StampedRow {
  const reader = new WireReader(bytes, 'StoredRow');
  let version = 0;
  let value = NO_BYTES;
  let stamp: Stamp | null = null;
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === VERSION) version = reader.varint();
    else if (tag === VALUE) value = reader.bytes();
    else if (tag === STAMP) stamp = readStamp(reader);
    else reader.skip(tag);
  }
  if (checkCount(version, 'the version') === 0) throw malformed('a row has the version 0');
  if (stamp === null) throw malformed('a row without a stamp');
  return { value, version, stamp };
}

function stampLength({ epoch, id, place }: Stamp): number {
  return varintLength(epoch) + varintLength(id.replica) + varintLength(id.slot) + varintLength(place);
}

function readStamp(reader: WireReader): Stamp {
  const outer = reader.enter();
  const epoch = checkCount(reader.varint(), 'the epoch of a stamp');
  const replica = checkCount(reader.varint(), 'the replica of a stamp');
  const slot = checkSlot(reader.varint(), 'the slot of a stamp');
  const place = checkCount(reader.varint(), 'the place of a stamp');
  if (!reader.isDone || epoch === 0 || replica === 0) throw malformed('a stamp that names no operation');
  reader.leave(outer);
  return { epoch, id: { replica, slot }, place };
}
