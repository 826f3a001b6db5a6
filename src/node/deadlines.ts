/**
 * Deadlines of many things under one timer: each thing lies in the bucket of its deadline, and whoever
 * owns the timer asks now and then which have passed. Adding and removing take constant time and make no
 * objects: a bucket is a ring through the things themselves.
 */

const BUCKET_MS = 10;

/** Something that can have a deadline, in one {@link Deadlines} at a time, which owns these fields. */
export class Timed {
  before: Timed | null = null;
  /** Null: it has no deadline now. */
  after: Timed | null = null;
}

/** Things with a deadline. A deadline is noticed up to 10 ms late, never early. */
export class Deadlines<T extends Timed> {
  /** By number, the bucket: a ring that begins and ends with this object. */
  readonly #buckets = new Map<number, Timed>();
  /** The bucket that was used last: as a rule the next thing belongs to it too. */
  #recent = { number: -1, bucket: new Timed() };
  /** Every bucket before this one has been emptied. */
  #next: number;

  constructor(nowMs: number) {
    this.#next = Math.floor(nowMs / BUCKET_MS);
  }

  /**
   * @param thing without a deadline
   * @param deadlineMs on the same clock as every `nowMs`
   */
  add(thing: T, deadlineMs: number): void {
    const bucket = this.#bucket(Math.max(this.#next, Math.ceil(deadlineMs / BUCKET_MS)));
    const last = bucket.before ?? bucket;
    thing.before = last;
    thing.after = bucket;
    last.after = thing;
    bucket.before = thing;
  }

  /** Forgets a thing; nothing happens if it is not there. */
  remove(thing: T): void {
    const { before, after } = thing;
    if (before === null || after === null) return;
    before.after = after;
    after.before = before;
    thing.before = null;
    thing.after = null;
  }

  /** Removes and returns everything whose deadline has passed, earliest bucket first. */
  takePassed(nowMs: number): T[] {
    const last = Math.floor(nowMs / BUCKET_MS);
    const passed: T[] = [];
    for (; this.#next <= last && this.#buckets.size > 0; this.#next += 1) {
      const bucket = this.#buckets.get(this.#next);
      if (bucket === undefined) continue;
      this.#buckets.delete(this.#next);
      for (let thing = bucket.after; thing !== null && thing !== bucket; thing = bucket.after) {
        passed.push(thing as T); // everything in a ring but the bucket itself was added as a T
        this.remove(thing as T);
      }
    }
    this.#next = Math.max(this.#next, last + 1);
    return passed;
  }

  #bucket(number: number): Timed {
    if (this.#recent.number === number) return this.#recent.bucket;
    let bucket = this.#buckets.get(number);
    if (bucket === undefined) {
      bucket = new Timed();
      bucket.before = bucket;
      bucket.after = bucket;
      this.#buckets.set(number, bucket);
    }
    this.#recent = { number, bucket };
    return bucket;
  }
}
