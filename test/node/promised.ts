/** Requests as promises, for tests: the server itself calls back. */
import type { KvOperation, OperationResult } from '../../src/kv/index.ts';
import type { Node } from '../../src/node/node.ts';
import type { Waiter } from '../../src/node/pending.ts';
import { createDeferred } from '../../src/util/deferred.ts';

/** A waiter, and what it hears. */
export function promisedAnswer(): { readonly waiter: Waiter; readonly result: Promise<OperationResult> } {
  const { promise, resolve, reject } = createDeferred<OperationResult>();
  return { waiter: { answered: resolve, failed: reject }, result: promise };
}

/** Submits an operation. @throws what the node throws */
export function submit(
  node: Pick<Node, 'submit' | 'cancel'>,
  operation: KvOperation,
  timeoutMs: number,
): { readonly result: Promise<OperationResult>; cancel(): void } {
  const { waiter, result } = promisedAnswer();
  const call = node.submit(operation, timeoutMs, waiter);
  return {
    result,
    cancel: () => {
      if (call !== null) node.cancel(call);
    },
  };
}
