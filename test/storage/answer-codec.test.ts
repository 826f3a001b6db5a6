/** Pages of answers: round trips, and refusal of everything else. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { AnswerPage, PAGE_SEQUENCES, type RecordedAnswer, Sessions } from '../../src/kv/index.ts';
import { decodeAnswers, encodeAnswers } from '../../src/storage/answer-codec.ts';
import { keyToBytes, messageCodec } from '../../src/wire/index.ts';
import { decodesOrRefuses } from '../support/refusals.ts';
import { anyResult } from '../wire/arbitraries.ts';

const ID = { generation: 1, client: 'c'.repeat(16), number: 3 };
const firstSequence = ID.number * PAGE_SEQUENCES;

function pageOf(answers: readonly RecordedAnswer[]): AnswerPage {
  const sessions = new Sessions();
  for (const answer of answers) sessions.record(answer);
  const [page = new AnswerPage(ID)] = sessions.pages();
  return page;
}

const anyAnswer = fc.record({
  request: fc.record({
    client: fc.constant(ID.client),
    sequence: fc.integer({ min: firstSequence, max: firstSequence + PAGE_SEQUENCES - 1 }),
    generation: fc.constant(ID.generation),
  }),
  key: fc.constantFrom('a', 'b', '\xff\x00'),
  result: fc.oneof(
    anyResult,
    fc.nat().map((version) => ({ version, value: null, previousVersion: 0 })),
  ),
});
const anyAnswers = fc.uniqueArray(anyAnswer, {
  selector: ({ request, key }) => `${request.sequence}/${key}`,
  maxLength: 3 * PAGE_SEQUENCES,
});

/** Bytes that hold anything at all in the fields of a page. */
function encodeAny(fields: Record<string, unknown>): Buffer {
  return messageCodec<Record<string, unknown>>('StoredAnswers').encode(fields);
}

const bytes = (length: number) => Buffer.alloc(length, 'k');
const plain = (...of: readonly number[]) => ({ plain: Buffer.from(of) });

describe('a page of answers', () => {
  test('what was encoded is decoded', () => {
    fc.assert(
      fc.property(anyAnswers, (answers) => {
        const page = decodeAnswers(ID, encodeAnswers(pageOf(answers)));
        expect([page.client, page.number, page.size]).toEqual([ID.client, ID.number, answers.length]);
        for (const { request, key, result } of answers) {
          const found = page.find(request, key);
          const value = found?.value && Uint8Array.from(found.value);
          expect(found && { ...found, value }).toEqual(result);
        }
      }),
    );
  });

  test('it is encoded as protobuf does', () => {
    fc.assert(
      fc.property(anyAnswers, (answers) => {
        const page = pageOf(answers);
        const fields = {
          plain: page.plain.length === 0 ? null : page.plain,
          others: Array.from(page.others?.values() ?? [], ({ request, key, result }) => {
            return { sequence: request.sequence, key: keyToBytes(key), ...result };
          }),
        };
        expect(encodeAnswers(page).equals(encodeAny(fields))).toBe(true);
      }),
    );
  });

  test('keys of every length, versions up to 32 bits and all places are kept', () => {
    const answers = Array.from({ length: PAGE_SEQUENCES }, (_, place) => ({
      request: { client: ID.client, sequence: firstSequence + place, generation: 1 },
      key: String.fromCharCode(place).repeat([1, 255, 256, 4096][place % 4] ?? 0),
      result: { version: 2 ** 32 - 1 - place, value: null, previousVersion: 0 },
    }));
    const page = decodeAnswers(ID, encodeAnswers(pageOf(answers.toReversed())));
    expect(page.others).toBeNull();
    for (const { request, key, result } of answers) {
      expect(page.find(request, key)).toEqual(result);
      expect(page.find(request, `${key}.`)).toBeUndefined();
    }
  });

  test('a full page of versions has less than twelve bytes an answer', () => {
    const answers = Array.from({ length: PAGE_SEQUENCES }, (_, place) => ({
      request: { client: ID.client, sequence: firstSequence + place, generation: 1 },
      key: `key ${place}`,
      result: { version: 100_000 + place, value: null, previousVersion: 0 },
    }));
    expect(encodeAnswers(pageOf(answers)).length).toBeLessThan(12 * PAGE_SEQUENCES);
  });

  test.each([
    ['a place beyond it', plain(64, 1, 1, 107)],
    ['a place twice', plain(1, 1, 1, 107, 1, 1, 1, 107)],
    ['an answer without a key', plain(1, 1, 0)],
    ['a key that is too long', plain(1, 1, 0x81, 0x20, ...bytes(4097))],
    ['a key that is cut off', plain(1, 1, 2, 107)],
    ['a version that is cut off', plain(1, 0x80)],
    ['a version beyond 32 bits', plain(1, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 107)],
    ['an answer of another page', { others: [{ sequence: 1, key: Buffer.from('k'), version: 1 }] }],
    ['an answer without a sequence', { others: [{ key: Buffer.from('k'), version: 1 }] }],
    ['a version that is no safe integer', { others: [{ sequence: 200, version: 2 ** 53 }] }],
    [
      'a previous version that is none',
      { others: [{ sequence: 200, version: 1, previousVersion: 2 ** 60 }] },
    ],
  ])('is refused with %s', (_, fields) => {
    expect(() => decodeAnswers(ID, encodeAny(fields))).toThrow(KvError);
  });

  test('any bytes at all, and pages with some bytes changed, are decoded or refused', () => {
    decodesOrRefuses((bytes) => decodeAnswers(ID, bytes), anyAnswers.map(pageOf).map(encodeAnswers));
  });
});
