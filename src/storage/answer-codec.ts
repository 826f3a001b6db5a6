/**
 * Pages of recorded answers as bytes (R7.6). Writing is by hand, as nearly every put changes a page; reading is done
 * when a replica starts only.
 */
import { AnswerPage, type AnswerPageId, LIMITS, PAGE_SEQUENCES, type RecordedAnswer } from '../kv/index.ts';
import {
  bytesTag,
  CLIENT_ID_BYTES,
  checkCount,
  checkRequestName,
  fieldLength,
  integerTag,
  keyToBytes,
  keyToString,
  malformed,
  messageType,
  varintLength,
  writeBytes,
  writeInteger,
  writeVarint,
} from '../wire/index.ts';

interface WireAnswer {
  readonly sequence: number;
  readonly key: Uint8Array;
  readonly version: number;
  readonly value: Uint8Array | null;
  readonly previousVersion: number;
}

interface WireAnswers {
  readonly places: readonly number[];
  readonly keyLengths: readonly number[];
  readonly keys: Uint8Array;
  readonly versions: readonly number[];
  readonly others: readonly WireAnswer[];
}

const answersType = messageType<WireAnswers>('StoredAnswers');

const PAGE = {
  places: bytesTag(1),
  keyLengths: bytesTag(2),
  keys: bytesTag(3),
  versions: bytesTag(4),
  others: bytesTag(5),
};
const ANSWER = {
  sequence: integerTag(1),
  key: bytesTag(2),
  version: integerTag(3),
  value: bytesTag(4),
  previousVersion: integerTag(5),
};
export function encodeAnswers(page: AnswerPage): Buffer {
  const { keyLengths, versions, others } = page;
  const places: number[] = [];
  let lengthBytes = 0;
  let keyBytes = 0;
  let versionBytes = 0;
  for (let place = 0; place < PAGE_SEQUENCES; place += 1) {
    const keyLength = keyLengths[place] ?? 0;
    if (keyLength === 0) continue;
    places.push(place);
    lengthBytes += varintLength(keyLength);
    keyBytes += keyLength;
    versionBytes += varintLength(versions[place] ?? 0);
  }
  const count = places.length; // a place, being below 128, has one byte
  let length = 0;
  if (count > 0)
    for (const bytes of [count, lengthBytes, keyBytes, versionBytes]) length += fieldLength(bytes);
  for (const answer of others?.values() ?? []) length += fieldLength(answerLength(answer));
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  if (count > 0) {
    at = writeInteger(bytes, at, PAGE.places, count);
    for (const place of places) at = writeVarint(bytes, at, place);
    at = writeInteger(bytes, at, PAGE.keyLengths, lengthBytes);
    for (const place of places) at = writeVarint(bytes, at, keyLengths[place] ?? 0);
    at = writeInteger(bytes, at, PAGE.keys, keyBytes);
    for (const place of places) {
      const key = page.keyAt(place);
      bytes.set(key, at);
      at += key.length;
    }
    at = writeInteger(bytes, at, PAGE.versions, versionBytes);
    for (const place of places) at = writeVarint(bytes, at, versions[place] ?? 0);
  }
  for (const answer of others?.values() ?? []) at = writeAnswer(bytes, at, answer);
  return bytes;
}

function answerLength({ request, key, result }: RecordedAnswer): number {
  const { version, value, previousVersion } = result;
  return (
    1 +
    varintLength(request.sequence) +
    fieldLength(key.length) +
    1 +
    varintLength(version) +
    (value === null ? 0 : fieldLength(value.length)) +
    1 +
    varintLength(previousVersion)
  );
}

function writeAnswer(bytes: Buffer, position: number, answer: RecordedAnswer): number {
  const { version, value, previousVersion } = answer.result;
  let at = writeInteger(bytes, position, PAGE.others, answerLength(answer));
  at = writeInteger(bytes, at, ANSWER.sequence, answer.request.sequence);
  at = writeBytes(bytes, at, ANSWER.key, keyToBytes(answer.key));
  at = writeInteger(bytes, at, ANSWER.version, version);
  if (value !== null) at = writeBytes(bytes, at, ANSWER.value, value);
  return writeInteger(bytes, at, ANSWER.previousVersion, previousVersion);
}

/**
 * The inverse of {@link encodeAnswers}. Values are views of `bytes`, which must not be changed afterwards.
 * @throws KvError invalidArgument
 */
export function decodeAnswers(id: AnswerPageId, bytes: Uint8Array): AnswerPage {
  const { places, keyLengths, keys, versions, others } = answersType.decode(bytes);
  if (places.length !== keyLengths.length || places.length !== versions.length) {
    throw malformed('the lists of a page of answers differ in length');
  }
  const page = new AnswerPage(id);
  let at = 0;
  for (const [index, place] of places.entries()) {
    const start = at;
    const length = keyLengths[index] ?? 0;
    at += length;
    if (place >= PAGE_SEQUENCES || length === 0 || length > LIMITS.keyBytes || page.keyLengths[place] !== 0) {
      throw malformed('a page of answers holds one that has no place in it');
    }
    page.restorePlain(place, { key: keys.subarray(start, at), version: versions[index] ?? 0 });
  }
  if (at !== keys.length) throw malformed('the keys of a page of answers are cut off, or too many');
  for (const { sequence, key, version, value, previousVersion } of others) {
    checkRequestName({ clientBytes: CLIENT_ID_BYTES, sequence });
    const request = { client: id.client, sequence, generation: id.generation };
    if (Math.floor(sequence / PAGE_SEQUENCES) !== id.number)
      throw malformed('an answer is on the wrong page');
    page.restore({
      request,
      key: keyToString(key),
      result: {
        version: checkCount(version, 'the version'),
        value,
        previousVersion: checkCount(previousVersion, 'the previous version'),
      },
    });
  }
  return page;
}
