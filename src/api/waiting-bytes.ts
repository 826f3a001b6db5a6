/**
 * What lies in memory for clients, in bytes: answers that they do not read, requests that they do not finish. Counted for
 * each connection and for all, so that no client takes more than its share (WAITING_LIMITS in wire/limits.ts). A
 * connection that takes nothing for long is cut off; and where all is full, the one that has held the most all the time.
 */
import type { Clock } from '../node/index.ts';
import { WAITING_LIMITS, type WaitingLimits } from '../wire/index.ts';

/** So often it is looked for connections to cut off, in milliseconds. */
export const LOOK_MS = 1_000;

/** Why something was cut off: nothing was taken for long, or it held the most of all that may wait. */
export type Cut = 'stalled' | 'most';

export interface WaitingBytesOptions {
  readonly clock: Clock;
  /** Closes the connection. @param peer as gRPC names it @param bytes how much waits for it */
  readonly onCut: (cut: Cut, peer: string, bytes: number) => void;
  /** Defaults to {@link WAITING_LIMITS}. */
  readonly limits?: WaitingLimits;
}

export class WaitingBytes {
  readonly limits: WaitingLimits;
  readonly #options: WaitingBytesOptions;
  readonly #connections = new Map<string, ConnectionBytes>();
  /** Null while there is nothing to look at. */
  #stopLooking: (() => void) | null = null;
  /** Of all connections. */
  total = 0;
  /** Something found no room in the total since the last look. */
  isFull = false;

  constructor(options: WaitingBytesOptions) {
    this.#options = options;
    this.limits = options.limits ?? WAITING_LIMITS;
  }

  /**
   * The connection of a call. To be closed when nothing of the call waits any more.
   * @param peer as the call's getPeer() names it
   */
  open(peer: string): ConnectionBytes {
    let connection = this.#connections.get(peer);
    if (connection === undefined) {
      const { clock } = this.#options;
      connection = new ConnectionBytes(peer, this, clock.nowMs());
      this.#connections.set(peer, connection);
      this.#stopLooking ??= clock.every(LOOK_MS, () => this.#look());
    }
    connection.users += 1;
    return connection;
  }

  /** Only for the connection itself: nobody uses it any more. */
  forget(connection: ConnectionBytes): void {
    this.#connections.delete(connection.peer);
    if (this.#connections.size > 0) return;
    this.#stopLooking?.();
    this.#stopLooking = null;
  }

  #look(): void {
    const { clock, onCut } = this.#options;
    const nowMs = clock.nowMs();
    let most: ConnectionBytes | null = null;
    for (const connection of [...this.#connections.values()]) {
      if (connection.quietMs(nowMs) >= this.limits.stalledMs + this.limits.graceMs) {
        connection.restart(nowMs);
        onCut('stalled', connection.peer, connection.bytes);
      }
      if (most === null || connection.least > most.least) most = connection;
    }
    if (this.isFull && most !== null && most.least > 0) onCut('most', most.peer, most.bytes);
    this.isFull = false;
    for (const connection of this.#connections.values()) connection.least = connection.bytes;
  }
}

/** What waits for one connection. */
export class ConnectionBytes {
  readonly peer: string;
  readonly #all: WaitingBytes;
  bytes = 0;
  /** The least since the last look: who reads comes down between. */
  least = 0;
  /** Calls that have it open. */
  users = 0;
  #hasMoved = false;
  /** Since when nothing has moved, though something waits. */
  #quietSinceMs: number;

  constructor(peer: string, all: WaitingBytes, nowMs: number) {
    this.peer = peer;
    this.#all = all;
    this.#quietSinceMs = nowMs;
  }

  /** Whether so much more may wait. */
  hasRoom(bytes: number): boolean {
    if (this.bytes + bytes > this.#all.limits.connectionBytes) return false;
    if (this.#all.total + bytes <= this.#all.limits.totalBytes) return true;
    this.#all.isFull = true;
    return false;
  }

  add(bytes: number): void {
    this.bytes += bytes;
    this.#all.total += bytes;
  }

  /** So much waits no more: it was taken, or is dropped. */
  take(bytes: number): void {
    this.bytes -= bytes;
    this.#all.total -= bytes;
    if (this.bytes < this.least) this.least = this.bytes;
    this.#hasMoved = true;
  }

  /** More of something unfinished has come: it is not quiet. */
  moved(): void {
    this.#hasMoved = true;
  }

  /** As many times as it was opened, when what was added has been taken. */
  close(): void {
    this.users -= 1;
    if (this.users === 0) this.#all.forget(this);
  }

  /** For how long nothing has moved, though something waits; as seen from one look to the next. */
  quietMs(nowMs: number): number {
    if (this.#hasMoved || this.bytes === 0) this.restart(nowMs);
    return nowMs - this.#quietSinceMs;
  }

  restart(nowMs: number): void {
    this.#hasMoved = false;
    this.#quietSinceMs = nowMs;
  }
}
