/** A client that has always one request under way, and tells how long it went without an answer. */
import { KvError } from '../src/client/index.ts';
import { until } from '../test/support/until.ts';

export class Prober {
  readonly #request: (count: number) => Promise<unknown>;
  readonly #end: Promise<void>;
  #isStopped = false;
  #longestMs = 0;
  #lastMs = performance.now();
  #answered = 0;
  /** Requests that were not answered. */
  readonly failures: KvError[] = [];

  /** Begins at once. @param request sends the next request; rejects with a KvError if it is not answered */
  constructor(request: (count: number) => Promise<unknown>) {
    this.#request = request;
    this.#end = this.#run();
    // A failure is the business of stop(); until then it must not be an unhandled rejection.
    this.#end.catch(() => undefined);
  }

  /** The longest time between two answers since the last call, one that still lasts included. */
  takeLongestMs(): number {
    const longestMs = Math.max(this.#longestMs, performance.now() - this.#lastMs);
    this.#longestMs = 0;
    return longestMs;
  }

  /** Waits until so many more requests were answered. */
  async untilAnswered(count: number): Promise<void> {
    const goal = this.#answered + count;
    await until(`${count} more requests are answered`, () => this.#answered >= goal);
  }

  /** Waits for the request under way. @throws what is no KvError */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#end;
  }

  async #run(): Promise<void> {
    for (let count = 0; !this.#isStopped; count += 1) {
      try {
        await this.#request(count);
      } catch (error) {
        if (!(error instanceof KvError)) throw error;
        this.failures.push(error);
        continue;
      }
      const nowMs = performance.now();
      this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastMs);
      this.#lastMs = nowMs;
      this.#answered += 1;
    }
  }
}
