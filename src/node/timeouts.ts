/** How long requests may wait. */
import { MAX_REQUEST_MS } from '../kv/index.ts';

/** How long a request may wait, in milliseconds. */
export const TIMEOUTS = {
  /** For a call without a deadline. */
  defaultMs: 5_000,
  /** No request waits longer, whatever its deadline. */
  maxMs: MAX_REQUEST_MS,
} as const;
