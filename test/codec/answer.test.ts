/** Answers: round trips, and refusal of everything else. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeAnswer, encodeAnswer } from '../../src/codec/index.ts';
import { KvError } from '../../src/errors.ts';
import { anyResult } from './arbitraries.ts';

describe('answers', () => {
  test('what was encoded is decoded', () => {
    fc.assert(
      fc.property(anyResult, (result) => {
        const decoded = decodeAnswer(encodeAnswer(result));
        expect({ ...decoded, value: decoded.value && Uint8Array.from(decoded.value) }).toEqual(result);
      }),
    );
  });

  test('an empty value is not the same as none', () => {
    const answer = { version: 1, value: new Uint8Array(0), previousVersion: 0 };
    expect(decodeAnswer(encodeAnswer(answer)).value?.length).toBe(0);
    expect(decodeAnswer(encodeAnswer({ ...answer, value: null })).value).toBeNull();
  });

  test('versions that are no safe integers are refused', () => {
    const answer = { version: 1, value: null, previousVersion: 0 };
    expect(() => decodeAnswer(encodeAnswer({ ...answer, version: 2 ** 53 }))).toThrow(KvError);
    expect(() => decodeAnswer(encodeAnswer({ ...answer, previousVersion: 2 ** 60 }))).toThrow(KvError);
  });

  test('any bytes at all are decoded or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeAnswer(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(KvError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
