/**
 * Signals that ask a long-running command to end: the first politely, a later one at once. They are taken from the first
 * line of the program on, before it knows which command it runs: {@link holdStopSignals}. What has arrived by the time
 * that the command is known goes to the command.
 */

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

/** Listens, and keeps the first signal for handlers that come later. */
class StopListener {
  #handlers: StopHandlers;
  #first: { readonly signal: NodeJS.Signals; readonly atMs: number } | null = null;

  constructor(handlers: StopHandlers) {
    this.#handlers = handlers;
    for (const signal of STOP_SIGNALS) process.on(signal, this.#onSignal);
  }

  /** The first signal that came; null: none. */
  get first(): NodeJS.Signals | null {
    return this.#first?.signal ?? null;
  }

  /** Others take over, and are told of the first signal if it came before. */
  handTo(handlers: StopHandlers): void {
    this.#handlers = handlers;
    if (this.#first !== null) handlers.stop(this.#first.signal);
  }

  close(): void {
    for (const signal of STOP_SIGNALS) process.off(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (this.#first === null) {
      this.#first = { signal, atMs: nowMs };
      this.#handlers.stop(signal);
    } else if (nowMs - this.#first.atMs >= SAME_REQUEST_MS) {
      this.#handlers.force(signal);
    }
  };
}

/** Between {@link holdStopSignals} and whoever takes over. */
let held: StopListener | null = null;

/**
 * From now on the signals do not end the process: the first waits for {@link onStopSignals} or
 * {@link releaseStopSignals}. @param force a further one
 */
export function holdStopSignals(force: StopHandlers['force']): void {
  held ??= new StopListener({ stop: () => undefined, force });
}

/** For a command that may end at any moment: from now on the signals end the process, and so does one that was held. */
export function releaseStopSignals(): void {
  const signal = held?.first ?? null;
  held?.close();
  held = null;
  if (signal !== null) process.kill(process.pid, signal);
}

/** Listens until the returned function is called; a signal that was held is handed over within this call. */
export function onStopSignals(handlers: StopHandlers): () => void {
  const listener = held ?? new StopListener(handlers);
  if (held !== null) listener.handTo(handlers);
  held = null;
  return () => listener.close();
}
