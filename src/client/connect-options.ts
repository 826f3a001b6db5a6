/** What a client is told when it is made, and what each call may change. */

/** For every call that names no other time. */
export const DEFAULT_TIMEOUT_MS = 5000;

/** How long a silent endpoint holds a request up before the next one is tried. */
export const DEFAULT_SILENCE_TIMEOUT_MS = 1000;

export interface ConnectOptions {
  /** `host:port` of one or more replicas, in an array or separated by commas. */
  readonly endpoints: string | readonly string[];
  /** The deadline of each call, all its retries included, in milliseconds: at most 60,000; 5000 if absent. */
  readonly timeoutMs?: number;
  /**
   * A request leaves an endpoint that has served nothing for this long and tries the next one; in milliseconds,
   * 1000 if absent. It doubles with each round over the endpoints.
   */
  readonly silenceTimeoutMs?: number;
  /**
   * How long a call is tried while no endpoint takes a connection, in milliseconds from its beginning; then it fails with
   * `unreachable`. 0: each endpoint once. Absent: to its deadline, as replicas may just be starting.
   */
  readonly retryForMs?: number;
  /**
   * Which of the endpoints that serve is used. `nearest`, if absent: the first one at first, then the one with the
   * shortest round trip, measured every few seconds while the client is in use; it moves only if another one is
   * clearly nearer. `first`: the first one, and after a failure the one that stood in for it.
   */
  readonly prefer?: 'nearest' | 'first';
}

export interface CallOptions {
  /** Instead of the client's `timeoutMs`. */
  readonly timeoutMs?: number;
  /** Ends the call with `cancelled`; its outcome tells whether the request may have been applied. */
  readonly signal?: AbortSignal;
}

export interface ReadOptions extends CallOptions {
  /**
   * `linearizable`, if absent: sees every write that was answered before the call. `stale`: one replica's own
   * state, which may be behind by any amount, but is there as long as that replica is.
   */
  readonly level?: 'linearizable' | 'stale';
}

export interface WriteOptions extends CallOptions {
  /** Asks for the row that the write replaced or removed. */
  readonly returnPrevious?: boolean;
}
