/** Signals that ask a long-running command to end: the first politely, a later one at once. */

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Copies of one request to stop arrive within this time: a terminal's Ctrl-C goes to the whole process
 * group, and npm passes it on once more. Only what comes later is impatience.
 */
const SAME_REQUEST_MS = 500;

export interface StopHandlers {
  /** The first signal: finish what is under way and end. */
  stop(signal: NodeJS.Signals): void;
  /** A further signal: end now. */
  force(signal: NodeJS.Signals): void;
}

/** Listens until the returned function is called. */
export function onStopSignals(handlers: StopHandlers): () => void {
  let firstMs: number | null = null;
  const listener = (signal: NodeJS.Signals) => {
    const nowMs = performance.now();
    if (firstMs === null) {
      firstMs = nowMs;
      handlers.stop(signal);
    } else if (nowMs - firstMs >= SAME_REQUEST_MS) {
      handlers.force(signal);
    }
  };
  for (const signal of STOP_SIGNALS) process.on(signal, listener);
  return () => {
    for (const signal of STOP_SIGNALS) process.off(signal, listener);
  };
}
