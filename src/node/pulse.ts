/**
 * Notices that the process stood still: stopped by a signal, a suspended machine, a blocked event loop. Requests
 * that were sent to it before then may still lie in the buffers of its sockets. Their deadlines are told
 * relative to when they arrive, so they look fresh, though their clients have long repeated them elsewhere, and
 * the record of that may be forgotten (R7.6): they must not be taken.
 */

/** A standstill that is longer counts. It is far below the time for which answers are kept. */
export const STANDSTILL_MS = 10_000;

export class Pulse {
  #lastMs: number;
  #isRecovering = false;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  /**
   * To be called at every tick, many times within {@link STANDSTILL_MS}.
   * @returns true if the process stood still before this tick
   */
  beat(nowMs: number): boolean {
    this.#isRecovering = this.#isLate(nowMs);
    this.#lastMs = nowMs;
    return this.#isRecovering;
  }

  /** True from the end of a standstill, whether a tick has noticed it or not, until the second tick after it. */
  stoodStill(nowMs: number): boolean {
    return this.#isRecovering || this.#isLate(nowMs);
  }

  #isLate(nowMs: number): boolean {
    return nowMs - this.#lastMs > STANDSTILL_MS;
  }
}
