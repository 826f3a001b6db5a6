/** The timer of the loop: it beats for every tick, or at rest for many (gait.ts). */
import type { Clock } from './clock.ts';
import { Gait, gaitFor } from './gait.ts';

export interface TickerOptions {
  readonly clock: Clock;
  /** The period of the ticks, in milliseconds. */
  readonly tickMs: number;
  readonly onBeat: () => void;
}

export class Ticker {
  readonly #options: TickerOptions;
  readonly #gait: Gait;
  #stopTimer: (() => void) | null = null;

  constructor(options: TickerOptions) {
    this.#options = options;
    this.#gait = new Gait(gaitFor(options.tickMs));
  }

  /** How many ticks the last beat stands for. */
  get ticks(): number {
    return this.#gait.ticks;
  }

  start(): void {
    const { clock, tickMs, onBeat } = this.#options;
    this.#stopTimer = clock.every(this.#gait.ticks * tickMs, onBeat);
  }

  stop(): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
  }

  /** From now on it beats for every tick, until there have been many quiet turns. */
  rouse(): void {
    this.turned({ ticked: false, isQuiet: false });
  }

  /** To be told of every turn; see {@link Gait.turned}. */
  turned(turn: Parameters<Gait['turned']>[0]): void {
    if (!this.#gait.turned(turn) || this.#stopTimer === null) return;
    this.stop();
    this.start();
  }
}
