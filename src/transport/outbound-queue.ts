/**
 * The messages that wait for one stream to one peer. What waits together leaves together, in one frame:
 * encoded messages of one lane, one after another, are a frame. When the stream asks its writer to wait,
 * messages wait here, within bounds; beyond them the oldest are dropped. The oldest, because the protocol
 * repeats what was not answered: the newest message is the one that still matters, and a repetition of the
 * dropped one is behind it or on its way.
 */
import { assert } from '../util/assert.ts';
import type { QueueLimits } from './options.ts';

/** The part of a writable stream that is needed. */
export interface FrameWriter {
  /** False: wait for `drain` before the next write. */
  write(frame: Buffer): boolean;
  once(event: 'drain', listener: () => void): unknown;
}

export interface OutboundQueueOptions {
  readonly limits: QueueLimits;
  readonly onDropped: (count: number) => void;
}

export class OutboundQueue {
  readonly #writer: FrameWriter;
  readonly #limits: QueueLimits;
  readonly #onDropped: (count: number) => void;
  /** Waiting messages are those from `#head` on. */
  #messages: Buffer[] = [];
  #head = 0;
  #bytes = 0;
  #blocked = false;
  #closed = false;

  constructor(writer: FrameWriter, options: OutboundQueueOptions) {
    this.#writer = writer;
    this.#limits = options.limits;
    this.#onDropped = options.onDropped;
  }

  /** How many messages wait. */
  get size(): number {
    return this.#messages.length - this.#head;
  }

  /** Adds an encoded message; it leaves with the next {@link flush}, or is dropped and counted. */
  push(message: Buffer): void {
    const { queuedMessages, queuedBytes } = this.#limits;
    if (this.#closed || message.length > queuedBytes) {
      this.#onDropped(1);
      return;
    }
    let dropped = 0;
    while (this.size >= queuedMessages || this.#bytes + message.length > queuedBytes) {
      this.#take();
      dropped++;
    }
    if (dropped > 0) this.#onDropped(dropped);
    this.#messages.push(message);
    this.#bytes += message.length;
  }

  /** Writes what waits, as long as the stream takes it; the rest follows when it drains. */
  flush(): void {
    while (!this.#blocked && !this.#closed && this.size > 0) {
      if (this.#writer.write(this.#nextFrame())) continue;
      this.#blocked = true;
      this.#writer.once('drain', () => {
        this.#blocked = false;
        this.flush();
      });
    }
  }

  /** The stream is gone: what waits is dropped and counted. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.size > 0) this.#onDropped(this.size);
    this.#messages = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  #nextFrame(): Buffer {
    const first = this.#take();
    let length = first.length;
    const parts = [first];
    for (;;) {
      const next = this.#messages[this.#head];
      if (next === undefined || length + next.length > this.#limits.frameTargetBytes) break;
      parts.push(this.#take());
      length += next.length;
    }
    return parts.length === 1 ? first : Buffer.concat(parts, length);
  }

  #take(): Buffer {
    const message = this.#messages[this.#head];
    assert(message, 'taken only while something waits');
    this.#messages[this.#head] = EMPTY; // so that it is not held on to until the array is compacted
    this.#head++;
    this.#bytes -= message.length;
    if (this.#head === this.#messages.length) {
      this.#messages = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT) {
      this.#messages = this.#messages.slice(this.#head);
      this.#head = 0;
    }
    return message;
  }
}

const EMPTY = Buffer.alloc(0);
/** Slots of the array that were taken are freed in steps of this many. */
const COMPACT_AT = 1024;
