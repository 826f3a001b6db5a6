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
  const { plain, others } = page;
  let count = 0; // a place, being below 128, has one byte
  let lengthBytes = 0;
  let keyBytes = 0;
  let versionBytes = 0;
  page.forEachPlain((_place, version, start, end) => {
    count += 1;
    lengthBytes += varintLength(end - start);
    keyBytes += end - start;
    versionBytes += varintLength(version);
  });
  let length = 0;
  if (count > 0)
    for (const bytes of [count, lengthBytes, keyBytes, versionBytes]) length += fieldLength(bytes);
  for (const answer of others?.values() ?? []) length += fieldLength(answerLength(answer));
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  if (count > 0) {
    let atPlace = writeInteger(bytes, at, PAGE.places, count);
    let atLength = writeInteger(bytes, atPlace + count, PAGE.keyLengths, lengthBytes);
    let atKey = writeInteger(bytes, atLength + lengthBytes, PAGE.keys, keyBytes);
    let atVersion = writeInteger(bytes, atKey + keyBytes, PAGE.versions, versionBytes);
    at = atVersion + versionBytes;
    page.forEachPlain((place, version, start, end) => {
      bytes[atPlace] = place;
      atPlace += 1;
      atLength = writeVarint(bytes, atLength, end - start);
      // Keys are short: to copy them in one call each would take longer.
      for (let from = start; from < end; from += 1) bytes[atKey + from - start] = plain[from] ?? 0;
      atKey += end - start;
      atVersion = writeVarint(bytes, atVersion, version);
    });
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
    if (place >= PAGE_SEQUENCES || length === 0 || length > LIMITS.keyBytes || page.hasPlain(place)) {
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
