/** A bar on a terminal that shows how much of a long command is done. */
import type { Writable } from 'node:stream';

const WIDTH = 30;
const REDRAW_INTERVAL_MS = 100;
const CLEAR_LINE = '\r\u001b[K';

/** Whether a person sees what is written there. */
export function isTerminal(stream: Writable): boolean {
  return 'isTTY' in stream && stream.isTTY === true;
}

export class ProgressBar {
  readonly #terminal: Writable;
  readonly #total: number;
  readonly #unit: string;
  #drawnMs = Number.NEGATIVE_INFINITY;

  /** @param unit of what is counted; nothing if absent */
  constructor(terminal: Writable, total: number, unit = '') {
    this.#terminal = terminal;
    this.#total = total;
    this.#unit = unit === '' ? '' : ` ${unit}`;
  }

  /** Draws, unless it was drawn just before. */
  show(done: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#drawnMs < REDRAW_INTERVAL_MS) return;
    this.#drawnMs = nowMs;
    const filled = Math.floor((done / this.#total) * WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
    this.#terminal.write(`${CLEAR_LINE}${bar} ${done} of ${this.#total}${this.#unit}`);
  }

  /** Takes the bar away. */
  clear(): void {
    this.#terminal.write(CLEAR_LINE);
  }
}
