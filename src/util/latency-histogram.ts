/**
 * Latencies counted in log-linear buckets: exact below 64 µs, then 32 buckets for every power of two, so that a
 * bucket is never wider than a thirty-second of its value. Two histograms can be added and subtracted, which lets
 * an observer take the counts of a stretch of time out of counts that only grow. Recording costs a few nanoseconds.
 */
import { assert } from './assert.ts';

/** A bucket's width is its lower bound over this, at most. */
const STEPS = 32;
const STEP_BITS = 5;
/** About 134 s; what takes longer is counted as this. */
const MAX_MICROSECONDS = 2 ** 27 - 1;

/** How many buckets there are; the place of a count is the bucket it belongs to. */
export const LATENCY_BUCKETS = bucketOf(MAX_MICROSECONDS) + 1;

export class LatencyHistogram {
  readonly #counts: Float64Array;
  #total = 0;

  /**
   * @param counts by bucket, as {@link counts} gave them; none if absent. Buckets that there are not are left out.
   */
  constructor(counts: readonly number[] = []) {
    this.#counts = new Float64Array(LATENCY_BUCKETS);
    this.#counts.set(counts.slice(0, LATENCY_BUCKETS));
    this.#total = this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** How many latencies were recorded. */
  get total(): number {
    return this.#total;
  }

  /** @param latencyMs in milliseconds; what is below 0 counts as 0 */
  record(latencyMs: number): void {
    const microseconds = Math.min(MAX_MICROSECONDS, Math.max(0, Math.round(latencyMs * 1000)));
    const bucket = bucketOf(microseconds);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total += 1;
  }

  /** The counts by bucket, without the empty buckets at the end. */
  counts(): number[] {
    const last = this.#counts.findLastIndex((count) => count > 0);
    return [...this.#counts.subarray(0, last + 1)];
  }

  /** This one with all of another one. */
  plus(other: LatencyHistogram): LatencyHistogram {
    return this.#combine(other, (own, its) => own + its);
  }

  /** What was recorded since: this one without an earlier state of it. A bucket never falls below 0. */
  minus(earlier: LatencyHistogram): LatencyHistogram {
    return this.#combine(earlier, (own, its) => Math.max(0, own - its));
  }

  /**
   * The latency in milliseconds that this percentage of all did not exceed: the upper bound of its bucket.
   * @param percent above 0, at most 100
   * @returns null if nothing was recorded
   */
  percentileMs(percent: number): number | null {
    assert(percent > 0 && percent <= 100, 'a percentile is above 0 and at most 100');
    const rank = Math.ceil((percent / 100) * this.#total);
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (count > 0 && seen >= rank) return (upperBound(bucket) - 1) / 1000;
    }
    return null;
  }

  #combine(other: LatencyHistogram, combine: (own: number, its: number) => number): LatencyHistogram {
    return new LatencyHistogram(
      Array.from(this.#counts, (own, bucket) => combine(own, other.#counts[bucket] ?? 0)),
    );
  }
}

/** The bucket of whole microseconds. */
function bucketOf(microseconds: number): number {
  const shift = Math.max(0, 31 - Math.clz32(microseconds) - STEP_BITS);
  return shift * STEPS + (microseconds >> shift);
}

/** The least number of microseconds beyond a bucket. */
function upperBound(bucket: number): number {
  const shift = Math.max(0, Math.floor(bucket / STEPS) - 1);
  return (bucket - shift * STEPS + 1) * 2 ** shift;
}
