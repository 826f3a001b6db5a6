/** The clock port: everything in this folder that waits, waits by it, so that tests and simulations own the time. */

export interface Clock {
  /** Milliseconds since some fixed moment; never goes back, and stands for nothing else. */
  nowMs(): number;
  /** Calls back every `periodMs` until the returned function is called. Late calls are not made up for. */
  every(periodMs: number, callback: () => void): () => void;
  /** Calls back once, after the input that is already waiting has been delivered. */
  soon(callback: () => void): void;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  every(periodMs, callback) {
    const timer = setInterval(callback, periodMs);
    return () => clearInterval(timer);
  },
  soon(callback) {
    setImmediate(callback);
  },
};
