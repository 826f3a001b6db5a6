/**
 * How many ticks one beat of the loop's timer stands for. While nothing is under way a tick does next to nothing, but
 * waking the process for it costs: so when that has lasted for a while, the timer beats rarely, and each beat
 * stands for the ticks that were slept through. Messages and requests wake the loop as ever, and the first thing that
 * is under way brings back a beat for every tick.
 */

export interface GaitOptions {
  /** So many ticks in a row without anything under way, and it rests. */
  readonly afterTicks: number;
  /** What a beat stands for then; 1: it never rests. */
  readonly restTicks: number;
}

/** The quiet time before it rests, in ticks. */
const AFTER_TICKS = 50;

/** The time between two beats at rest, in milliseconds: soon enough for a peer to hear what it has missed (R9.1). */
const REST_MS = 250;

/** Of a server. @param tickMs the period of its ticks, in milliseconds */
export function gaitFor(tickMs: number): GaitOptions {
  return { afterTicks: AFTER_TICKS, restTicks: Math.max(1, Math.floor(REST_MS / tickMs)) };
}

export class Gait {
  readonly #options: GaitOptions;
  /** How many ticks have come since something was under way. */
  #quietTicks = 0;

  constructor(options: GaitOptions) {
    this.#options = options;
  }

  /** What the next beat stands for. */
  get ticks(): number {
    const { afterTicks, restTicks } = this.#options;
    return this.#quietTicks >= afterTicks ? restTicks : 1;
  }

  /**
   * To be told of every turn of the loop.
   * @param turn.ticked whether a beat came before it @param turn.isQuiet whether it has left nothing under way
   * @returns whether {@link ticks} has changed
   */
  turned({ ticked, isQuiet }: { readonly ticked: boolean; readonly isQuiet: boolean }): boolean {
    const before = this.ticks;
    if (!isQuiet) this.#quietTicks = 0;
    else if (ticked) this.#quietTicks = Math.min(this.#quietTicks + 1, this.#options.afterTicks);
    return this.ticks !== before;
  }
}
