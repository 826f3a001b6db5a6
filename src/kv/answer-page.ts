/**
 * Recorded answers in pages. A client counts its requests, so its answers are kept in pages of consecutive sequences:
 * nearly every answer is a version and no more, and takes a few bytes beside its key.
 */
import type { OperationResult, RequestId } from './operation.ts';

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
const NO_BYTES = new Uint8Array(0);
/** Room for keys: so much at first, and twice as much whenever there is not enough. */
const FIRST_KEY_BYTES = 64;

/** The answers of up to 64 consecutive requests of one client. */
export class AnswerPage implements AnswerPageId {
  readonly generation: number;
  readonly client: string;
  readonly number: number;
  /** By place in the page: how long the key is; 0 where no answer is. */
  readonly keyLengths = new Uint16Array(PAGE_SEQUENCES);
  /** By place in the page: the version answered. */
  readonly versions = new Uint32Array(PAGE_SEQUENCES);
  /** What has more to say than a version, or finds its place taken: by sequence and key. */
  others: Map<string, RecordedAnswer> | null = null;
  /** How many answers it holds. */
  size = 0;
  /** By place in the page: where the key begins in the bytes of all. */
  readonly #keyStarts = new Uint32Array(PAGE_SEQUENCES);
  #keys: Uint8Array = NO_BYTES;
  #keyBytes = 0;

  constructor({ generation, client, number }: AnswerPageId) {
    this.generation = generation;
    this.client = client;
    this.number = number;
  }

  /** The answer of a request of this page; undefined if none is recorded. */
  find({ sequence }: RequestId, key: string): OperationResult | undefined {
    const other = this.others?.get(otherName(sequence, key));
    if (other !== undefined) return other.result;
    const place = sequence % PAGE_SEQUENCES;
    if (!this.#isKeyOf(place, key)) return undefined;
    return { version: this.versions[place] ?? 0, value: null, previousVersion: 0 };
  }

  /** Keeps an answer that is not recorded yet. */
  add(answer: RecordedAnswer): void {
    const { request, key, result } = answer;
    const place = request.sequence % PAGE_SEQUENCES;
    const isPlain =
      result.value === null && result.previousVersion === 0 && result.version <= HIGHEST_VERSION;
    if (!isPlain || this.keyLengths[place] !== 0) {
      this.restore(answer);
      return;
    }
    const start = this.#makeRoom(place, key.length);
    for (let index = 0; index < key.length; index += 1) this.#keys[start + index] = key.charCodeAt(index);
    this.versions[place] = result.version;
    this.size += 1;
  }

  /** The same for one that is a version and no more, as it was stored. @param place where there is none */
  restorePlain(place: number, answer: { readonly key: Uint8Array; readonly version: number }): void {
    const start = this.#makeRoom(place, answer.key.length);
    this.#keys.set(answer.key, start);
    this.versions[place] = answer.version;
    this.size += 1;
  }

  /** The same for one that was among the others when it was stored. */
  restore(answer: RecordedAnswer): void {
    const { request, key } = answer;
    this.others ??= new Map();
    this.others.set(otherName(request.sequence, key), answer);
    this.size += 1;
  }

  /** The bytes of the key at a place, not to be changed; none where no answer is. */
  keyAt(place: number): Uint8Array {
    const start = this.#keyStarts[place] ?? 0;
    return this.#keys.subarray(start, start + (this.keyLengths[place] ?? 0));
  }

  /** Bytes of the previous values in it. */
  get valueBytes(): number {
    let bytes = 0;
    for (const { result } of this.others?.values() ?? []) bytes += result.value?.length ?? 0;
    return bytes;
  }

  #isKeyOf(place: number, key: string): boolean {
    if (this.keyLengths[place] !== key.length) return false;
    const start = this.#keyStarts[place] ?? 0;
    for (let index = 0; index < key.length; index += 1) {
      if (this.#keys[start + index] !== key.charCodeAt(index)) return false;
    }
    return true;
  }

  /** @returns where the key goes */
  #makeRoom(place: number, length: number): number {
    const start = this.#keyBytes;
    const end = start + length;
    if (end > this.#keys.length) {
      const grown = new Uint8Array(Math.max(end, FIRST_KEY_BYTES, 2 * this.#keys.length));
      grown.set(this.#keys);
      this.#keys = grown;
    }
    this.#keyBytes = end;
    this.#keyStarts[place] = start;
    this.keyLengths[place] = length;
    return start;
  }
}

function otherName(sequence: number, key: string): string {
  return `${sequence}/${key}`;
}
