/**
 * One logical request over several endpoints: tries them in turn within one deadline, and tells the truth
 * about the outcome when none of them served it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, KvError, type Outcome } from '../errors.ts';
import type { Endpoint } from './endpoint.ts';
import type { EndpointPool } from './endpoint-pool.ts';

/** No endpoint is given less than this before it counts as silent, unless the request has less left. */
const LEAST_SILENCE_MS = 500;
/**
 * With less than this left no further attempt is made: it would only turn a known outcome into an unknown one. A
 * replica gives a request up about so long before the deadline, and says why: that is the last word.
 */
const LEAST_RETRY_MS = 100;
/**
 * While no endpoint takes a connection, a request waits this long for one to come up before it gives up, or a fifth of
 * its time if that is longer: who allows much time may be talking to replicas that are starved, not dead.
 */
const UNREACHABLE_GRACE_MS = 1000;
/** The pause after a round in which no endpoint served the request; it doubles up to the maximum. */
const FIRST_PAUSE_MS = 25;
const MAX_PAUSE_MS = 200;

/** What is wrong with one replica, not with the request: nothing to try again there, but others may serve. */
const FAULTS_OF_A_REPLICA: ReadonlySet<ErrorCode> = new Set(['internal', 'storageFailure']);

/** What one attempt at one endpoint is allowed. */
export interface AttemptLimits {
  readonly timeoutMs: number;
  /** The attempt ends when the endpoint has served nobody for this long. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

export interface FailoverOptions<T> {
  /** For the whole request, all attempts together. */
  readonly timeoutMs: number;
  /** When that time began, on the clock of performance.now(). */
  readonly startedMs: number;
  /** How long a silent endpoint is waited for in the first round, if there are others; doubles with every round. */
  readonly silenceTimeoutMs: number;
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
  const { signal, startedMs } = options;
  const history = new AttemptHistory(options.mutates);
  for (let round = 0; ; round++) {
    const candidates = pool.candidates();
    let isHopeless = true;
    for (const [index, endpoint] of candidates.entries()) {
      const remainingMs = options.timeoutMs - (performance.now() - startedMs);
      if (signal.aborted) throw history.asCancelled();
      if (remainingMs < (history.isEmpty ? 1 : LEAST_RETRY_MS)) throw history.asTimeout(options.timeoutMs);
      const silenceMs = patience(options.silenceTimeoutMs, {
        remainingMs,
        untried: candidates.length - index,
        endpoints: candidates.length,
        round,
      });
      try {
        const answer = await options.attempt(endpoint, { timeoutMs: remainingMs, silenceMs, signal });
        pool.succeeded(endpoint);
        return answer;
      } catch (error) {
        if (!(error instanceof KvError)) throw error;
        history.add(endpoint, error);
        if (signal.aborted) throw history.asCancelled();
        if (error.retryable) isHopeless = false;
        else if (!FAULTS_OF_A_REPLICA.has(error.code)) throw history.asRefusal(error);
        pool.failed(endpoint);
        if (isHopeless && index === candidates.length - 1) throw history.asRefusal(error);
      }
    }
    const elapsedMs = performance.now() - startedMs;
    const graceMs = Math.max(UNREACHABLE_GRACE_MS, options.timeoutMs / 5);
    if (history.onlyUnreachable && elapsedMs >= graceMs) throw history.asUnreachable();
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** round, MAX_PAUSE_MS, options.timeoutMs - elapsedMs);
    await sleep(Math.max(pauseMs, 0), undefined, { signal }).catch(() => undefined);
  }
}

/** How long a silent endpoint is waited for: at most an even share of what is left, so that the others get theirs. */
function patience(
  silenceTimeoutMs: number,
  at: {
    readonly remainingMs: number;
    readonly untried: number;
    readonly endpoints: number;
    readonly round: number;
  },
): number {
  if (at.endpoints === 1) return at.remainingMs;
  // Doubled by round: an operation that is slow everywhere, rather than silent at one endpoint, gets its time.
  const fairMs = Math.max(LEAST_SILENCE_MS, at.remainingMs / at.untried);
  return Math.min(at.remainingMs, silenceTimeoutMs * 2 ** at.round, fairMs);
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

  get isEmpty(): boolean {
    return this.#last === null;
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
    if (this.isEmpty)
      return this.#summary('deadlineExceeded', 'the deadline passed before the request was sent');
    if (this.#onlyUnreachable) return this.asUnreachable();
    const codes = new Set([...this.#lastByEndpoint.values()].map((error) => error.code));
    codes.delete('unreachable');
    const [code = 'deadlineExceeded'] = codes.size === 1 ? codes : [];
    return this.#summary(code, `no replica served the request within ${timeoutMs} ms (${this.#reasons()})`);
  }

  /** The request cannot succeed: a replica said so, or every one is broken. */
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
