/** The end of a generation as an operation, and operations under another name (R7.12). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EVERYTHING, isWide } from '../../../src/epaxos/index.ts';
import { isRead, isRecorded, isWrite } from '../../../src/kv/index.ts';
import {
  advanceOperation,
  decodeOperation,
  encodeAdvance,
  encodeDelete,
  encodePut,
  messageCodec,
  renamed,
} from '../../../src/wire/index.ts';
import { codeOf } from '../../support/refusals.ts';
import { anySequence } from '../arbitraries.ts';

const wire = messageCodec<Record<string, unknown>>('Operation');
const client = Buffer.alloc(16, 1);
const request = { client, sequence: 1 };
const key = Buffer.from('key');

describe('an advance', () => {
  test('is read as it was written, by protobuf, too', () => {
    fc.assert(
      fc.property(anySequence, (generation) => {
        const operation = advanceOperation(generation);
        expect(operation).toMatchObject({ kind: 'advance', generation, key: '' });
        const theirs = wire.encode({
          request: { client: Buffer.alloc(16), sequence: generation },
          advance: { generation },
        });
        expect(encodeAdvance(generation).equals(theirs)).toBe(true);
        expect(Buffer.from(operation.bytes).equals(theirs)).toBe(true);
        expect(operation.size).toBe(theirs.length);
      }),
    );
  });

  test('writes everything, and is no request of a client', () => {
    const operation = advanceOperation(3);
    expect(operation.accesses).toEqual([{ key: EVERYTHING, writes: true }]);
    expect([isWide(operation), isWrite(operation), isRead(operation), isRecorded(operation)]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  test.each([
    ['generation 0', { request, advance: {} }],
    ['a generation of 2^53', { request, advance: { generation: 2 ** 53 } }],
    ['a put beside it', { request, advance: { generation: 1 }, put: { key } }],
    ['no name', { advance: { generation: 1 } }],
  ])('with %s is refused', (_what, message) => {
    expect(codeOf(() => decodeOperation(wire.encode(message)))).toBe('invalidArgument');
  });
});

test('an operation under another name is the same in all else', () => {
  const anyName = fc.record({ sequence: anySequence, generation: fc.oneof(fc.constant(0), anySequence) });
  const rest = fc.record({ returnPrevious: fc.boolean(), value: fc.uint8Array({ maxLength: 300 }) });
  fc.assert(
    fc.property(anyName, anyName, rest, (one, other, fields) => {
      for (const encode of [encodePut, encodeDelete]) {
        const named = (name: typeof one) => encode({ client, ...name, key, ...fields });
        expect(renamed(named(one), other).equals(named(other))).toBe(true);
      }
    }),
  );
});
