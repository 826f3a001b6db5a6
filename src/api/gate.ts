/** What every request of a client passes, whatever way it comes: how long it may wait, and as what its failure is told. */
import type { Logger } from 'pino';
import { KvError } from '../errors.ts';
import { headStartMs } from '../kv/index.ts';
import { type Node, TIMEOUTS } from '../node/index.ts';
import type { WaitingBytes } from './waiting-bytes.ts';

/** What the services need of the loop. */
export type Submitting = Pick<Node, 'submit' | 'cancel' | 'readStale' | 'generation'>;

/** What the clients' services are made of. */
export interface KvServiceOptions {
  readonly node: Submitting;
  readonly logger: Logger;
  /** What lies in memory for clients. */
  readonly waiting: WaitingBytes;
}

/** How long a request may wait here whose caller waits for `remainingMs` more; see {@link headStartMs}. */
export function patienceMs(remainingMs: number): number {
  return Math.min(remainingMs - headStartMs(remainingMs), TIMEOUTS.maxMs);
}

/** What a request failed with, as an error that can be told to the client. A bug is logged. */
export function asKvError(reason: unknown, logger: Logger): KvError {
  if (reason instanceof KvError) return reason;
  const message = reason instanceof Error ? reason.message : String(reason);
  const error = new KvError('internal', message, { outcome: 'unknown', cause: reason });
  logger.error({ err: error }, 'a request met a bug');
  return error;
}
