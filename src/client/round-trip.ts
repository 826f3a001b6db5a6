/** How far away an endpoint is, from the round trips of pings, and when another one is so much nearer that it pays to move. */

/**
 * So many of the last round trips count. The shortest of them is the distance: a ping that waited behind the
 * client's own requests, or for a busy replica, says nothing about where the replica is.
 */
const SAMPLES = 30;

/** With fewer nothing is known: the first of a connection takes longer than those that follow. */
const LEAST_SAMPLES = 3;

/** Another endpoint is nearer if its round trip is shorter by so much and by such a share: no moving to and fro. */
const LEAST_GAIN_MS = 1;
const LEAST_GAIN_RATIO = 0.7;

export class RoundTrips {
  #samples: number[] = [];

  add(roundTripMs: number): void {
    this.#samples.push(roundTripMs);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  /** The connection is another one now. */
  clear(): void {
    this.#samples = [];
  }

  /** In milliseconds; infinity if nothing is known. */
  get shortestMs(): number {
    return this.#samples.length < LEAST_SAMPLES ? Number.POSITIVE_INFINITY : Math.min(...this.#samples);
  }
}

/** Whether to leave an endpoint for another one, by their round trips; infinity: unknown. */
export function isClearlyNearer(roundTripMs: number, than: { readonly roundTripMs: number }): boolean {
  // The distance of the present one is unknown: it works, and there is nothing to compare.
  if (than.roundTripMs === Number.POSITIVE_INFINITY) return false;
  return roundTripMs < than.roundTripMs * LEAST_GAIN_RATIO && than.roundTripMs - roundTripMs >= LEAST_GAIN_MS;
}
