/** Lines of the log that others can make us write as often as they like. */

/** How often one of a kind is told while it goes on, in milliseconds. */
export const REPEAT_MS = 60_000;

interface Repeated {
  /** Since it was told last. */
  count: number;
  /** Of the newest. */
  tell: (count: number) => void;
}

/** Tells the first of a kind at once, and what comes within the next minute as one, with its number. */
export class RepeatedLines {
  readonly #kinds = new Map<string, Repeated>();
  readonly #timers = new Map<string, NodeJS.Timeout>();

  /**
   * @param kind one of a few
   * @param tell writes the line; `count` is how many it stands for
   */
  add(kind: string, tell: (count: number) => void): void {
    const repeated = this.#kinds.get(kind);
    if (repeated !== undefined) {
      repeated.count += 1;
      repeated.tell = tell;
      return;
    }
    tell(1);
    this.#kinds.set(kind, { count: 0, tell });
    this.#timers.set(kind, setInterval(() => this.#tellAgain(kind), REPEAT_MS).unref());
  }

  /** Tells what was not told yet. For the end. */
  close(): void {
    for (const kind of [...this.#kinds.keys()]) {
      this.#tellAgain(kind);
      this.#forget(kind);
    }
  }

  #tellAgain(kind: string): void {
    const repeated = this.#kinds.get(kind);
    if (repeated === undefined) return;
    const { count, tell } = repeated;
    repeated.count = 0;
    if (count === 0) this.#forget(kind);
    else tell(count);
  }

  #forget(kind: string): void {
    clearInterval(this.#timers.get(kind));
    this.#timers.delete(kind);
    this.#kinds.delete(kind);
  }
}
