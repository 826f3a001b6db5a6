/** What a command that runs for long prints: nobody may be reading, and that keeps it from nothing. */
import { exitCodeOf } from './exit-codes.ts';
import { type CliIo, note } from './io.ts';

/** How long a command that is done waits for whoever reads what it printed, in milliseconds. */
const READER_PATIENCE_MS = 1000;

/** Prints without being waited for, but for a while at the end. */
export class Announcer {
  readonly #io: CliIo;
  readonly #printing = new Set<Promise<void>>();

  constructor(io: CliIo) {
    this.#io = io;
    io.stderr.on('error', () => undefined); // there is nobody left to tell
  }

  /** A line on standard error. */
  note(line: string): void {
    this.watch(note(this.#io, line));
  }

  /** Takes something that is being printed along. */
  watch(printing: Promise<void>): void {
    const done = printing
      .catch(() => undefined) // as above
      .finally(() => this.#printing.delete(done));
    this.#printing.add(done);
  }

  /** Waits until everything is printed, or nobody reads it. */
  async end(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, READER_PATIENCE_MS);
    });
    await Promise.race([patience, Promise.all(this.#printing)]);
    clearTimeout(timer);
  }

  /** For an error that the program prints next, and then ends: it ends also if nobody reads it. */
  endWith(error: unknown): void {
    if (this.#io.stderr !== process.stderr) return; // whoever brought other streams decides about the process
    setTimeout(() => process.exit(exitCodeOf(error)), READER_PATIENCE_MS).unref();
  }
}
