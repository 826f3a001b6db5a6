/** How long requests may wait. */
import { MAX_REQUEST_MS } from '../kv/index.ts';

/** How long a request may wait, in milliseconds. */
export const TIMEOUTS = {
  /** For a call without a deadline. */
  defaultMs: 5_000,
  /** No request waits longer, whatever its deadline. */
  maxMs: MAX_REQUEST_MS,
  /**
   * How long before the call's deadline the request is given up here, at most, so that the caller learns
   * from us, and not from gRPC, what became of it. Never more than a tenth of the time there is.
   */
  headStartMs: 100,
} as const;
