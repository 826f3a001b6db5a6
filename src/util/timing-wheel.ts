/**
 * The times at which many things are due, under one timer: each thing lies in the bucket of its time, and whoever
 * owns the timer asks now and then what is due. Setting and removing take constant time and make no objects: a bucket
 * is a ring through the things themselves.
 */

const BUCKET_MS = 10;

/** Something that can be due, in one {@link TimingWheel} at a time, which owns these fields. */
export class Timed {
  dueMs = 0;
  sooner: Timed | null = null;
  /** Null: it is not due at any time. */
  later: Timed | null = null;
}

export class TimingWheel<T extends Timed> {
  /** By number, the bucket: a ring that begins and ends with this object. */
  readonly #buckets = new Map<number, Timed>();
  /** The bucket that was used last: as a rule the next thing belongs to it too. */
  #recent = { number: -1, bucket: new Timed() };
  /** Every bucket before this one is empty. */
  #first: number;
  #size = 0;

  /** @param nowMs on the clock of every other time here */
  constructor(nowMs: number) {
    this.#first = bucketOf(nowMs);
  }

  /** How many things are due some time. */
  get size(): number {
    return this.#size;
  }

  /** Whether the thing is due some time. */
  has(thing: T): boolean {
    return thing.later !== null;
  }

  /** Has a thing due then, instead of any time set before. A time that has passed is due at once. */
  set(thing: T, dueMs: number): void {
    this.remove(thing);
    const bucket = this.#bucket(Math.max(this.#first, bucketOf(dueMs)));
    const last = bucket.sooner ?? bucket;
    thing.dueMs = dueMs;
    thing.sooner = last;
    thing.later = bucket;
    last.later = thing;
    bucket.sooner = thing;
    this.#size += 1;
  }

  /** Nothing happens if the thing is not there. */
  remove(thing: T): void {
    const { sooner, later } = thing;
    if (sooner === null || later === null) return;
    sooner.later = later;
    later.sooner = sooner;
    thing.sooner = null;
    thing.later = null;
    this.#size -= 1;
  }

  /** Removes and returns all that is due now, and nothing else; in the order of their times, give or take 10 ms. */
  takeDue(nowMs: number): T[] {
    const current = Math.max(bucketOf(nowMs), this.#first);
    const due: T[] = [];
    for (const number of this.#numbersUpTo(current)) {
      const bucket = this.#buckets.get(number);
      if (bucket === undefined) continue;
      for (const thing of thingsIn<T>(bucket)) {
        if (thing.dueMs > nowMs) continue;
        due.push(thing);
        this.remove(thing);
      }
      if (bucket.later === bucket) this.#drop(number);
    }
    this.#first = current;
    return due;
  }

  /** All that is due some time, in no order. */
  all(): T[] {
    return [...this.#buckets.values()].flatMap((bucket) => [...thingsIn<T>(bucket)]);
  }

  /** The numbers of the buckets from the first to the last, in order; after a long time only of those that exist. */
  #numbersUpTo(last: number): readonly number[] {
    const passed = last - this.#first + 1;
    if (passed <= this.#buckets.size)
      return Array.from({ length: passed }, (_, index) => this.#first + index);
    const there = [...this.#buckets.keys()].filter((number) => number <= last);
    return there.sort((one, other) => one - other);
  }

  #drop(number: number): void {
    this.#buckets.delete(number);
    if (this.#recent.number === number) this.#recent = { number: -1, bucket: new Timed() };
  }

  #bucket(number: number): Timed {
    if (this.#recent.number === number) return this.#recent.bucket;
    let bucket = this.#buckets.get(number);
    if (bucket === undefined) {
      bucket = new Timed();
      bucket.sooner = bucket;
      bucket.later = bucket;
      this.#buckets.set(number, bucket);
    }
    this.#recent = { number, bucket };
    return bucket;
  }
}

function bucketOf(ms: number): number {
  return Math.floor(ms / BUCKET_MS);
}

/** The things of a bucket; the one that was given last may be removed before the next is asked for. */
function* thingsIn<T extends Timed>(bucket: Timed): Generator<T> {
  for (let thing = bucket.later; thing !== null && thing !== bucket; ) {
    const next: Timed | null = thing.later;
    yield thing as T; // everything in a ring but the bucket itself was put there as a T
    thing = next;
  }
}
