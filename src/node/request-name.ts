/** What a client's operation must be named before it is taken. */
import { KvError } from '../errors.ts';
import { isControl, isRecorded, type KvOperation } from '../kv/index.ts';

/**
 * Whether a generation fits is decided where the request is executed, and nowhere else (R7.12): a client may have learned
 * one that has not begun here. But a write whose answer is kept must name one, and to end one is not for clients.
 * @param generation the present one here @throws KvError invalidArgument, outcome notApplied
 */
export function checkName(operation: KvOperation, generation: number): void {
  if (isControl(operation)) {
    throw new KvError('invalidArgument', 'only replicas end a generation', { outcome: 'notApplied' });
  }
  if (!isRecorded(operation) || operation.request.generation > 0) return;
  throw new KvError(
    'invalidArgument',
    `the request id names no generation: the present one is ${generation}; name that when a request is first sent, and ` +
      'keep the whole id in every retry',
    { outcome: 'notApplied' },
  );
}
