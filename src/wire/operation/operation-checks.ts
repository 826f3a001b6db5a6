/** What an operation may carry: the same checks where it is encoded and where it is read. */
import { KvError } from '../../errors.ts';
import { LIMITS } from '../../kv/index.ts';

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

/** @throws KvError invalidArgument for a multi-get without keys, limitExceeded for one over {@link LIMITS} */
export function checkKeyCount(count: number): void {
  if (count === 0) throw refuse('invalidArgument', 'the multi-get names no key');
  if (count > LIMITS.multiGetKeys) {
    throw refuse('limitExceeded', `the multi-get names more than ${LIMITS.multiGetKeys} keys`);
  }
}

/**
 * What has more bytes fits into no command. Nothing but a multi-get can have so many.
 * @throws KvError limitExceeded over {@link LIMITS}
 */
export function checkOperationBytes(length: number): void {
  if (length <= LIMITS.commandBytes) return;
  throw refuse(
    'limitExceeded',
    `the operation has ${length} bytes; at most ${LIMITS.commandBytes} are allowed: name fewer keys`,
  );
}

/**
 * Checks a request's name (R7.6): 16 bytes of client id, a sequence that is a safe integer ≥ 1, a generation that is one
 * ≥ 0, which is the default.
 * @throws KvError invalidArgument
 */
export function checkRequestName(
  clientBytes: number,
  { sequence, generation = 0 }: { readonly sequence: number; readonly generation?: number },
): void {
  if (clientBytes !== CLIENT_ID_BYTES) {
    throw refuse('invalidArgument', `the client id has ${clientBytes} bytes instead of ${CLIENT_ID_BYTES}`);
  }
  if (!Number.isSafeInteger(sequence) || sequence < 1) {
    throw refuse(
      'invalidArgument',
      `the request's sequence is ${sequence}, not an integer from 1 to 2^53 - 1`,
    );
  }
  if (!Number.isSafeInteger(generation) || generation < 0) {
    throw refuse(
      'invalidArgument',
      `the request's generation is ${generation}, not an integer up to 2^53 - 1`,
    );
  }
}
