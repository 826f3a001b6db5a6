/**
 * Where log lines go: written at once, as the last line before a crash is the one that matters, but never waited for.
 * Whoever does not read them, and a disk that is full, cost lines and nothing else.
 *
 * Of pino's own destinations (sonic-boom) the synchronous one sleeps until a full pipe is read, and fails with the
 * disk; the other hands each write to a thread of libuv's, and the process cannot end while that waits for a reader.
 */
import { writeSync } from 'node:fs';

export const LOG_LIMITS = {
  /** Bytes of the lines that wait to be written; what comes on top is dropped, and counted. */
  waitingBytes: 1024 * 1024,
  /** After a write that failed, in milliseconds: until the next one. */
  retryMs: 100,
  /** For the lines that still wait when the process ends, in milliseconds. */
  exitMs: 500,
} as const;

/** Writes as much of the bytes as it can. @returns how much; @throws the system's error where nothing can be written now */
export type WriteNow = (bytes: Uint8Array) => number;

export class LogWriter {
  readonly #writeNow: WriteNow;
  readonly #onDropped: (lines: number) => void;
  /** Whole lines, but for the first, of which a part may be written. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #retry: NodeJS.Timeout | null = null;

  /** @param options `onDropped`: told of lines that are missing, where they are missing, once there is room again */
  constructor(options: { readonly writeNow: WriteNow; readonly onDropped: (lines: number) => void }) {
    this.#writeNow = options.writeNow;
    this.#onDropped = options.onDropped;
  }

  write(line: string): void {
    this.#tellDropped();
    const bytes = Buffer.from(line);
    if (this.#waitingBytes + bytes.length > LOG_LIMITS.waitingBytes) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#retry === null) this.#flush();
  }

  /** For the end of the process: waits for whoever reads slowly, but not for long. */
  flushAtExit(): void {
    const giveUpMs = performance.now() + LOG_LIMITS.exitMs;
    const clock = new Int32Array(new SharedArrayBuffer(4));
    while (!this.#writeWaiting() && performance.now() < giveUpMs) Atomics.wait(clock, 0, 0, 10);
  }

  #flush(): void {
    if (this.#writeWaiting()) {
      this.#tellDropped();
    } else {
      this.#retry = setTimeout(() => {
        this.#retry = null;
        this.#flush();
      }, LOG_LIMITS.retryMs).unref();
    }
  }

  /** @returns whether nothing waits any more */
  #writeWaiting(): boolean {
    let written = 0; // whole lines
    try {
      for (let line = this.#waiting[0]; line !== undefined; line = this.#waiting[written]) {
        const bytes = this.#writeNow(line);
        this.#waitingBytes -= bytes;
        if (bytes === line.length) written += 1;
        else this.#waiting[written] = line.subarray(bytes);
      }
      return true;
    } catch {
      return false; // nobody reads (EAGAIN), there is nobody any more (EPIPE), the disk is full (ENOSPC): later
    } finally {
      this.#waiting = this.#waiting.slice(written);
    }
  }

  /** From half of the room on, so that one who reads slowly is not told after each line. */
  #tellDropped(): void {
    if (this.#dropped === 0 || this.#waitingBytes > LOG_LIMITS.waitingBytes / 2) return;
    const lines = this.#dropped;
    this.#dropped = 0;
    this.#onDropped(lines);
  }
}

/** A way to write to standard error that does not wait for its reader. A terminal is waited for. */
export function standardErrorNow(): WriteNow {
  // Node makes a pipe or socket non-blocking when its stream is first asked for.
  const { fd } = process.stderr;
  return (bytes) => writeSync(fd, bytes);
}
