/** What an operation may carry: the same checks where it is encoded and where it is read. */
import { KvError } from '../errors.ts';
import { LIMITS } from '../kv/index.ts';

/** Bytes of a client's id. */
export const CLIENT_ID_BYTES = 16;

/** The error of an operation that can never be carried out: it has had no effect. */
export function refuse(code: 'invalidArgument' | 'limitExceeded', reason: string): KvError {
  return new KvError(code, reason, { outcome: 'notApplied' });
}

/** @throws KvError invalidArgument for an empty key, limitExceeded for one over {@link LIMITS} */
export function checkKeyBytes(length: number): void {
  if (length === 0) throw refuse('invalidArgument', 'the key is empty');
  if (length > LIMITS.keyBytes) {
    throw refuse('limitExceeded', `the key has ${length} bytes; at most ${LIMITS.keyBytes} are allowed`);
  }
}

/** @throws KvError limitExceeded over {@link LIMITS} */
export function checkValueBytes(length: number): void {
  if (length <= LIMITS.valueBytes) return;
  throw refuse('limitExceeded', `the value has ${length} bytes; at most ${LIMITS.valueBytes} are allowed`);
}

/**
 * Checks a request's name (R7.6): 16 bytes of client id, a sequence that is a safe integer ≥ 1.
 * @throws KvError invalidArgument
 */
export function checkRequestName(name: { readonly clientBytes: number; readonly sequence: number }): void {
  const { clientBytes, sequence } = name;
  if (clientBytes !== CLIENT_ID_BYTES) {
    throw refuse('invalidArgument', `the client id has ${clientBytes} bytes instead of ${CLIENT_ID_BYTES}`);
  }
  if (!Number.isSafeInteger(sequence) || sequence < 1) {
    throw refuse(
      'invalidArgument',
      `the request's sequence is ${sequence}, not an integer from 1 to 2^53 - 1`,
    );
  }
}
