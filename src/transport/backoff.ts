/** How long to wait before the next attempt: doubling, bounded, with jitter so that replicas do not dial in step. */

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** A number in [0, 1). */
  readonly random: () => number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** The wait after one more failure: between half and all of min(first · 2^failures, max). */
  next(): number {
    const { firstMs, maxMs } = this.#options;
    const fullMs = Math.min(firstMs * 2 ** this.#failures, maxMs);
    if (fullMs < maxMs) this.#failures++;
    return this.#jittered(fullMs);
  }

  /** The longest wait, for failures that only an operator can mend. */
  slowest(): number {
    return this.#jittered(this.#options.maxMs);
  }

  /** After success: the next wait is the first again. */
  reset(): void {
    this.#failures = 0;
  }

  #jittered(fullMs: number): number {
    return fullMs * (0.5 + 0.5 * this.#options.random());
  }
}
