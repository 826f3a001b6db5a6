/** Virtual time: what is to happen, in order of its time, and in order of scheduling where times are equal. */

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

function precedes(left: Event, right: Event): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}

/** A binary heap of events. */
export class EventQueue {
  /** Virtual milliseconds since the start. */
  nowMs = 0;
  readonly #heap: Event[] = [];
  #scheduled = 0;

  /** @param delayMs ≥ 0 */
  after(delayMs: number, action: () => void): void {
    this.#scheduled += 1;
    const event = { atMs: this.nowMs + delayMs, order: this.#scheduled, action };
    let index = this.#heap.length;
    this.#heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      const above = this.#heap[parent];
      if (above === undefined || !precedes(event, above)) break;
      this.#heap[index] = above;
      index = parent;
    }
    this.#heap[index] = event;
  }

  /** Moves time to the next event and makes it happen. False if there is none. */
  step(): boolean {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) return false;
    if (this.#heap.length > 0) this.#sink(last);
    this.nowMs = first.atMs;
    first.action();
    return true;
  }

  #sink(event: Event): void {
    const heap = this.#heap;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      let below = heap[child];
      if (below === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && precedes(right, below)) {
        below = right;
        child += 1;
      }
      if (!precedes(below, event)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = event;
  }
}
