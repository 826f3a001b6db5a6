/** Rows: as protobufjs reads and writes them, and nothing else gets through. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Row } from '../../src/kv/index.ts';
import { decodeRow, encodeRow } from '../../src/storage/row-codec.ts';
import { messageType } from '../../src/wire/index.ts';
import { codeOf, decodesOrRefuses } from '../support/refusals.ts';
import { anySequence } from '../wire/arbitraries.ts';

const wire = messageType<Partial<Row>>('StoredRow');
const anyRow: fc.Arbitrary<Row> = fc.record({
  version: anySequence,
  value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});

describe('a row', () => {
  test('what was encoded is decoded', () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        expect(decodeRow(encodeRow(row))).toEqual(row);
      }),
    );
  });

  test('it is encoded as protobuf does', () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        expect(encodeRow(row).equals(wire.encode(row))).toBe(true);
      }),
    );
  });

  test('a value that is left out is empty', () => {
    expect(decodeRow(wire.encode({ version: 7 }))).toEqual({ version: 7, value: Buffer.alloc(0) });
  });

  test.each([
    ['no version', {}],
    ['version 0', { version: 0 }],
    ['a version that is no safe integer', { version: 2 ** 53 }],
  ])('is refused with %s', (_, row) => {
    expect(codeOf(() => decodeRow(wire.encode(row)))).toBe('invalidArgument');
  });

  test('any bytes at all, and rows with some bytes changed, are decoded or refused', () => {
    decodesOrRefuses(decodeRow, anyRow.map(encodeRow));
  });
});
