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
  messageCodec,
  varintLength,
  WireReader,
  writeBytes,
  writeInteger,
} from '../wire/index.ts';

interface WireAnswer {
  readonly sequence: number;
  readonly key: Uint8Array;
  readonly version: number;
  readonly value: Uint8Array | null;
  readonly previousVersion: number;
}

interface WireAnswers {
  readonly plain: Uint8Array;
  readonly others: readonly WireAnswer[];
}

const answersType = messageCodec<WireAnswers>('StoredAnswers');

const PAGE = { plain: bytesTag(1), others: bytesTag(2) };
const ANSWER = {
  sequence: integerTag(1),
  key: bytesTag(2),
  version: integerTag(3),
  value: bytesTag(4),
  previousVersion: integerTag(5),
};

export function encodeAnswers({ plain, others }: AnswerPage): Buffer {
  let length = plain.length > 0 ? fieldLength(plain.length) : 0;
  for (const answer of others?.values() ?? []) length += fieldLength(answerLength(answer));
  const bytes = Buffer.allocUnsafe(length);
  let at = plain.length > 0 ? writeBytes(bytes, 0, PAGE.plain, plain) : 0;
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
  const { plain, others } = answersType.decode(bytes);
  const page = new AnswerPage(id);
  const reader = new WireReader(plain, 'StoredAnswers');
  while (!reader.isDone) {
    const place = reader.varint();
    const version = reader.varint();
    const key = reader.bytes();
    if (place >= PAGE_SEQUENCES || page.hasPlain(place))
      throw malformed('an answer has no place on its page');
    if (version >= 2 ** 32) throw malformed('a version is in the wrong place of a page of answers');
    if (key.length === 0 || key.length > LIMITS.keyBytes) {
      throw malformed(`an answer has a key of ${key.length} bytes`);
    }
    page.restorePlain(place, { key, version });
  }
  for (const { sequence, key, version, value, previousVersion } of others) {
    checkRequestName(CLIENT_ID_BYTES, { sequence });
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
