/**
 * Takes each request over the endpoints, one after another within one deadline, until one of them serves it: a
 * state machine whose state is in the requests. It tells the truth about the outcome when none served it.
 * The attempts of a request are idempotent: they carry the same request id, or only read.
 */
import { KvError } from '../errors.ts';
import { headStartMs, type OperationResult } from '../kv/index.ts';
import type { TimingWheel } from '../util/timing-wheel.ts';
import { AttemptHistory } from './attempt-history.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { Request, Stage } from './request.ts';
import type { RequestIds } from './request-ids.ts';

/** No endpoint is given less than this before it counts as silent, unless the request has less left. */
const LEAST_SILENCE_MS = 500;
/** The pause after a round in which no endpoint served the request; it doubles up to the maximum. */
const FIRST_PAUSE_MS = 25;
const MAX_PAUSE_MS = 200;

export interface FailoverOptions {
  /** How long a silent endpoint is waited for in the first round, if there are others; doubles with every round. */
  readonly silenceTimeoutMs: number;
  /** How long a request goes on while no endpoint takes a connection; null: to its deadline. */
  readonly retryForMs: number | null;
  /** When each open request is to be looked at again. */
  readonly wakeUps: TimingWheel<Request>;
  readonly ids: RequestIds;
  /** On the monotonic clock that all times here are on, in milliseconds. */
  readonly now: () => number;
  /** A request is over; its caller is told right after. */
  readonly onSettled: (request: Request) => void;
}

export class Failover {
  readonly #pool: EndpointPool;
  readonly #options: FailoverOptions;

  constructor(pool: EndpointPool, options: FailoverOptions) {
    this.#pool = pool;
    this.#options = options;
  }

  /** Sends a request for the first time. */
  begin(request: Request, nowMs: number): void {
    this.#attempt(request, nowMs);
  }

  /** The request's endpoint has answered it. */
  served(request: Request, result: OperationResult): void {
    if (this.#settle(request)) request.resolve(result);
  }

  /** The attempt that was under way failed. @param error its outcome speaks of this attempt alone */
  failed(request: Request, error: KvError): void {
    const { target } = request;
    if (request.isSettled || target === null) return;
    request.target = null;
    if (error.code === 'requestTooOld' && this.#isOnlyCopy(request)) {
      request.renew(this.#options.ids);
      this.#attempt(request, this.#options.now());
      return;
    }
    const history = historyOf(request);
    if (!history.add(target, error)) {
      this.#reject(request, history.asRefusal(error));
      return;
    }
    this.#pool.failed(target);
    const nowMs = this.#options.now();
    if (history.tried.length < this.#pool.size) this.#attempt(request, nowMs);
    else if (history.isRoundHopeless) this.#reject(request, history.asRefusal(error));
    else this.#pause(request, nowMs);
  }

  /** The time at which it was to be looked at again has come: the deadline, the end of a pause, or perhaps silence. */
  wake(request: Request, nowMs: number): void {
    const { target } = request;
    if (target === null) {
      this.#attempt(request, nowMs);
      return;
    }
    // Measuring each request alone would turn overload into a storm: every request given up, sent to the next
    // replica, and given up there. Where others are served meanwhile, or large ones taken, the replica is slow, not silent.
    const quietMs = nowMs - Math.max(request.attemptedMs, target.lastActiveMs);
    const isLate = nowMs >= request.deadlineMs;
    if (!isLate && quietMs < request.silenceMs) {
      this.#options.wakeUps.set(request, Math.min(request.deadlineMs, nowMs + request.silenceMs - quietMs));
      return;
    }
    const stage = target.takeBack(request, 'timeout');
    this.failed(request, timeoutError(stage, isLate ? 'in time' : `for ${Math.round(request.silenceMs)} ms`));
  }

  /** The caller gives the request up. */
  cancel(request: Request, message: string): void {
    if (request.isSettled) return;
    const { target } = request;
    if (target !== null) {
      const outcome = target.takeBack(request, 'cancel') === 'sent' ? 'unknown' : 'notApplied';
      historyOf(request).add(target, new KvError('cancelled', message, { outcome }));
    }
    this.#reject(request, historyOf(request).asCancelled(message));
  }

  /** The time was over before the request could leave: this process stood still, and no endpoint is to blame. */
  expired(request: Request): void {
    if (request.isSettled) return;
    request.target = null;
    const { history } = request;
    this.#reject(request, history === null ? neverSent() : history.asTimeout(request.allowedMs));
  }

  /**
   * Whether a request that was too old may be sent anew (R7.12): no other copy of it can have had an effect, and there is
   * a newer generation to send it in.
   */
  #isOnlyCopy({ history, generation }: Request): boolean {
    return history?.mayBeApplied !== true && this.#options.ids.generation > generation;
  }

  #attempt(request: Request, nowMs: number): void {
    const remainingMs = request.deadlineMs - nowMs;
    const { history } = request;
    if (history === null) {
      if (remainingMs < 1) {
        this.#reject(request, neverSent());
        return;
      }
    } else if (isTooLate(request, nowMs)) {
      this.#reject(request, history.asTimeout(request.allowedMs));
      return;
    }
    const target = history === null ? this.#pool.first() : this.#pool.next(history.tried);
    request.target = target;
    request.attemptedMs = nowMs;
    request.silenceMs = this.#patience(request, remainingMs);
    this.#options.wakeUps.set(request, nowMs + request.silenceMs);
    target.send(request);
  }

  /** How long a silent endpoint is waited for: at most an even share of what is left, so that the others get theirs. */
  #patience({ history }: Request, remainingMs: number): number {
    const { size } = this.#pool;
    if (size === 1) return remainingMs;
    const untried = size - (history?.tried.length ?? 0);
    const fairMs = Math.max(LEAST_SILENCE_MS, remainingMs / untried);
    // Doubled by round: an operation that is slow everywhere, rather than silent at one endpoint, gets its time.
    const silenceMs = this.#options.silenceTimeoutMs * 2 ** (history?.round ?? 0);
    return Math.min(remainingMs, silenceMs, fairMs);
  }

