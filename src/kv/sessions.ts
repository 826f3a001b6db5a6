/**
 * The answers of executed writes, by request id and key: what makes every request take effect once (R7.6).
 * They are part of the state machine's state: loaded from the store at start, stored with the effects.
 *
 * The key belongs to the name. Copies of one request touch the same key, so every replica executes them in
 * the same order. A client that uses one id for two keys has made two requests: they are not ordered with
 * each other, so if the one could be answered from the record of the other, replicas would diverge.
 *
 * A client counts its requests, so its answers are kept in pages of consecutive sequences: nearly every answer is a
 * version and no more, and takes eight bytes.
 */
import { assert } from '../util/assert.ts';
import type { OperationResult, RequestId } from './operation.ts';

/** A request, the key it wrote, and what executing it answered. */
export interface RecordedAnswer {
  readonly request: RequestId;
  /** The key's bytes as a binary string. */
  readonly key: string;
  readonly result: OperationResult;
}

/** The name of a page: the answers of one client's sequences `number · PAGE_SEQUENCES` and on. */
export interface AnswerPageId {
  /** 16 bytes as a binary string. */
  readonly client: string;
  /** ≥ 0. */
  readonly number: number;
}

/** How many sequences share a page. */
export const PAGE_SEQUENCES = 64;

const HIGHEST_VERSION = 2 ** 32 - 1;

/** The answers of up to 64 consecutive requests of one client. */
export class AnswerPage implements AnswerPageId {
  readonly client: string;
  readonly number: number;
  /** By place in the page: the hash of the key; 0 where no answer is. */
  readonly keyHashes = new Uint32Array(PAGE_SEQUENCES);
  /** By place in the page: the version answered. */
  readonly versions = new Uint32Array(PAGE_SEQUENCES);
  /** What has more to say than a version, or finds its place taken: by sequence and key. */
  others: Map<string, RecordedAnswer> | null = null;
  /** How many answers it holds. */
  size = 0;

  constructor({ client, number }: AnswerPageId) {
    this.client = client;
    this.number = number;
  }

  /** The answer of a request of this page; undefined if none is recorded. */
  find({ sequence }: RequestId, key: string): OperationResult | undefined {
    const other = this.others?.get(otherName(sequence, key));
    if (other !== undefined) return other.result;
    const place = sequence % PAGE_SEQUENCES;
    if (this.keyHashes[place] !== hashOf(key)) return undefined;
    return { version: this.versions[place] ?? 0, value: null, previousVersion: 0 };
  }

  /** Keeps an answer that is not recorded yet. */
  add(answer: RecordedAnswer): void {
    const { request, key, result } = answer;
    const place = request.sequence % PAGE_SEQUENCES;
    const isPlain =
      result.value === null && result.previousVersion === 0 && result.version <= HIGHEST_VERSION;
    if (!isPlain || this.keyHashes[place] !== 0) {
      this.restore(answer);
      return;
    }
    this.keyHashes[place] = hashOf(key);
    this.versions[place] = result.version;
    this.size += 1;
  }

  /** The same for one that was among the others when it was stored. */
  restore(answer: RecordedAnswer): void {
    const { request, key } = answer;
    this.others ??= new Map();
    this.others.set(otherName(request.sequence, key), answer);
    this.size += 1;
  }

  /** Bytes of the previous values in it. */
  get valueBytes(): number {
    let bytes = 0;
    for (const { result } of this.others?.values() ?? []) bytes += result.value?.length ?? 0;
    return bytes;
  }
}

/**
 * The recorded answers, in memory. Who runs the state machine drops old pages, once no copy of their
 * requests can be executed any more: then it does not matter that replicas drop them at different times.
 */
export class Sessions {
  readonly #clients = new Map<string, Map<number, AnswerPage>>();
  #size = 0;
  #valueBytes = 0;
  /** The page that was asked for last: the next request is mostly of the same. */
  #last: AnswerPage | null = null;

  constructor(pages: Iterable<AnswerPage> = []) {
    for (const page of pages) this.#put(page);
  }

  /** How many answers are kept. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of the previous values in the answers that are kept. */
  get valueBytes(): number {
    return this.#valueBytes;
  }

  /** Every page that is kept. */
  *pages(): Iterable<AnswerPage> {
    for (const pages of this.#clients.values()) yield* pages.values();
  }

  /** What the request answered when it was executed on this key; undefined if it was not. */
  find(request: RequestId, key: string): OperationResult | undefined {
    return this.#page(request)?.find(request, key);
  }

  /**
   * Keeps the answer of a request that has none on this key yet.
   * @returns the page it is in
   */
  record(answer: RecordedAnswer): AnswerPage {
    const { client, sequence } = answer.request;
    const number = Math.floor(sequence / PAGE_SEQUENCES);
    let page = this.#page(answer.request);
    if (page === undefined) {
      page = new AnswerPage({ client, number });
      this.#put(page);
      this.#last = page;
    }
    page.add(answer);
    this.#size += 1;
    this.#valueBytes += answer.result.value?.length ?? 0;
    return page;
  }

  /** Drops a page; nothing happens if it is not there. */
  forget({ client, number }: AnswerPageId): void {
    const pages = this.#clients.get(client);
    const page = pages?.get(number);
    if (pages === undefined || page === undefined) return;
    this.#size -= page.size;
    this.#valueBytes -= page.valueBytes;
    pages.delete(number);
    if (pages.size === 0) this.#clients.delete(client);
    this.#last = null;
  }

  #page({ client, sequence }: RequestId): AnswerPage | undefined {
    const number = Math.floor(sequence / PAGE_SEQUENCES);
    if (this.#last !== null && this.#last.number === number && this.#last.client === client)
      return this.#last;
    const page = this.#clients.get(client)?.get(number);
    if (page !== undefined) this.#last = page;
    return page;
  }

  #put(page: AnswerPage): void {
    const pages = this.#clients.get(page.client);
    assert(!pages?.has(page.number), 'a page is there once');
    if (pages === undefined) this.#clients.set(page.client, new Map([[page.number, page]]));
    else pages.set(page.number, page);
    this.#size += page.size;
    this.#valueBytes += page.valueBytes;
  }
}

function otherName(sequence: number, key: string): string {
  return `${sequence}/${key}`;
}

/**
 * FNV-1a over the key's bytes, never 0. It tells two requests of one id apart only where a client breaks the rule
 * that an id stands for one request.
 */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0 || 1;
}
