/**
 * The endpoints of one client and the order in which a request tries them. Which replica is best is decided here
 * and nowhere else: one that serves, and of those the nearest, if the client is to care.
 */
import { assert } from '../util/assert.ts';
import type { Target } from './request.ts';
import { isClearlyNearer } from './round-trip.ts';

/** An endpoint that failed is tried again by a single request, if it is the nearest: after so long, and twice that each time. */
const FIRST_PENALTY_MS = 5000;
const MAX_PENALTY_MS = 60_000;

/** What an endpoint did wrong since it last served a request. */
interface Failure {
  readonly penaltyMs: number;
  readonly retryAtMs: number;
}

export class EndpointPool {
  readonly #endpoints: readonly Target[];
  readonly #now: () => number;
  readonly #failures = new Map<Target, Failure>();
  #preferred = 0;
  /** To be tried by the next request, though it failed before. */
  #trial: Target | null = null;

  /** @param endpoints at least one @param now monotonic, in milliseconds */
  constructor(endpoints: readonly Target[], now: () => number) {
    assert(endpoints.length > 0, 'a client has endpoints');
    this.#endpoints = endpoints;
    this.#now = now;
  }

  get size(): number {
    return this.#endpoints.length;
  }

  /** The endpoint that a new request tries first. */
  first(): Target {
    const trial = this.#trial;
    this.#trial = null;
    return trial ?? this.#at(0);
  }

  /** The endpoint that a request tries next. @param tried not all of them */
  next(tried: readonly unknown[]): Target {
    for (let offset = 0; offset < this.#endpoints.length; offset++) {
      const endpoint = this.#at(offset);
      if (!tried.includes(endpoint)) return endpoint;
    }
    assert(false, 'there is an endpoint that was not tried');
  }

  /** The endpoint answered requests. */
  served(endpoint: Target): void {
    if (this.#failures.size === 0) return;
    this.#failures.delete(endpoint);
    if (this.#failures.has(this.#at(0))) this.#prefer(endpoint);
  }

  /** The endpoint did not serve a request: the next request does not begin with it. */
  failed(endpoint: Target): void {
    const nowMs = this.#now();
    const before = this.#failures.get(endpoint);
    if (before === undefined || nowMs >= before.retryAtMs) {
      const penaltyMs =
        before === undefined ? FIRST_PENALTY_MS : Math.min(before.penaltyMs * 2, MAX_PENALTY_MS);
      this.#failures.set(endpoint, { penaltyMs, retryAtMs: nowMs + penaltyMs });
    }
    // Requests run side by side: only the first to fail at the preferred endpoint moves the preference on.
    if (this.#at(0) === endpoint) this.#preferAnother();
  }

  /** Round trips were measured: moves to an endpoint that is clearly nearer than the preferred one. */
  preferNearest(): void {
    const preferred = this.#at(0);
    let nearest = preferred;
    for (const endpoint of this.#endpoints) {
      if (endpoint.roundTripMs < nearest.roundTripMs && this.#mayBeTried(endpoint)) nearest = endpoint;
    }
    if (!isClearlyNearer(nearest.roundTripMs, preferred)) return;
    // That it answers pings does not say that it serves again: first one request shall find out.
    if (this.#failures.has(nearest)) this.#trial = nearest;
    else this.#prefer(nearest);
  }

  /** The nearest one that serves, or simply the next one. */
  #preferAnother(): void {
    let best = this.#at(1);
    for (let offset = 2; offset < this.#endpoints.length; offset++) {
      const endpoint = this.#at(offset);
      if (this.#failures.has(endpoint)) continue;
      if (this.#failures.has(best) || endpoint.roundTripMs < best.roundTripMs) best = endpoint;
    }
    this.#prefer(best);
  }

  #mayBeTried(endpoint: Target): boolean {
    const failure = this.#failures.get(endpoint);
    return failure === undefined || this.#now() >= failure.retryAtMs;
  }

  #prefer(endpoint: Target): void {
    this.#preferred = this.#endpoints.indexOf(endpoint);
  }

  #at(offset: number): Target {
    const endpoint = this.#endpoints[(this.#preferred + offset) % this.#endpoints.length];
    assert(endpoint !== undefined, 'there are endpoints');
    return endpoint;
  }
}
