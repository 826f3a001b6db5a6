/** Rows: as protobufjs reads and writes them, and nothing else gets through. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StampedRow } from '../../src/kv/index.ts';
import { decodeRow, encodeRow } from '../../src/storage/row-codec.ts';
import { messageCodec } from '../../src/wire/index.ts';
import { codeOf, decodesOrRefuses } from '../support/refusals.ts';
import { anySequence } from '../wire/arbitraries.ts';

const wire = messageCodec<{
  readonly version?: number;
  readonly value?: Uint8Array;
  readonly stamp?: Uint8Array | null;
}>('StoredRow');

/** A number as protobuf has it. */
function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
}

function stampOf({ stamp }: StampedRow): Buffer {
  const { epoch, id, place } = stamp;
  return Buffer.from([epoch, id.replica, id.slot, place].flatMap(varint));
}

const anyRow: fc.Arbitrary<StampedRow> = fc.record({
  version: anySequence,
  value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  stamp: fc.record({
    epoch: anySequence,
    id: fc.record({
      replica: fc.integer({ min: 1, max: 7 }),
      slot: fc.integer({ min: 1, max: 2 ** 50 - 1 }),
    }),
    place: fc.nat(),
  }),
});

const ROW = {
  version: 3,
  value: Buffer.from('v'),
  stamp: { epoch: 1, id: { replica: 2, slot: 300 }, place: 7 },
};

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
        expect(encodeRow(row).equals(wire.encode({ ...row, stamp: stampOf(row) }))).toBe(true);
      }),
    );
  });

  test('its stamp takes a few bytes', () => {
    const stamp = { epoch: 1, id: { replica: 3, slot: 2_000_000 }, place: 99 };
    const version = 1;
    expect(encodeRow({ version, value: Buffer.alloc(0), stamp }).length).toBeLessThanOrEqual(4 + 8);
  });

  test('a value that is left out is empty', () => {
    expect(decodeRow(wire.encode({ version: 7, stamp: stampOf(ROW) }))).toEqual({
      ...ROW,
      version: 7,
      value: Buffer.alloc(0),
    });
  });

  test.each([
    ['no version', {}],
    ['version 0', { version: 0 }],
    ['a version that is no safe integer', { version: 2 ** 53 }],
    ['no stamp', { version: 1, stamp: null }],
    ['a stamp that is cut off', { version: 1, stamp: stampOf(ROW).subarray(1) }],
    ['a stamp with more behind it', { version: 1, stamp: Buffer.concat([stampOf(ROW), Buffer.alloc(1)]) }],
    ['a stamp of no epoch', { version: 1, stamp: Buffer.from([0, 1, 1, 0]) }],
    ['a stamp of no slot', { version: 1, stamp: Buffer.from([1, 1, 0, 0]) }],
  ])('is refused with %s', (_, row) => {
    expect(codeOf(() => decodeRow(wire.encode({ stamp: stampOf(ROW), ...row })))).toBe('invalidArgument');
  });

  test('any bytes at all, and rows with some bytes changed, are decoded or refused', () => {
    decodesOrRefuses(decodeRow, anyRow.map(encodeRow));
  });
});
