/** The exit codes of the program, and the one table from errors to them. */
import { CommanderError } from 'commander';
import { type ErrorCode, KvError } from '../errors.ts';

export const EXIT = {
  ok: 0,
  error: 1,
  cannotConnect: 2,
  badInput: 3,
  notFound: 4,
  compareFailed: 5,
  outcomeUnknown: 6,
  usage: 64,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const BY_ERROR_CODE: Readonly<Record<ErrorCode, ExitCode>> = {
  invalidArgument: EXIT.badInput,
  limitExceeded: EXIT.badInput,
  requestTooOld: EXIT.error,
  deadlineExceeded: EXIT.error,
  noQuorum: EXIT.error,
  overloaded: EXIT.error,
  unreachable: EXIT.cannotConnect,
  connectionLost: EXIT.cannotConnect,
  shuttingDown: EXIT.cannotConnect,
  cancelled: EXIT.error,
  badConfiguration: EXIT.badInput,
  addressInUse: EXIT.error,
  dataDirectoryLocked: EXIT.error,
  dataDirectoryMismatch: EXIT.error,
  storageFailure: EXIT.error,
  peerMismatch: EXIT.error,
  internal: EXIT.error,
};

/**
 * The exit code for anything that ended a command. A write that may have been applied is
 * `outcomeUnknown` whatever went wrong: a script must look before it tries again.
 */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof KvError) {
    return error.outcome === 'unknown' ? EXIT.outcomeUnknown : BY_ERROR_CODE[error.code];
  }
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    // The shape of the command line is usage; a value that does not fit is input.
    return error.code === 'commander.invalidArgument' ? EXIT.badInput : EXIT.usage;
  }
  return EXIT.error;
}
