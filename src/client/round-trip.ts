/** How far away an endpoint is, from the round trips of pings, and when another one is so much nearer that it pays to move. */

/**
 * So many of the last round trips count. The shortest of them is the distance: a ping that waited behind the
 * client's own requests, or for a busy replica, says nothing about where the replica is.
 */
const SAMPLES = 30;

/** With fewer nothing is known: the first of a connection takes longer than those that follow. */
const LEAST_SAMPLES = 3;

/**
 * Another endpoint is nearer if its round trip is shorter by such a share and by so much: no moving to and fro. As long as the
 * present one has few samples it must be much more: all of these may have waited for the client's own requests, and
 * many busy clients would leave their replicas for one and the same.
 */
const LEAST_GAIN_RATIO = 0.7;
const LEAST_GAIN_MS = 2;
const LEAST_GAIN_AT_FIRST_MS = 20;

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

  /** True if there are so many samples that one will have met an idle moment. */
  get isSettled(): boolean {
    return this.#samples.length === SAMPLES;
  }

  /** In milliseconds; infinity if nothing is known. */
  get shortestMs(): number {
    return this.#samples.length < LEAST_SAMPLES ? Number.POSITIVE_INFINITY : Math.min(...this.#samples);
  }
}

/** What {@link isClearlyNearer} asks of the endpoint in use. */
export interface MeasuredDistance {
  /** In milliseconds; infinity: unknown. */
  readonly roundTripMs: number;
  /** Whether it was measured for long enough that load is not taken for distance. */
  readonly isSettled: boolean;
}

/** Whether to leave the present endpoint for one with this round trip, in milliseconds; infinity: unknown. */
export function isClearlyNearer(roundTripMs: number, present: MeasuredDistance): boolean {
  // The distance of the present one is unknown: it works, and there is nothing to compare.
  if (present.roundTripMs === Number.POSITIVE_INFINITY) return false;
  const leastGainMs = present.isSettled ? LEAST_GAIN_MS : LEAST_GAIN_AT_FIRST_MS;
  return (
    roundTripMs < present.roundTripMs * LEAST_GAIN_RATIO && present.roundTripMs - roundTripMs >= leastGainMs
  );
}
