/**
 * One logical request over several endpoints: tries them in turn within one deadline, and tells the truth
 * about the outcome when none of them served it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { KvError, type Outcome } from '../errors.ts';
import type { Endpoint } from './endpoint.ts';
import type { EndpointPool } from './endpoint-pool.ts';

/** No attempt is given less than this unless the request has less left. */
const LEAST_ATTEMPT_MS = 500;
/** With less than this left no further attempt is made: it would only turn a known outcome into an unknown one. */
const LEAST_RETRY_MS = 20;
/** While every endpoint refuses connections, a request waits this long for one to come up before it gives up. */
const UNREACHABLE_GRACE_MS = 1000;
/** The pause after a round in which no endpoint served the request; it doubles up to the maximum. */
const FIRST_PAUSE_MS = 25;
const MAX_PAUSE_MS = 200;

/** What one attempt at one endpoint is allowed. */
export interface AttemptLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface FailoverOptions<T> {
  /** For the whole request, all attempts together. */
  readonly timeoutMs: number;
  /** The most one attempt may take in the first round while another endpoint is left to try; doubles with every round. */
  readonly attemptTimeoutMs: number;
  /** Ends the request at once. */
  readonly signal: AbortSignal;
  /** True if the request changes something, so that an attempt without an answer may have been applied. */
  readonly mutates: boolean;
  /** Rejects with a KvError whose outcome speaks of this attempt alone. */
  attempt(endpoint: Endpoint, limits: AttemptLimits): Promise<T>;
}

/**
 * Runs `attempt` at the endpoints of the pool until one succeeds.
 * The attempts must be idempotent: carry the same request id, or only read.
 * @throws KvError with the outcome of all attempts together: `unknown` if any of them may have been applied.
 *   `deadlineExceeded`, `unreachable` (no endpoint takes connections), `cancelled`, or what a replica answered.
 */
export async function runWithFailover<T>(pool: EndpointPool, options: FailoverOptions<T>): Promise<T> {
  const startedMs = performance.now();
  const history = new AttemptHistory(options.mutates);
  for (let round = 0; ; round++) {
    const candidates = pool.candidates();
    for (const [index, endpoint] of candidates.entries()) {
      const remainingMs = options.timeoutMs - (performance.now() - startedMs);
      if (options.signal.aborted) throw history.asCancelled();
      if (history.size > 0 && remainingMs < LEAST_RETRY_MS) throw history.asTimeout(options.timeoutMs);
      const untried = candidates.length - index;
      const timeoutMs = attemptTimeout({
        ...options,
        remainingMs,
        untried,
        round,
        endpoints: candidates.length,
      });
      try {
        const answer = await options.attempt(endpoint, { timeoutMs, signal: options.signal });
        pool.succeeded(endpoint);
        return answer;
      } catch (error) {
        if (!(error instanceof KvError)) throw error;
        history.add(endpoint, error);
        if (options.signal.aborted) throw history.asCancelled();
        if (!error.retryable) throw history.asRefusal(error);
        pool.failed(endpoint);
      }
    }
    const elapsedMs = performance.now() - startedMs;
    if (history.onlyUnreachable && elapsedMs >= UNREACHABLE_GRACE_MS) throw history.asUnreachable();
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** round, MAX_PAUSE_MS, options.timeoutMs - elapsedMs);
    await sleep(Math.max(pauseMs, 0), undefined, { signal: options.signal }).catch(() => undefined);
  }
}

/** How long one attempt may take: an even share of what is left, so that a silent endpoint leaves time for the others. */
function attemptTimeout(share: {
  readonly remainingMs: number;
  readonly attemptTimeoutMs: number;
  readonly untried: number;
  readonly endpoints: number;
  readonly round: number;
}): number {
  if (share.endpoints === 1) return share.remainingMs;
  // Doubled by round: an operation that is slow everywhere, rather than silent at one endpoint, gets its time.
  const mostMs = share.attemptTimeoutMs * 2 ** share.round;
  const fairMs = Math.max(LEAST_ATTEMPT_MS, share.remainingMs / share.untried);
  return Math.min(share.remainingMs, mostMs, fairMs);
}

/** What became of the attempts of one request so far. */
class AttemptHistory {
  readonly #mutates: boolean;
  readonly #lastByEndpoint = new Map<string, KvError>();
  #last: KvError | null = null;
  #mayBeApplied = false;
  #onlyUnreachable = true;

  constructor(mutates: boolean) {
    this.#mutates = mutates;
  }

  get size(): number {
    return this.#lastByEndpoint.size;
  }

  /** True if no attempt ever reached a replica. */
  get onlyUnreachable(): boolean {
    return this.#onlyUnreachable;
  }

  add(endpoint: Endpoint, error: KvError): void {
    this.#lastByEndpoint.set(endpoint.address, error);
    this.#last = error;
    if (error.outcome !== 'notApplied') this.#mayBeApplied = true;
    if (error.code !== 'unreachable') this.#onlyUnreachable = false;
  }

  asCancelled(): KvError {
    return this.#summary('cancelled', 'the request was cancelled');
  }

  asUnreachable(): KvError {
    return this.#summary('unreachable', `no replica can be reached (${this.#reasons()})`);
  }

  /** The time is over: if all that could be reached gave one reason, it says more than the deadline. */
  asTimeout(timeoutMs: number): KvError {
    if (this.#onlyUnreachable) return this.asUnreachable();
    const codes = new Set([...this.#lastByEndpoint.values()].map((error) => error.code));
    codes.delete('unreachable');
    const [code = 'deadlineExceeded'] = codes.size === 1 ? codes : [];
    return this.#summary(code, `no replica served the request within ${timeoutMs} ms (${this.#reasons()})`);
  }

  /** A replica answered that the request cannot succeed. */
  asRefusal(error: KvError): KvError {
    return this.#outcome() === error.outcome ? error : this.#summary(error.code, error.message);
  }

  #outcome(): Outcome {
    return this.#mutates && this.#mayBeApplied ? 'unknown' : 'notApplied';
  }

  #reasons(): string {
    return [...this.#lastByEndpoint].map(([address, error]) => `${address}: ${error.message}`).join('; ');
  }

  #summary(code: KvError['code'], message: string): KvError {
    return new KvError(code, message, {
      outcome: this.#outcome(),
      ...(this.#last === null ? {} : { cause: this.#last }),
    });
  }
}
