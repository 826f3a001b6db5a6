/** What one request may carry, and how long it may take. */

/** Named limits on what one request may carry; over them a request is refused with `limitExceeded`. */
export const LIMITS = {
  /** Bytes of a key; a key has at least one. */
  keyBytes: 4 * 1024,
  /** Bytes of a value; a value may be empty. */
  valueBytes: 1024 * 1024,
  /** Bytes of all operations in one command, and so of one operation: the keys of a multi-get count together. */
  commandBytes: 4 * 1024 * 1024,
  /** Keys of one multi-get; there is at least one. A key that is named twice counts twice. */
  multiGetKeys: 1024,
  /** Bytes of the values in the answer of one multi-get. */
  answerBytes: 4 * 1024 * 1024,
} as const;

/**
 * The longest that a request may take, its retries included, in milliseconds: by then it is answered or given up. No
 * generation is shorter (R7.13), so what is sent under the present one is never too old in that time.
 */
export const MAX_REQUEST_MS = 60_000;

/**
 * How long before its caller's deadline a replica gives a request up, so that the caller learns from it what became of
 * the request: a tenth of the time there is, but not less than two ticks, and of very little time one half.
 * @param remainingMs what is left of the caller's time, in milliseconds; so is the result, at most 100
 */
export function headStartMs(remainingMs: number): number {
  return Math.min(100, Math.max(remainingMs / 10, Math.min(20, remainingMs / 2)));
}
