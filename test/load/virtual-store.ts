/** A store and a clock in the hands of a test: time passes when told, answers come after a delay that is set. */
import { setImmediate as settled } from 'node:timers/promises';
import type { LoadClock, Target } from '../../src/load/index.ts';
import { createDeferred } from '../../src/util/deferred.ts';

interface Event {
  readonly atMs: number;
  readonly run: () => void;
}

export class VirtualClock implements LoadClock {
  #nowMs = 0;
  readonly #events: Event[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): void {
    this.#events.push({ atMs: this.#nowMs + delayMs, run: callback });
  }

  /** Lets time pass, event by event in order of time; what an event sets off happens before the next one. */
  async pass(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    for (;;) {
      await settled();
      const due = this.#events.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#events.splice(this.#events.indexOf(due), 1);
      this.#nowMs = due.atMs;
      due.run();
    }
    this.#nowMs = endMs;
  }
}

/** Answers every request after `delayMs`, unless it is stalled: then when the stall is over. */
export class VirtualStore implements Target {
  readonly #clock: VirtualClock;
  delayMs: number;
  stalledUntilMs = 0;
  /** Every request from now on ends with it. */
  error: Error | null = null;
  readonly puts: string[] = [];
  readonly gets: string[] = [];
  underWay = 0;
  mostUnderWay = 0;

  constructor(clock: VirtualClock, delayMs: number) {
    this.#clock = clock;
    this.delayMs = delayMs;
  }

  put(key: Uint8Array, _value: Uint8Array): Promise<void> {
    this.puts.push(Buffer.from(key).toString());
    return this.#answer();
  }

  get(key: Uint8Array): Promise<void> {
    this.gets.push(Buffer.from(key).toString());
    return this.#answer();
  }

  #answer(): Promise<void> {
    const { error } = this;
    if (error !== null) return Promise.reject(error);
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    const answer = createDeferred<void>();
    const delayMs = Math.max(this.delayMs, this.stalledUntilMs - this.#clock.nowMs());
    this.#clock.after(delayMs, () => {
      this.underWay -= 1;
      answer.resolve();
    });
    return answer.promise;
  }
}
