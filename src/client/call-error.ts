/** What the end of a call or a stream means, as gRPC tells it to its caller. */
import { type ServiceError, status } from '@grpc/grpc-js';
import { KvError } from '../errors.ts';
import { CODE_KEY, fromServiceError } from '../wire/index.ts';

/**
 * The error of a call that was not cancelled here.
 * @returns what wire/ makes of the status, or `connectionLost` where the other side broke the call off
 */
export function callError(error: ServiceError): KvError {
  const translated = fromServiceError(error);
  if (error.metadata.get(CODE_KEY).length > 0) return translated;
  // A server that shuts down hard, or a connection that is reset, shows as a stream reset.
  const isReset = error.code === status.INTERNAL && error.details.includes('RST_STREAM');
  if (error.code === status.CANCELLED || isReset) {
    return new KvError('connectionLost', `the replica broke the call off (${error.details})`, {
      outcome: 'unknown',
      cause: error,
    });
  }
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
