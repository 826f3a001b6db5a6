/**
 * How many requests of one client are under way at once. The others wait here, in order, where giving them up
 * is certain to leave no trace; thousands at once on the wire would only delay each other.
 */
import { KvError } from '../errors.ts';

interface Waiter {
  grant(): void;
}

export class CallSlots {
  readonly #limits: { readonly active: number; readonly waiting: number };
  #active = 0;
  readonly #waiting = new Set<Waiter>();

  constructor(limits: { readonly active: number; readonly waiting: number }) {
    this.#limits = limits;
  }

  /**
   * Runs `work` as soon as a slot is free.
   * @throws KvError `overloaded` if too many wait already, `deadlineExceeded` if the time passes before its turn,
   *   `cancelled` if the signal fires before; all with the outcome `notApplied`
   */
  async run<T>(
    limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
    work: () => Promise<T>,
  ): Promise<T> {
    if (this.#active < this.#limits.active) this.#active += 1;
    else await this.#turn(limits);
    try {
      return await work();
    } finally {
      this.#release();
    }
  }

  /** Resolves when a slot was handed over to the caller. */
  #turn(limits: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<void> {
    if (this.#waiting.size >= this.#limits.waiting) {
      throw notSent('overloaded', `${this.#waiting.size} requests of this client are waiting already`);
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        limits.signal.removeEventListener('abort', onAbort);
        this.#waiting.delete(waiter);
      };
      const waiter: Waiter = {
        grant: () => {
          leave();
          resolve();
        },
      };
      const giveUp = (error: KvError) => {
        leave();
        reject(error);
      };
      const onAbort = () => giveUp(notSent('cancelled', 'the request was cancelled before it was sent'));
      const timer = setTimeout(
        () => giveUp(notSent('deadlineExceeded', 'the deadline passed before the request was sent')),
        limits.timeoutMs,
      );
      limits.signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiter);
    });
  }

  /** Hands the slot to whoever has waited longest. */
  #release(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#active -= 1;
    else next.grant();
  }
}

function notSent(code: 'overloaded' | 'deadlineExceeded' | 'cancelled', message: string): KvError {
  return new KvError(code, message, { outcome: 'notApplied' });
}
