/** Pages of recorded answers as bytes (R7.6). */
import { AnswerPage, type AnswerPageId, PAGE_SEQUENCES } from '../kv/index.ts';
import { checkCount, malformed } from './check.ts';
import { keyToBytes, keyToString } from './operation.ts';
import { CLIENT_ID_BYTES, checkRequestName } from './operation-checks.ts';
import { messageType } from './schema.ts';

interface WireAnswer {
  readonly sequence: number;
  readonly key: Uint8Array;
  readonly version: number;
  readonly value: Uint8Array | null;
  readonly previousVersion: number;
}

interface WireAnswers {
  readonly places: readonly number[];
  readonly keyHashes: readonly number[];
  readonly versions: readonly number[];
  readonly others: readonly WireAnswer[];
}

const answersType = messageType<WireAnswers>('StoredAnswers');

export function encodeAnswers(page: AnswerPage): Buffer {
  const places: number[] = [];
  const keyHashes: number[] = [];
  const versions: number[] = [];
  for (let place = 0; place < PAGE_SEQUENCES; place += 1) {
    const hash = page.keyHashes[place] ?? 0;
    if (hash === 0) continue;
    places.push(place);
    keyHashes.push(hash);
    versions.push(page.versions[place] ?? 0);
  }
  const others: WireAnswer[] = [];
  for (const { request, key, result } of page.others?.values() ?? []) {
    others.push({ sequence: request.sequence, key: keyToBytes(key), ...result });
  }
  return answersType.encode({ places, keyHashes, versions, others });
}

/**
 * The inverse of {@link encodeAnswers}. Values are views of `bytes`, which must not be changed afterwards.
 * @throws KvError invalidArgument
 */
export function decodeAnswers(id: AnswerPageId, bytes: Uint8Array): AnswerPage {
  const { places, keyHashes, versions, others } = answersType.decode(bytes);
  if (places.length !== keyHashes.length || places.length !== versions.length) {
    throw malformed('the lists of a page of answers differ in length');
  }
  const page = new AnswerPage(id);
  places.forEach((place, index) => {
    const hash = keyHashes[index] ?? 0;
    if (place >= PAGE_SEQUENCES || hash === 0 || page.keyHashes[place] !== 0) {
      throw malformed('a page of answers holds one that has no place in it');
    }
    page.keyHashes[place] = hash;
    page.versions[place] = versions[index] ?? 0;
    page.size += 1;
  });
  for (const { sequence, key, version, value, previousVersion } of others) {
    checkRequestName({ clientBytes: CLIENT_ID_BYTES, sequence });
    const request = { client: id.client, sequence };
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
