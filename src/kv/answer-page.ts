/**
 * Recorded answers in pages. A client counts its requests, so its answers are kept in pages of consecutive sequences:
 * nearly every answer is a version and no more, and takes a few bytes beside its key.
 */
import { NO_BYTES } from '../util/no-bytes.ts';
import type { OperationResult, RequestId } from './types.ts';

/** A request, the key it wrote, and what executing it answered. */
export interface RecordedAnswer {
  readonly request: RequestId;
  /** The key's bytes as a binary string. */
  readonly key: string;
  readonly result: OperationResult;
}

/** The name of a page: the answers of one client's sequences `number · PAGE_SEQUENCES` and on, of one generation. */
export interface AnswerPageId {
  /** Of the requests, ≥ 1. */
  readonly generation: number;
  /** 16 bytes as a binary string. */
  readonly client: string;
  /** ≥ 0. */
  readonly number: number;
}

/** How many sequences share a page. */
export const PAGE_SEQUENCES = 64;

const HIGHEST_VERSION = 2 ** 32 - 1;
/** Room is made for so many answers at first, and when that is not enough for a whole page of them. */
const FEW_ANSWERS = 8;

/**
 * The answers of up to 64 consecutive requests of one client. There are very many pages, so those answers that are a
 * version and no more lie one behind the other in a single array of bytes, as they are stored: of each its place in the
 * page (1 byte), the version, the length of the key (both as protobuf writes an integer) and the key.
 */
export class AnswerPage implements AnswerPageId {
  readonly generation: number;
  readonly client: string;
  readonly number: number;
  /** What has more to say than a version, or finds its place taken: by sequence and key. */
  others: Map<string, RecordedAnswer> | null = null;
  /** How many answers it holds. */
  size = 0;
  /** A bit for each place, below 32 and from 32 on, at which a plain answer is. */
  #low = 0;
  #high = 0;
  #plain: Uint8Array = NO_BYTES;
  #plainBytes = 0;
  readonly #isExpectedFull: boolean;

  /** @param isExpectedFull whether its client makes many requests, one after another: then room is made once */
  constructor({ generation, client, number }: AnswerPageId, { isExpectedFull } = { isExpectedFull: false }) {
    this.generation = generation;
    this.client = client;
    this.number = number;
    this.#isExpectedFull = isExpectedFull;
  }

  /** The answer of a request of this page; undefined if none is recorded. */
  find({ sequence }: RequestId, key: string): OperationResult | undefined {
    const other = this.others?.get(otherName(sequence, key));
    if (other !== undefined) return other.result;
    const place = sequence % PAGE_SEQUENCES;
    if (!this.hasPlain(place)) return undefined;
    let found: OperationResult | undefined;
    this.forEachPlain((at, version, start, end) => {
      if (at === place && this.#isKey(key, start, end)) found = { version, value: null, previousVersion: 0 };
    });
    return found;
  }

  /** Keeps an answer that is not recorded yet. */
  add(answer: RecordedAnswer): void {
    const { request, key, result } = answer;
    const place = request.sequence % PAGE_SEQUENCES;
    const isPlain =
      result.value === null && result.previousVersion === 0 && result.version <= HIGHEST_VERSION;
    if (!isPlain || this.hasPlain(place)) {
      this.restore(answer);
      return;
    }
    const start = this.#begin(place, key.length, result.version);
    const bytes = this.#plain;
    for (let index = 0; index < key.length; index += 1) bytes[start + index] = key.charCodeAt(index);
  }

  /** The same for one that is a version and no more, as it was stored. @param place where there is none */
  restorePlain(place: number, answer: { readonly key: Uint8Array; readonly version: number }): void {
    const start = this.#begin(place, answer.key.length, answer.version);
    this.#plain.set(answer.key, start);
  }

  /** The same for one that was among the others when it was stored. */
  restore(answer: RecordedAnswer): void {
    const { request, key } = answer;
    this.others ??= new Map();
    this.others.set(otherName(request.sequence, key), answer);
    this.size += 1;
  }

  /** Whether an answer that is a version and no more is at a place. */
  hasPlain(place: number): boolean {
    return ((place < 32 ? this.#low : this.#high) & (1 << (place & 31))) !== 0;
  }

  /** Every answer that is a version and no more, as bytes, which are not to be changed. */
  get plain(): Uint8Array {
    return this.#plain.subarray(0, this.#plainBytes);
  }

  /** Goes through {@link plain}: a key is there from `start` to before `end`. */
  forEachPlain(visit: (place: number, version: number, start: number, end: number) => void): void {
    const bytes = this.#plain;
    let at = 0;
    const integer = () => {
      let value = 0;
      let scale = 1;
      for (;;) {
        const byte = bytes[at] ?? 0;
        at += 1;
        value += (byte & 0x7f) * scale;
        if (byte < 0x80) return value;
        scale *= 0x80;
      }
    };
    while (at < this.#plainBytes) {
      const place = integer();
      const version = integer();
      const length = integer();
      visit(place, version, at, at + length);
      at += length;
    }
  }

  /** Bytes of the previous values in it. */
  get valueBytes(): number {
    let bytes = 0;
    for (const { result } of this.others?.values() ?? []) bytes += result.value?.length ?? 0;
    return bytes;
  }

  #isKey(key: string, start: number, end: number): boolean {
    if (end - start !== key.length) return false;
    for (let index = 0; index < key.length; index += 1) {
      if (this.#plain[start + index] !== key.charCodeAt(index)) return false;
    }
    return true;
  }

  /** Writes what is before the key. @returns where the key goes */
  #begin(place: number, keyLength: number, version: number): number {
    const start = this.#plainBytes + 1 + integerLength(version) + integerLength(keyLength);
    const end = start + keyLength;
    if (end > this.#plain.length) this.#grow(end);
    this.#plain[this.#plainBytes] = place;
    this.#writeInteger(this.#writeInteger(this.#plainBytes + 1, version), keyLength);
    this.#plainBytes = end;
    if (place < 32) this.#low |= 1 << place;
    else this.#high |= 1 << (place & 31);
    this.size += 1;
    return start;
  }

  /** @param value below 2^32 @returns the position behind it */
  #writeInteger(position: number, value: number): number {
    let at = position;
    let rest = value;
    while (rest >= 0x80) {
      this.#plain[at] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 0x80);
      at += 1;
    }
    this.#plain[at] = rest;
    return at + 1;
  }

  /** Makes room for more answers, as long as those so far and the one that is coming. @param needed bytes of these */
  #grow(needed: number): void {
    const count = this.size - (this.others?.size ?? 0) + 1;
    const bytesEach = Math.ceil(needed / count);
    const isFew = count === 1 && !this.#isExpectedFull;
    const grown = new Uint8Array(bytesEach * (isFew ? FEW_ANSWERS : PAGE_SEQUENCES));
    grown.set(this.#plain);
    this.#plain = grown;
  }
}

/** Bytes of an integer. @param value below 2^32 */
function integerLength(value: number): number {
  if (value < 2 ** 14) return value < 2 ** 7 ? 1 : 2;
  if (value < 2 ** 21) return 3;
  return value < 2 ** 28 ? 4 : 5;
}

function otherName(sequence: number, key: string): string {
  return `${sequence}/${key}`;
}
