/** One unary gRPC call as a promise: with a deadline, an AbortSignal, and errors translated to KvError. */
import { type Client, Metadata, type MethodDefinition, type ServiceError } from '@grpc/grpc-js';
import { KvError } from '../errors.ts';
import { callError } from './call-error.ts';
import type { Connection } from './connection.ts';

/** A method of one request and one response, from the service definitions of wire/. */
export type UnaryMethod<Request, Response> = Pick<
  MethodDefinition<Request, Response>,
  'path' | 'requestSerialize' | 'responseDeserialize'
>;

export interface UnaryCallLimits {
  /** Connecting included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Calls a unary method.
 * @throws KvError: `unreachable` with outcome `notApplied` if there is no connection; otherwise what the replica
 *   answered, or `connectionLost`, `deadlineExceeded` or `cancelled` with outcome `unknown`
 */
export async function unaryCall<Request, Response>(
  connection: Connection,
  method: UnaryMethod<Request, Response>,
  request: Request,
  limits: UnaryCallLimits,
): Promise<Response> {
  const deadlineMs = Date.now() + limits.timeoutMs;
  const client = await connected(connection, limits);
  return new Promise((resolve, reject) => {
    const cancel = () => call.cancel();
    const call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      { deadline: deadlineMs },
      (error: ServiceError | null, response?: Response) => {
        limits.signal.removeEventListener('abort', cancel);
        if (error === null) resolve(response as Response);
        else reject(limits.signal.aborted ? cancelled('unknown') : callError(error));
      },
    );
    limits.signal.addEventListener('abort', cancel, { once: true });
  });
}

/** The client, as soon as there is a connection, or none can be had. */
function connected(connection: Connection, { timeoutMs, signal }: UnaryCallLimits): Promise<Client> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      stopWaiting();
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = () => {
      leave();
      reject(cancelled('notApplied'));
    };
    const stopWaiting = connection.whenSettled((client) => {
      leave();
      resolve(client);
    });
    const timer = setTimeout(() => {
      leave();
      connection.giveUp();
      const message = 'no answer to the attempt to connect';
      reject(new KvError('unreachable', message, { outcome: 'notApplied' }));
    }, timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function cancelled(outcome: 'unknown' | 'notApplied'): KvError {
  return new KvError('cancelled', 'the request was cancelled', { outcome });
}
