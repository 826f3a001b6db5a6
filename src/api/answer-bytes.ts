/** How much room an answer takes while it waits for its client, and what is said where there is none. */
import { KvError } from '../errors.ts';
import type { OperationResult } from '../kv/index.ts';

/** About what an answer, or a row of one, has beside its value. */
const BESIDE_BYTES = 32;

export function answerBytes({ value, rows }: OperationResult): number {
  let bytes = BESIDE_BYTES + (value?.length ?? 0);
  if (rows !== undefined) for (const row of rows) bytes += BESIDE_BYTES + (row?.value.length ?? 0);
  return bytes;
}

/** In place of an answer. @param isRead a read has had no effect, whatever it found */
export function noRoom(isRead: boolean): KvError {
  return new KvError('overloaded', 'too many answers of this client, or of all, are not taken off', {
    outcome: isRead ? 'notApplied' : 'unknown',
  });
}
