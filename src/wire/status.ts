/**
 * Errors on the wire: the one table from our error codes to gRPC statuses, and both directions. The gRPC
 * status is for foreign clients; ours read the code and the outcome from two trailing metadata entries.
 */
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { ERROR_CODES, type ErrorCode, KvError, type Outcome } from '../errors.ts';
import { RPC_LIMITS } from './limits.ts';

/** Trailing metadata: the name of the error. */
export const CODE_KEY = 'epaxos-code';
/** Trailing metadata: whether the request may have taken effect. */
export const OUTCOME_KEY = 'epaxos-outcome';

/** The gRPC status of every error code. */
export const STATUS_OF_CODE: Readonly<Record<ErrorCode, status>> = {
  invalidArgument: status.INVALID_ARGUMENT,
  limitExceeded: status.INVALID_ARGUMENT,
  requestTooOld: status.FAILED_PRECONDITION,
  deadlineExceeded: status.DEADLINE_EXCEEDED,
  noQuorum: status.UNAVAILABLE,
  overloaded: status.RESOURCE_EXHAUSTED,
  unreachable: status.UNAVAILABLE,
  connectionLost: status.UNAVAILABLE,
  shuttingDown: status.UNAVAILABLE,
  cancelled: status.CANCELLED,
  badConfiguration: status.FAILED_PRECONDITION,
  addressInUse: status.FAILED_PRECONDITION,
  dataDirectoryLocked: status.FAILED_PRECONDITION,
  dataDirectoryMismatch: status.FAILED_PRECONDITION,
  storageFailure: status.INTERNAL,
  peerMismatch: status.FAILED_PRECONDITION,
  internal: status.INTERNAL,
};

const OUTCOMES: readonly string[] = ['notApplied', 'unknown', 'none'] satisfies Outcome[];

/** What a server's handler ends its call with. */
export function toServiceError(error: KvError): ServiceError {
  const details = headerText(error.message);
  const metadata = new Metadata();
  metadata.set(CODE_KEY, error.code);
  metadata.set(OUTCOME_KEY, error.outcome);
  const code = STATUS_OF_CODE[error.code];
  return Object.assign(new Error(details), { code, details, metadata });
}

/** What a failed call means: the very error of our server, or a judgement of what gRPC itself says. */
export function fromServiceError(error: StatusObject | ServiceError): KvError {
  const code = error.metadata?.get(CODE_KEY)[0];
  const outcome = error.metadata?.get(OUTCOME_KEY)[0];
  const message = error.details || `gRPC status ${status[error.code] ?? error.code}`;
  const ours = errorOf({ code, outcome, message, cause: error });
  if (ours !== null) return ours;
  const meaning = meaningOfForeign(error);
  return new KvError(meaning.code, message, { outcome: meaning.outcome, cause: error });
}

/** The error that a server of ours names; null if code or outcome are none that we know. */
export function errorOf(named: {
  readonly code: unknown;
  readonly outcome: unknown;
  readonly message: string;
  readonly cause?: unknown;
}): KvError | null {
  const { code, outcome, message, cause } = named;
  return isErrorCode(code) && isOutcome(outcome) ? new KvError(code, message, { outcome, cause }) : null;
}

/** A status without our metadata comes from gRPC itself, here or there, or from somebody else's server. */
function meaningOfForeign({ code, details }: { code: status; details: string }): {
  readonly code: ErrorCode;
  readonly outcome: Outcome;
} {
  switch (code) {
    case status.UNAVAILABLE:
      // Only these say that the call never left; any other may have broken while the replica held the request.
      return /^(No connection established|Name resolution failed)/.test(details)
        ? { code: 'unreachable', outcome: 'notApplied' }
        : { code: 'connectionLost', outcome: 'unknown' };
    case status.DEADLINE_EXCEEDED:
      return { code: 'deadlineExceeded', outcome: 'unknown' };
    case status.CANCELLED:
      // Ours, unless the other side hung up: a server that is stopped ends its calls in this way.
      return details.startsWith('Cancelled on client')
        ? { code: 'cancelled', outcome: 'unknown' }
        : { code: 'connectionLost', outcome: 'unknown' };
    case status.RESOURCE_EXHAUSTED:
      // A request over the size limit. (No answer of ours is that large.) Else HTTP/2 complains of the load.
      return /larger than/.test(details)
        ? { code: 'limitExceeded', outcome: 'notApplied' }
        : { code: 'overloaded', outcome: 'unknown' };
    case status.UNIMPLEMENTED:
      // Whoever answers there does not serve this method.
      return { code: 'internal', outcome: 'notApplied' };
    default:
      return { code: 'internal', outcome: 'unknown' };
  }
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}

function isOutcome(value: unknown): value is Outcome {
  return typeof value === 'string' && OUTCOMES.includes(value);
}

/** Cut to what a header carries; lone surrogates, which cannot be encoded there, are replaced. */
function headerText(message: string): string {
  return message.slice(0, RPC_LIMITS.statusCharacters).replace(/\p{Surrogate}/gu, '\uFFFD');
}
