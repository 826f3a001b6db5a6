/** Rows of the table as bytes (message StoredRow). */
import { checkCount, malformed, messageType } from '../codec/index.ts';
import type { Row } from '../kv/index.ts';

// A row is encoded as it is: the message has the very shape of Row.
const rowType = messageType<Row>('StoredRow');

export function encodeRow(row: Row): Buffer {
  return rowType.encode(row);
}

/**
 * The inverse of {@link encodeRow}. The value is a view of `bytes`, which must not be changed afterwards.
 * @throws KvError invalidArgument
 */
export function decodeRow(bytes: Uint8Array): Row {
  const { version, value } = rowType.decode(bytes);
  if (checkCount(version, 'the version') === 0) throw malformed('a row has the version 0');
  return { value, version };
}
