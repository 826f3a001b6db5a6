/** The histogram of latencies: how exact it is, and that stretches of time can be taken out of it. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LATENCY_BUCKETS, LatencyHistogram } from '../../src/util/latency-histogram.ts';

function histogramOf(latenciesMs: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const latencyMs of latenciesMs) histogram.record(latencyMs);
  return histogram;
}

const latencies = fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 50 });

it('has percentiles that are never too small, and too large by a thirty-second at most', () => {
  fc.assert(
    fc.property(latencies, fc.integer({ min: 1, max: 100 }), (samples, percent) => {
      const sorted = samples.toSorted((one, other) => one - other);
      const exact = sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? Number.NaN;
      const told = histogramOf(samples).percentileMs(percent) ?? Number.NaN;
      // Half a microsecond is lost where it is rounded.
      expect(told).toBeGreaterThanOrEqual(exact - 0.0005);
      expect(told).toBeLessThanOrEqual(exact * (1 + 1 / 32) + 0.0005);
    }),
  );
});

it('is exact below 64 microseconds', () => {
  for (let microseconds = 0; microseconds < 64; microseconds += 1) {
    expect(histogramOf([microseconds / 1000]).percentileMs(50)).toBe(microseconds / 1000);
  }
});

it('gives what happened between two states of it', () => {
  fc.assert(
    fc.property(latencies, latencies, (before, since) => {
      const earlier = histogramOf(before);
      const later = new LatencyHistogram(earlier.counts());
      for (const latencyMs of since) later.record(latencyMs);
      const difference = later.minus(new LatencyHistogram(earlier.counts()));
      expect(difference.counts()).toEqual(histogramOf(since).counts());
      expect(difference.total).toBe(since.length);
      expect(earlier.plus(difference).counts()).toEqual(later.counts());
    }),
  );
});

it('has nothing to say when it is empty', () => {
  const empty = new LatencyHistogram();
  expect([empty.total, empty.counts(), empty.percentileMs(99)]).toEqual([0, [], null]);
});

it('takes whatever comes: below 0, above the most it knows, more buckets than there are', () => {
  const histogram = histogramOf([-1, 1e9]);
  expect(histogram.total).toBe(2);
  expect(histogram.percentileMs(50)).toBe(0);
  expect(histogram.counts()).toHaveLength(LATENCY_BUCKETS);
  expect(new LatencyHistogram(Array.from({ length: 2000 }, () => 1)).total).toBe(LATENCY_BUCKETS);
  // One of a process that was started again meanwhile: less than before.
  expect(new LatencyHistogram([1]).minus(new LatencyHistogram([5])).total).toBe(0);
});
