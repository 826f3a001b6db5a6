/** What a load is put on, and the clock it goes by. */

/** One client of a store. Both reject with a KvError, whose code is counted. */
export interface Target {
  put(key: Uint8Array, value: Uint8Array): Promise<unknown>;
  get(key: Uint8Array): Promise<unknown>;
}

/** Time, as the load sees it; tests bring their own. */
export interface LoadClock {
  /** Milliseconds since some fixed moment; never goes back. */
  nowMs(): number;
  /** Calls back once, after at least so many milliseconds. */
  after(delayMs: number, callback: () => void): void;
}

/** The machine's own clock. */
export const systemLoadClock: LoadClock = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => void setTimeout(callback, delayMs),
};
