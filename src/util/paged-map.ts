/**
 * A map by numbers that are given out in order, most of them taken out again soon. A Map makes a new table of itself
 * every few thousand times that something is added and removed; here neighbours share a page, which goes when it is empty.
 */

const PAGE = 256;

interface Page<T> {
  readonly number: number;
  /** By place in the page; null for none. */
  readonly values: (T | null)[];
  size: number;
}

export class PagedMap<T extends object> {
  readonly #pages = new Map<number, Page<T>>();
  /** The page that was asked for last: the next number is mostly on the same. */
  #last: Page<T> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @param number a safe integer ≥ 0, here and below */
  get(number: number): T | undefined {
    return this.#page(number)?.values[number % PAGE] ?? undefined;
  }

  has(number: number): boolean {
    return this.get(number) !== undefined;
  }

  set(number: number, value: T): void {
    const page = this.#page(number) ?? this.#addPage(number);
    const place = number % PAGE;
    if (page.values[place] === null) {
      page.size += 1;
      this.#size += 1;
    }
    page.values[place] = value;
  }

  /** Nothing happens if it is not there. */
  delete(number: number): void {
    const page = this.#page(number);
    const place = number % PAGE;
    if (page === null || page.values[place] === null) return;
    page.values[place] = null;
    page.size -= 1;
    this.#size -= 1;
    if (page.size > 0) return;
    this.#pages.delete(page.number);
    this.#last = null;
  }

  clear(): void {
    this.#pages.clear();
    this.#last = null;
    this.#size = 0;
  }

  /** In the order of their numbers, if these were added in order. Nothing is to be added meanwhile. */
  *values(): Iterable<T> {
    for (const { values } of this.#pages.values()) {
      for (const value of values) if (value !== null) yield value;
    }
  }

  #page(number: number): Page<T> | null {
    const of = Math.floor(number / PAGE);
    if (this.#last !== null && this.#last.number === of) return this.#last;
    const page = this.#pages.get(of) ?? null;
    if (page !== null) this.#last = page;
    return page;
  }

  #addPage(number: number): Page<T> {
    const of = Math.floor(number / PAGE);
    const page: Page<T> = { number: of, values: new Array<T | null>(PAGE).fill(null), size: 0 };
    this.#pages.set(of, page);
    this.#last = page;
    return page;
  }
}
