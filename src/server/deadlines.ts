/**
 * Deadlines of many things under one timer: each thing lies in the bucket of its deadline, and whoever
 * owns the timer asks now and then which have passed. Adding and removing take constant time.
 */

const BUCKET_MS = 10;

/** Things with a deadline. A deadline is noticed up to 10 ms late, never early. */
export class Deadlines<T> {
  readonly #buckets = new Map<number, Set<T>>();
  readonly #bucketOf = new Map<T, number>();
  /** Every bucket before this one has been emptied. */
  #next: number;

  constructor(nowMs: number) {
    this.#next = Math.floor(nowMs / BUCKET_MS);
  }

  /** @param deadlineMs on the same clock as every `nowMs` */
  add(thing: T, deadlineMs: number): void {
    const number = Math.max(this.#next, Math.ceil(deadlineMs / BUCKET_MS));
    let bucket = this.#buckets.get(number);
    if (bucket === undefined) {
      bucket = new Set();
      this.#buckets.set(number, bucket);
    }
    bucket.add(thing);
    this.#bucketOf.set(thing, number);
  }

  /** Forgets a thing; nothing happens if it is not there. */
  remove(thing: T): void {
    const number = this.#bucketOf.get(thing);
    if (number === undefined) return;
    this.#bucketOf.delete(thing);
    const bucket = this.#buckets.get(number);
    bucket?.delete(thing);
    if (bucket?.size === 0) this.#buckets.delete(number);
  }

  /** Removes and returns everything whose deadline has passed, earliest bucket first. */
  takePassed(nowMs: number): T[] {
    const last = Math.floor(nowMs / BUCKET_MS);
    const passed: T[] = [];
    for (; this.#next <= last && this.#buckets.size > 0; this.#next += 1) {
      for (const thing of this.#buckets.get(this.#next) ?? []) {
        passed.push(thing);
        this.#bucketOf.delete(thing);
      }
      this.#buckets.delete(this.#next);
    }
    this.#next = Math.max(this.#next, last + 1);
    return passed;
  }
}
