/**
 * When to propose the end of a generation (R7.13): a pure decision, on this replica's own ticks. Every replica decides
 * for itself; what several propose for one generation is void but for the first.
 */

export interface AdvanceLimits {
  /** A generation lasts so long at the least, from when its beginning was executed here. In milliseconds, as all below. */
  readonly lastsMs: number;
  /** Each replica leaves so much more time to those before it. */
  readonly perRankMs: number;
  /** So long it waits for a calm moment. */
  readonly patienceMs: number;
  /** What there was no room for, or what a core took along to its end, is proposed again after so long. */
  readonly againMs: number;
}

export const DEFAULT_ADVANCE: AdvanceLimits = {
  lastsMs: 60_000,
  perRankMs: 5_000,
  patienceMs: 300_000,
  againMs: 60_000,
};

/** How things are at a tick. */
export interface AdvanceMoment {
  /** How many ticks have passed since the last time: more than one for those that a resting loop slept through. */
  readonly ticks: number;
  /** The present generation here. */
  readonly generation: number;
  /** Whether any answer was recorded in it. */
  readonly hasNews: boolean;
  /** Whether nothing is known to be open that may stay so for long: all would wait for it. Asked only if it matters. */
  readonly isCalm: () => boolean;
}

export class AdvanceTiming {
  readonly #dueTicks: number;
  readonly #patienceTicks: number;
  readonly #againTicks: number;
  #generation: number;
  /** Since the present generation began here. */
  #ticks = 0;
  /** Nothing is proposed before so many. */
  #notBeforeTicks: number;

  constructor(options: {
    readonly limits: AdvanceLimits;
    readonly tickMs: number;
    /** How many replicas go before this one. */
    readonly rank: number;
    /** The present one. */
    readonly generation: number;
  }) {
    const { limits, tickMs, rank, generation } = options;
    this.#dueTicks = Math.ceil((limits.lastsMs + rank * limits.perRankMs) / tickMs);
    this.#patienceTicks = Math.ceil(limits.patienceMs / tickMs);
    this.#againTicks = Math.ceil(limits.againMs / tickMs);
    this.#generation = generation;
    this.#notBeforeTicks = this.#dueTicks;
  }

  /** Time has passed. @returns true if the end of the present generation is to be proposed now */
  tick({ ticks, generation, hasNews, isCalm }: AdvanceMoment): boolean {
    if (generation !== this.#generation) {
      this.#generation = generation;
      this.#ticks = 0;
      this.#notBeforeTicks = this.#dueTicks;
      return false;
    }
    this.#ticks += ticks;
    if (!hasNews || this.#ticks < this.#notBeforeTicks) return false;
    if (this.#ticks < this.#dueTicks + this.#patienceTicks && !isCalm()) return false;
    this.#notBeforeTicks = this.#ticks + this.#againTicks;
    return true;
  }
}