  /** No endpoint served the request: it waits a little before it begins anew. */
  #pause(request: Request, nowMs: number): void {
    const history = historyOf(request);
    const elapsedMs = nowMs - request.startedMs;
    const { retryForMs } = this.#options;
    if (history.onlyUnreachable && retryForMs !== null && elapsedMs >= retryForMs) {
      this.#reject(request, history.asUnreachable());
    } else if (isTooLate(request, nowMs)) {
      this.#reject(request, history.asTimeout(request.allowedMs));
    } else {
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** history.round, MAX_PAUSE_MS);
      history.nextRound();
      this.#options.wakeUps.set(request, Math.min(nowMs + pauseMs, request.deadlineMs));
    }
  }

  #reject(request: Request, error: KvError): void {
    if (this.#settle(request)) request.reject(error);
  }

  #settle(request: Request): boolean {
    if (request.isSettled) return false;
    request.isSettled = true;
    request.target = null;
    this.#options.wakeUps.remove(request);
    this.#options.onSettled(request);
    return true;
  }
}

/**
 * Whether so little time is left that no further attempt is made: it would only turn a known outcome into an unknown
 * one. A replica gives a request up about so long before the deadline, and says why: that is the last word.
 */
function isTooLate({ deadlineMs, allowedMs }: Request, nowMs: number): boolean {
  return deadlineMs - nowMs < headStartMs(allowedMs);
}

function neverSent(): KvError {
  return new KvError('deadlineExceeded', 'the deadline passed before the request was sent', {
    outcome: 'notApplied',
  });
}

/** The error of an attempt that was waited for long enough. @param wait "in time", "for 1000 ms" */
function timeoutError(stage: Stage, wait: string): KvError {
  switch (stage) {
    case 'connecting':
      return new KvError('unreachable', 'no answer to the attempt to connect', { outcome: 'notApplied' });
    case 'queued':
      return new KvError('deadlineExceeded', `the connection took no more requests ${wait}`, {
        outcome: 'notApplied',
      });
    case 'sent':
      return new KvError('deadlineExceeded', `no answer ${wait}`, { outcome: 'unknown' });
  }
}

/** The history of a request, begun if there is none yet. */
function historyOf(request: Request): AttemptHistory {
  request.history ??= new AttemptHistory(request.mutates);
  return request.history;
}
