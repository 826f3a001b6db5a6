/** Answers of executed operations as bytes (R7.6). */
import type { OperationResult } from '../kv/index.ts';
import { checkCount } from './check.ts';
import { messageType } from './schema.ts';

// An answer is encoded as it is: the message has the very shape of OperationResult.
const answerType = messageType<OperationResult>('StoredAnswer');

export function encodeAnswer(result: OperationResult): Buffer {
  return answerType.encode(result);
}

/**
 * The inverse of {@link encodeAnswer}. The value is a view of `bytes`, which must not be changed afterwards.
 * @throws KvError invalidArgument
 */
export function decodeAnswer(bytes: Uint8Array): OperationResult {
  const { version, value, previousVersion } = answerType.decode(bytes);
  return {
    version: checkCount(version, 'the version'),
    value,
    previousVersion: checkCount(previousVersion, 'the previous version'),
  };
}
