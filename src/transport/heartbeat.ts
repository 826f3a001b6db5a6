/**
 * Judges one connection by its heartbeats: when to ping, how long the round trip takes, and when the peer
 * has been silent for too long. It reads no clock: every call says what time it is (monotonic milliseconds).
 */

export interface HeartbeatOptions {
  readonly intervalMs: number;
  /** A peer that was silent for longer than this, once it has answered, is quiet. */
  readonly silenceMs: number;
  /** Silence for longer than this, once the peer has answered, ends the connection. */
  readonly hangUpMs: number;
  /** The same until the first answer. */
  readonly connectTimeoutMs: number;
  readonly nowMs: number;
}

/** So many round trips are remembered: two seconds of them. */
const REMEMBERED = 8;

/** `ping`: send this one; `wait`: nothing to do; `silent`: give the connection up. */
export type Beat =
  | { readonly type: 'ping'; readonly sequence: number }
  | { readonly type: 'wait' }
  | { readonly type: 'silent'; readonly forMs: number };

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #sentAtMs = new Map<number, number>();
  /** The last round trips, the newest last. */
  readonly #roundTripsMs: number[] = [];
  #sequence = 0;
  #answered = false;
  #lastBeatMs: number;
  #lastHeardMs: number;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#lastBeatMs = options.nowMs;
    this.#lastHeardMs = options.nowMs;
  }

  /** True once the peer has answered a ping. */
  get answered(): boolean {
    return this.#answered;
  }

  /** True while a peer that has answered before has been silent for too long to be counted on. */
  isQuiet(nowMs: number): boolean {
    return this.#answered && nowMs - this.#lastHeardMs > this.#options.silenceMs;
  }

  /** Called about every `intervalMs`. */
  beat(nowMs: number): Beat {
    const { intervalMs, silenceMs, hangUpMs, connectTimeoutMs } = this.#options;
    const allowedMs = this.#answered ? hangUpMs : connectTimeoutMs;
    const lateMs = nowMs - this.#lastBeatMs - intervalMs;
    this.#lastBeatMs = nowMs;
    if (lateMs > silenceMs / 2) {
      // We were the one who was paused: answers may be waiting unread. The peer gets its full time again.
      this.#lastHeardMs = nowMs;
      this.#sentAtMs.clear();
    }
    const silentMs = nowMs - this.#lastHeardMs;
    if (silentMs > allowedMs) return { type: 'silent', forMs: silentMs };
    // Until the first answer one ping is enough: more would only pile up in a connection that is not there yet.
    if (!this.#answered && this.#sequence > 0) return { type: 'wait' };
    this.#sequence++;
    // The first answer waits for the connection too, so it says nothing about the round trip.
    if (this.#answered) this.#sentAtMs.set(this.#sequence, nowMs);
    return { type: 'ping', sequence: this.#sequence };
  }

  /** Something arrived on this connection. */
  heard(nowMs: number): void {
    this.#lastHeardMs = nowMs;
  }

  /**
   * An answer arrived. Returns the least of the last round trips, in milliseconds, so that a busy process is not taken
   * for a long way; or null where this answer tells none.
   */
  pong(sequence: number, nowMs: number): number | null {
    this.heard(nowMs);
    this.#answered = true;
    const sentAtMs = this.#sentAtMs.get(sequence);
    for (const earlier of this.#sentAtMs.keys()) {
      if (earlier > sequence) break;
      this.#sentAtMs.delete(earlier);
    }
    if (sentAtMs === undefined) return null;
    this.#roundTripsMs.push(nowMs - sentAtMs);
    if (this.#roundTripsMs.length > REMEMBERED) this.#roundTripsMs.shift();
    return Math.min(...this.#roundTripsMs);
  }
}
