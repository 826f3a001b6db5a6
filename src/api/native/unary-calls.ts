/** The single calls of clients that are under way: each is ended once, with its answer, an error, or what ends all of them. */
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { KvError } from '../../errors.ts';
import { isRead, type KvOperation, type OperationResult } from '../../kv/index.ts';
import type { Call, Waiter } from '../../node/index.ts';
import { answerCall, toServiceError } from '../../wire/index.ts';
import { answerBytes, noRoom } from '../answer-bytes.ts';
import type { KvServiceOptions } from '../gate.ts';
import type { WaitingBytes } from '../waiting-bytes.ts';

/** A call as gRPC hands it over, and what makes its response of a result. */
export interface UnaryCall<Response> {
  readonly call: ServerUnaryCall<unknown, Response>;
  readonly callback: sendUnaryData<Response>;
  readonly responseOf: (result: OperationResult) => Response;
}

export class UnaryCalls {
  readonly #options: KvServiceOptions;
  readonly #open = new Set<Ending>();

  constructor(options: KvServiceOptions) {
    this.#options = options;
  }

  /** Hands an operation to the loop, and ends the call with what becomes of it. @throws KvError as the loop does */
  submit<Response>(unary: UnaryCall<Response>, operation: KvOperation, timeoutMs: number): void {
    const { node, waiting } = this.#options;
    const open = new OpenCall(unary, { operation, waiting, onEnded: (ended) => this.#open.delete(ended) });
    const submitted = node.submit(operation, timeoutMs, open);
    if (submitted === null) return;
    open.submitted = submitted;
    this.#open.add(open);
    unary.call.on('cancelled', () => node.cancel(submitted));
  }

  /** Ends every call with the error, and lets go of its operation. */
  endAll(error: KvError): void {
    for (const open of [...this.#open]) {
      const { submitted } = open;
      open.failed(error);
      if (submitted !== null) this.#options.node.cancel(submitted);
    }
  }
}

/** What of a call has no part in the kind of its response. */
interface Ending {
  readonly submitted: Call | null;
  failed(error: KvError): void;
}

class OpenCall<Response> implements Waiter, Ending {
  submitted: Call | null = null;
  readonly #unary: UnaryCall<Response>;
  readonly #operation: KvOperation;
  readonly #waiting: WaitingBytes;
  readonly #onEnded: (ended: Ending) => void;
  #isEnded = false;

  constructor(
    unary: UnaryCall<Response>,
    parts: {
      readonly operation: KvOperation;
      readonly waiting: WaitingBytes;
      readonly onEnded: (ended: Ending) => void;
    },
  ) {
    this.#unary = unary;
    this.#operation = parts.operation;
    this.#waiting = parts.waiting;
    this.#onEnded = parts.onEnded;
  }

  answered(result: OperationResult): void {
    if (this.#end()) answer(this.#unary, result, { operation: this.#operation, waiting: this.#waiting });
  }

  failed(error: KvError): void {
    if (this.#end()) this.#unary.callback(toServiceError(error));
  }

  #end(): boolean {
    if (this.#isEnded) return false;
    this.#isEnded = true;
    this.#onEnded(this);
    return true;
  }
}

/** Ends a call with its result, which waits until the client takes it; or says that there is no room for it to wait. */
export function answer<Response>(
  { call, callback, responseOf }: UnaryCall<Response>,
  result: OperationResult,
  { operation, waiting }: { readonly operation: KvOperation; readonly waiting: WaitingBytes },
): void {
  if (call.cancelled) return;
  const bytes = answerBytes(result);
  const connection = waiting.open(call.getPeer());
  if (!connection.hasRoom(bytes)) {
    connection.close();
    callback(toServiceError(noRoom(isRead(operation))));
    return;
  }
  connection.add(bytes);
  // Comes at the end of every call, also of one whose answer was taken.
  call.once('cancelled', () => {
    connection.take(bytes);
    connection.close();
  });
  answerCall(call, callback, responseOf(result));
}
