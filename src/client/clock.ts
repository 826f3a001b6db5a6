/**
 * The client's clock. The monotonic clock of the machine stands still while that sleeps, and the wall clock can be set. This
 * one never goes back, and sleep counts: a request whose time ran out meanwhile is not sent once more.
 */

/** So much more must have passed on the wall clock to be taken for sleep: it is corrected in small steps, too. */
const LEAST_SLEEP_MS = 1_000;

export class Clock {
  readonly #monotonicMs: () => number;
  readonly #wallMs: () => number;
  /** How far the wall clock was ahead of the monotonic one when last looked at. */
  #aheadMs: number;
  #sleptMs = 0;

  /** @param monotonicMs in milliseconds, as the wall clock is */
  constructor(monotonicMs: () => number, wallMs: () => number) {
    this.#monotonicMs = monotonicMs;
    this.#wallMs = wallMs;
    this.#aheadMs = wallMs() - monotonicMs();
  }

  /** In milliseconds, from some moment on. */
  nowMs(): number {
    const monotonicMs = this.#monotonicMs();
    const aheadMs = this.#wallMs() - monotonicMs;
    const gainedMs = aheadMs - this.#aheadMs;
    if (gainedMs >= LEAST_SLEEP_MS) this.#sleptMs += gainedMs;
    this.#aheadMs = aheadMs;
    return monotonicMs + this.#sleptMs;
  }
}

const clock = new Clock(
  () => performance.now(),
  () => Date.now(),
);

/** The time by the one clock of this process's clients, in milliseconds. */
export function nowMs(): number {
  return clock.nowMs();
}
