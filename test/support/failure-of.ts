/** The error that something ends with, as it must. */
import { KvError } from '../../src/errors.ts';

/** @throws what it ends with if that is no KvError, and an Error if it succeeds */
export async function failureOf(attempt: Promise<unknown>): Promise<KvError> {
  const outcome = await attempt.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  );
  if (outcome instanceof KvError) return outcome;
  throw outcome;
}
