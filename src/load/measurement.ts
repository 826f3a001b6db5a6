/** A stretch of time in which a load is measured: every operation whose time came in it, however long it took. */
import type { KvError } from '../errors.ts';
import { createDeferred } from '../util/deferred.ts';
import { LatencyHistogram } from '../util/latency-histogram.ts';

export interface Measurement {
  /** From the beginning to the end; without an end, to the last answer. */
  readonly durationMs: number;
  /** Operations that were answered. */
  readonly answered: number;
  /** Operations that ended with an error, by its code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Open loop: operations whose time had come, but for which no place had become free by the end. */
  readonly unsent: number;
  /** Of the answered ones. Closed loop: from sending; open loop: from when it was to be sent. */
  readonly puts: LatencyHistogram;
  readonly gets: LatencyHistogram;
}

/** A measurement in the making. */
export class Window {
  readonly #startedMs: number;
  readonly #puts = new LatencyHistogram();
  readonly #gets = new LatencyHistogram();
  readonly #errors = new Map<string, number>();
  readonly #finished = createDeferred<Measurement>();
  #underWay = 0;
  #endedMs: number | null = null;
  #unsent = 0;

  constructor(nowMs: number) {
    this.#startedMs = nowMs;
  }

  sent(): void {
    this.#underWay += 1;
  }

  answered(isRead: boolean, latencyMs: number): void {
    (isRead ? this.#gets : this.#puts).record(latencyMs);
    this.#ended();
  }

  failed(error: KvError): void {
    this.#errors.set(error.code, (this.#errors.get(error.code) ?? 0) + 1);
    this.#ended();
  }

  /** No operation is added any more. Resolves when those under way have ended. */
  end(nowMs: number, options: { readonly unsent: number }): Promise<Measurement> {
    this.#endedMs = nowMs;
    this.#unsent = options.unsent;
    this.#settle();
    return this.#finished.promise;
  }

  /** It will never be complete. */
  abandon(reason: unknown): void {
    this.#finished.promise.catch(() => undefined); // nobody may be waiting
    this.#finished.reject(reason);
  }

  #ended(): void {
    this.#underWay -= 1;
    if (this.#endedMs !== null) this.#settle();
  }

  #settle(): void {
    if (this.#underWay > 0 || this.#endedMs === null) return;
    this.#finished.resolve({
      durationMs: this.#endedMs - this.#startedMs,
      answered: this.#puts.total + this.#gets.total,
      errors: Object.fromEntries([...this.#errors].sort()),
      unsent: this.#unsent,
      puts: this.#puts,
      gets: this.#gets,
    });
  }
}
