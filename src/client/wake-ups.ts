/**
 * When each open request is to be looked at again: because its deadline may have passed, its endpoint may have
 * fallen silent, or its pause is over. All that are due in the same few milliseconds lie together, so that one
 * timer does for all, adding and removing cost the same however many there are, and a look costs as much as is due.
 */
import type { Request } from './request.ts';

/** How exact it is: a request is looked at up to about so much too late, never too early. */
export const TICK_MS = 10;

export class WakeUps {
  readonly #ticks = new Map<number, Request[]>();
  #size = 0;
  /** The last tick that was taken. */
  #takenTick = 0;

  /** How many requests are to be looked at some time. */
  get size(): number {
    return this.#size;
  }

  /** Has a request looked at then, instead of any time set before. @param atMs on the clock of performance.now() */
  set(request: Request, atMs: number): void {
    const tick = Math.max(Math.ceil(atMs / TICK_MS), this.#takenTick + 1);
    if (request.wakePlace >= 0) {
      if (request.wakeTick === tick) return;
      this.remove(request);
    }
    let due = this.#ticks.get(tick);
    if (due === undefined) {
      due = [];
      this.#ticks.set(tick, due);
    }
    request.wakeTick = tick;
    request.wakePlace = due.length;
    due.push(request);
    this.#size += 1;
  }

  /** No effect if the request is not there. */
  remove(request: Request): void {
    if (request.wakePlace < 0) return;
    const due = this.#ticks.get(request.wakeTick) ?? [];
    const last = due.pop();
    if (last !== undefined && last !== request) {
      due[request.wakePlace] = last;
      last.wakePlace = request.wakePlace;
    }
    request.wakePlace = -1;
    this.#size -= 1;
  }

  /** Takes out those whose time has come. */
  takeDue(nowMs: number): readonly Request[] {
    const tick = Math.floor(nowMs / TICK_MS);
    const due: Request[] = [];
    // After a long pause there are fewer ticks with requests than ticks that have passed.
    const passed = tick - this.#takenTick;
    const ticks =
      passed > this.#ticks.size
        ? [...this.#ticks.keys()].filter((key) => key <= tick).sort((left, right) => left - right)
        : Array.from({ length: passed }, (_, index) => this.#takenTick + 1 + index);
    for (const key of ticks) {
      const requests = this.#ticks.get(key);
      if (requests === undefined) continue;
      this.#ticks.delete(key);
      for (const request of requests) {
        request.wakePlace = -1;
        due.push(request);
      }
    }
    this.#size -= due.length;
    this.#takenTick = Math.max(tick, this.#takenTick);
    return due;
  }

  /** Every request that is there, in no order. */
  all(): readonly Request[] {
    return [...this.#ticks.values()].flat();
  }
}
