/** Snapshots on the wire: round trips, and refusal of everything else. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KvError } from '../../../src/errors.ts';
import {
  decodeSnapshotChunk,
  decodeSnapshotRequest,
  encodeSnapshotChunk,
  encodeSnapshotRequest,
} from '../../../src/wire/index.ts';
import { decodePruned, encodePruned } from '../../../src/wire/peer/pruned.ts';
import { anySlot } from '../arbitraries.ts';

const context = { replicas: 3 };
const anyVector = fc.array(fc.oneof(fc.constant(0), anySlot), { minLength: 3, maxLength: 3 });
const anyPruned = fc.record({ pruned: anyVector, floor: anyVector });
const anyBytes = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes));
const anyId = fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme-ascii' });

describe('snapshots', () => {
  test('what was pruned comes back', () => {
    fc.assert(
      fc.property(anyPruned, (pruned) => {
        expect(decodePruned(encodePruned(pruned), context)).toEqual(pruned);
      }),
    );
    expect(() => decodePruned(new Uint8Array(0), context)).toThrow(KvError);
  });

  test('requests come back', () => {
    fc.assert(
      fc.property(fc.oneof(fc.constant(''), anyId), anyBytes, fc.nat(), (id, after, offset) => {
        const request = { id, after, offset };
        expect(decodeSnapshotRequest(encodeSnapshotRequest(request))).toEqual(request);
      }),
    );
  });

  test('chunks come back', () => {
    const anyChunk = fc.record({
      id: anyId,
      pruned: anyPruned,
      entries: fc.array(fc.record({ key: anyBytes, value: anyBytes }), { maxLength: 9 }),
      rest: fc.nat(),
      done: fc.boolean(),
    });
    fc.assert(
      fc.property(anyChunk, (chunk) => {
        expect(decodeSnapshotChunk(encodeSnapshotChunk(chunk), context)).toEqual(chunk);
      }),
    );
  });

  const pruned = { pruned: [1, 2, 3], floor: [0, 0, 0] };
  test.each([
    ['without an id', { id: '', pruned, entries: [], rest: 0, done: true }],
    ['with a long id', { id: 'x'.repeat(65), pruned, entries: [], rest: 0, done: true }],
    [
      'of another cluster size',
      { id: 'a', pruned: { pruned: [1, 2], floor: [0, 0] }, entries: [], rest: 0, done: true },
    ],
  ])('a chunk %s is refused', (_what, chunk) => {
    expect(() => decodeSnapshotChunk(encodeSnapshotChunk(chunk), context)).toThrow(KvError);
  });

  test('any bytes are decoded or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const decode of [decodeSnapshotRequest, (b: Uint8Array) => decodeSnapshotChunk(b, context)]) {
          try {
            decode(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(KvError);
          }
        }
      }),
    );
  });
});
