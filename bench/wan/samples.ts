/** Latencies, by region and by what was waited for. */

/** commit: a write is chosen; write, read: answered, after it was executed. */
export type Measure = 'commit' | 'write' | 'read';

export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export class Samples {
  readonly #byRegion: readonly Record<Measure, number[]>[];

  constructor(regions: number) {
    this.#byRegion = Array.from({ length: regions }, () => ({ commit: [], write: [], read: [] }));
  }

  add(region: number, measure: Measure, latencyMs: number): void {
    this.#byRegion[region]?.[measure].push(latencyMs);
  }

  /** Over several measures, in one region or in all of them. */
  percentiles(measures: readonly Measure[], region?: number): Percentiles {
    const regions = region === undefined ? this.#byRegion : this.#byRegion.slice(region, region + 1);
    const all = regions.flatMap((samples) => measures.flatMap((measure) => samples[measure]));
    all.sort((a, b) => a - b);
    return { count: all.length, p50: rank(all, 0.5), p95: rank(all, 0.95), p99: rank(all, 0.99) };
  }
}

/** The nearest rank: the smallest sample that at least this share of all does not exceed; NaN of none. */
export function rank(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
