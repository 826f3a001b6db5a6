/** One unary gRPC call as a promise: with a deadline, an AbortSignal, and errors translated to KvError. */
import { type Client, Metadata, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { KvError } from '../errors.ts';
import { CODE_KEY, fromServiceError } from '../rpc/index.ts';

/** A method of one request and one response, from the service definitions of rpc/. */
export type UnaryMethod<Request, Response> = Pick<
  MethodDefinition<Request, Response>,
  'path' | 'requestSerialize' | 'responseDeserialize'
>;

export interface UnaryCallLimits {
  /** Milliseconds since the epoch. grpc-js itself never gives up, so there is always one. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/**
 * Calls a unary method.
 * @throws KvError as rpc/ translates the status; `cancelled` only if the signal has fired
 */
export function unaryCall<Request, Response>(
  client: Client,
  method: UnaryMethod<Request, Response>,
  request: Request,
  limits: UnaryCallLimits,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const cancel = () => call.cancel();
    const call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      { deadline: limits.deadlineMs },
      (error: ServiceError | null, response?: Response) => {
        limits.signal.removeEventListener('abort', cancel);
        if (error !== null) reject(errorOf(error, limits.signal));
        else resolve(response as Response);
      },
    );
    limits.signal.addEventListener('abort', cancel, { once: true });
  });
}

/** The error of a call, with what only its caller can tell: whether it was cancelled here or broken off over there. */
function errorOf(error: ServiceError, signal: AbortSignal): KvError {
  const isFromReplica = error.metadata.get(CODE_KEY).length > 0;
  // A server that shuts down hard, or a connection that is reset, shows as a stream reset.
  const isCancelledThere = error.code === status.CANCELLED && !signal.aborted;
  const isReset = error.code === status.INTERNAL && error.details.includes('RST_STREAM');
  if (!isFromReplica && (isCancelledThere || isReset)) {
    return new KvError('connectionLost', `the replica broke the call off (${error.details})`, {
      outcome: 'unknown',
      cause: error,
    });
  }
  const translated = fromServiceError(error);
  if (isFromReplica) return translated;
  const { code, outcome } = translated;
  if (code === 'unreachable')
    return new KvError(code, connectFailure(error.details), { outcome, cause: error });
  if (code === 'deadlineExceeded') return new KvError(code, 'no answer in time', { outcome, cause: error });
  return translated;
}

/** The system's own words out of grpc-js's: "connect ECONNREFUSED 127.0.0.1:7001". */
function connectFailure(details: string): string {
  return (
    /Last error: (?:Error: )?(?<reason>.+?)\.? Resolution note:/.exec(details)?.groups?.reason ?? details
  );
}
