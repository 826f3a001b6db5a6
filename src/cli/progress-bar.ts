/** A bar on a terminal that shows how much of a long command is done. */
import type { Writable } from 'node:stream';

const WIDTH = 30;
const REDRAW_INTERVAL_MS = 100;
const CLEAR_LINE = '\r\u001b[K';

export class ProgressBar {
  readonly #terminal: Writable;
  readonly #total: number;
  #drawnMs = Number.NEGATIVE_INFINITY;

  constructor(terminal: Writable, total: number) {
    this.#terminal = terminal;
    this.#total = total;
  }

  /** Draws, unless it was drawn just before. */
  show(done: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#drawnMs < REDRAW_INTERVAL_MS) return;
    this.#drawnMs = nowMs;
    const filled = Math.floor((done / this.#total) * WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
    this.#terminal.write(`${CLEAR_LINE}${bar} ${done} of ${this.#total}`);
  }

  /** Takes the bar away. */
  clear(): void {
    this.#terminal.write(CLEAR_LINE);
  }
}
