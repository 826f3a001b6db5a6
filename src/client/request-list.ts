/** Requests that wait, in order. Any of them can leave at once: a request is in one list at most, and knows its neighbours. */
import { assert } from '../util/assert.ts';

/** What can wait in a list, which owns these fields. */
export interface Listed<T extends Listed<T>> {
  list: RequestList<T> | null;
  before: T | null;
  behind: T | null;
}

export class RequestList<T extends Listed<T>> {
  #head: T | null = null;
  #tail: T | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The one that has waited longest. */
  get head(): T | null {
    return this.#head;
  }

  push(request: T): void {
    assert(request.list === null, 'a request waits in one place only');
    request.list = this;
    request.before = this.#tail;
    if (this.#tail === null) this.#head = request;
    else this.#tail.behind = request;
    this.#tail = request;
    this.#size += 1;
  }

  remove(request: T): void {
    assert(request.list === this, 'a request leaves the list that it waits in');
    const { before, behind } = request;
    if (before === null) this.#head = behind;
    else before.behind = behind;
    if (behind === null) this.#tail = before;
    else behind.before = before;
    request.list = null;
    request.before = null;
    request.behind = null;
    this.#size -= 1;
  }

  /** Takes all of them out. */
  takeAll(): readonly T[] {
    const requests: T[] = [];
    for (let next = this.#head; next !== null; next = this.#head) {
      this.remove(next);
      requests.push(next);
    }
    return requests;
  }
}
