/**
 * The answers of executed writes, by request id and key: what makes every request take effect once (R7.6).
 * They are part of the state machine's state: loaded from the store at start, stored with the effects.
 *
 * The key belongs to the name. Copies of one request touch the same key, so every replica executes them in
 * the same order. A client that uses one id for two keys has made two requests: they are not ordered with
 * each other, so if the one could be answered from the record of the other, replicas would diverge. So it is
 * the key itself that is kept, and no hash of it, of which two keys may have the same.
 *
 * How long an answer is kept is told by generations (R7.12), which are of the same state: so every replica forgets it
 * at the same place of the order.
 */
import { KvError } from '../errors.ts';
import { assert } from '../util/assert.ts';
import { AnswerPage, PAGE_SEQUENCES, type RecordedAnswer } from './answer-page.ts';
import type { OperationResult, RequestId } from './types.ts';

/** The generation in which a cluster begins. */
export const FIRST_GENERATION = 1;

/** The answers of the requests that were first sent in one generation. */
interface Generation {
  readonly clients: Map<string, Map<number, AnswerPage>>;
  size: number;
  valueBytes: number;
}

/** The present generation, and the recorded answers of that and the one before, in memory. */
export class Sessions {
  #generation: number;
  readonly #generations = new Map<number, Generation>();
  #hasNews: boolean;
  /** The pages of the generations that are kept to which answers were added since the changes were last taken. */
  #changed = new Set<AnswerPage>();
  /** Whether another generation has begun since then. */
  #hasAdvanced = false;
  /** The page that was asked for last: the next request is mostly of the same. */
  #last: AnswerPage | null = null;
  /** The page that was added to last, and is among the changed ones. */
  #lastChanged: AnswerPage | null = null;

  /**
   * @param pages those of other generations than the present one and the one before are passed over
   * @param generation the present one, ≥ 1
   */
  constructor(pages: Iterable<AnswerPage> = [], generation: number = FIRST_GENERATION) {
    this.#generation = generation;
    for (const page of pages) if (this.#isKept(page.generation)) this.#put(page);
    this.#hasNews = this.#generations.has(generation);
  }

  /** The present generation, ≥ 1. */
  get generation(): number {
    return this.#generation;
  }

  /** The oldest generation whose answers are kept; may be 0, of which there are none. */
  get oldestKept(): number {
    return this.#generation - 1;
  }

  /** Whether an answer was recorded since the last advance; after a start, whether there is one of this generation. */
  get hasNews(): boolean {
    return this.#hasNews;
  }

  /** How many answers are kept. */
  get size(): number {
    let size = 0;
    for (const generation of this.#generations.values()) size += generation.size;
    return size;
  }

  /** Bytes of the previous values in the answers that are kept. */
  get valueBytes(): number {
    let bytes = 0;
    for (const generation of this.#generations.values()) bytes += generation.valueBytes;
    return bytes;
  }

  /** Every page that is kept. */
  *pages(): Iterable<AnswerPage> {
    for (const { clients } of this.#generations.values()) {
      for (const pages of clients.values()) yield* pages.values();
    }
  }

  /**
   * Ends a generation (R7.12): the next one begins, and the answers of the one before it are gone at once.
   * @returns false if it is not the present one: then nothing happened
   */
  advance(generation: number): boolean {
    if (generation !== this.#generation) return false;
    this.#generation += 1;
    this.#generations.delete(generation - 1);
    this.#last = null;
    this.#lastChanged = null;
    this.#hasNews = false;
    this.#hasAdvanced = true;
    // What is gone with the generation need not be written any more.
    for (const page of this.#changed) if (!this.#isKept(page.generation)) this.#changed.delete(page);
    return true;
  }

  /** Hands over the pages that were added to, and the present generation if it is another one; null: it is not. */
  takeChanges(): { readonly pages: ReadonlySet<AnswerPage>; readonly generation: number | null } {
    const changes = { pages: this.#changed, generation: this.#hasAdvanced ? this.#generation : null };
    this.#changed = new Set();
    this.#lastChanged = null;
    this.#hasAdvanced = false;
    return changes;
  }

  /**
   * Whether a request that is recorded may be executed now (R7.12).
   * @throws KvError requestTooOld if its answer, had it been executed before, would be gone; invalidArgument if its
   *   generation has not come. With the outcome unknown: this copy has no effect, and another one may have had it
   */
  check({ generation }: RequestId): void {
    const present = this.#generation;
    if (generation > present) {
      throw new KvError(
        'invalidArgument',
        `the request says that it was first sent in generation ${generation}, and the present one is ${present}`,
        { outcome: 'unknown' },
      );
    }
    if (this.#isKept(generation)) return;
    throw new KvError(
      'requestTooOld',
      `the request was first sent in generation ${generation}, and the present one is ${present}: this copy of it ` +
        'has no effect; whether an earlier one was applied is no longer known',
      { outcome: 'unknown' },
    );
  }

  /** What the request answered when it was executed on this key; undefined if it was not, or too long ago. */
  find(request: RequestId, key: string): OperationResult | undefined {
    return this.#page(request)?.find(request, key);
  }

  /**
   * Keeps the answer of a request that has none on this key yet, and may be executed (see {@link check}).
   * @returns the page it is in
   */
  record(answer: RecordedAnswer): AnswerPage {
    const { client, sequence, generation } = answer.request;
    assert(this.#isKept(generation), 'an answer of a generation that is kept');
    const number = Math.floor(sequence / PAGE_SEQUENCES);
    let page = this.#page(answer.request);
    if (page === undefined) {
      const isNext = this.#last?.client === client && this.#last.number === number - 1;
      page = new AnswerPage({ generation, client, number }, { isExpectedFull: isNext });
      this.#put(page);
      this.#last = page;
    }
    page.add(answer);
    if (page !== this.#lastChanged) this.#changed.add(page);
    this.#lastChanged = page;
    const kept = this.#kept(generation);
    kept.size += 1;
    kept.valueBytes += answer.result.value?.length ?? 0;
    this.#hasNews = true;
    return page;
  }

  #isKept(generation: number): boolean {
    return generation >= Math.max(FIRST_GENERATION, this.oldestKept) && generation <= this.#generation;
  }

  #page({ client, sequence, generation }: RequestId): AnswerPage | undefined {
    const number = Math.floor(sequence / PAGE_SEQUENCES);
    const last = this.#last;
    const isLast = last?.number === number && last.generation === generation && last.client === client;
    if (isLast) return last;
    const page = this.#generations.get(generation)?.clients.get(client)?.get(number);
    if (page !== undefined) this.#last = page;
    return page;
  }

  #put(page: AnswerPage): void {
    const generation = this.#kept(page.generation);
    const pages = generation.clients.get(page.client);
    assert(!pages?.has(page.number), 'a page is there once');
    if (pages === undefined) generation.clients.set(page.client, new Map([[page.number, page]]));
    else pages.set(page.number, page);
    generation.size += page.size;
    generation.valueBytes += page.valueBytes;
  }

  #kept(generation: number): Generation {
    let kept = this.#generations.get(generation);
    if (kept === undefined) {
      kept = { clients: new Map(), size: 0, valueBytes: 0 };
      this.#generations.set(generation, kept);
    }
    return kept;
  }
}
