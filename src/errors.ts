/**
 * The one closed set of operating errors: what can go wrong without anybody having written a bug.
 * A programmer's error is an assertion instead (util/assert.ts).
 */

/**
 * What an error says about the command that met it:
 * `notApplied`: it has had and will have no effect; `unknown`: it may have taken effect or may yet;
 * `none`: the error is not about a command (starting a server, say).
 */
export type Outcome = 'notApplied' | 'unknown' | 'none';

/** Facts about every code; the gRPC status (wire/) and the exit code (cli/) are tables keyed by the same codes. */
export const ERROR_CODES = {
  /** A request that can never succeed as it stands: empty key, bad flag value, malformed bytes. */
  invalidArgument: { retryable: false },
  /** A key, value, batch, answer or message over its named limit. */
  limitExceeded: { retryable: false },
  /** A write was first sent so long ago that what it may have answered then is no longer known. */
  requestTooOld: { retryable: false },
  /** No answer within the caller's deadline, though a replica was reached. */
  deadlineExceeded: { retryable: true },
  /** A majority of replicas cannot be reached, so that nothing can be committed. */
  noQuorum: { retryable: true },
  /** A queue is full; nothing was done. */
  overloaded: { retryable: true },
  /** No replica could be reached at the endpoints given. */
  unreachable: { retryable: true },
  /** The connection to a replica broke while it held the request. */
  connectionLost: { retryable: true },
  /** The replica is stopping and takes no new requests. */
  shuttingDown: { retryable: true },
  /** The caller gave up (AbortSignal, closed connection). */
  cancelled: { retryable: false },
  /** A configuration that cannot be used: bad peer list, unknown key, unreadable file. */
  badConfiguration: { retryable: false },
  /** The listen address cannot be bound. */
  addressInUse: { retryable: false },
  /** Another process has the data directory open. */
  dataDirectoryLocked: { retryable: false },
  /** The data directory belongs to another cluster, replica, cluster size or format version. */
  dataDirectoryMismatch: { retryable: false },
  /** Reading or writing the data directory failed. */
  storageFailure: { retryable: false },
  /** A peer belongs to another cluster, has another configuration, or speaks another protocol version. */
  peerMismatch: { retryable: false },
  /** A bug that was met on the way; the message says where. */
  internal: { retryable: false },
} as const satisfies Record<string, { readonly retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface KvErrorOptions {
  /** Defaults to `none`. */
  readonly outcome?: Outcome;
  readonly cause?: unknown;
}

/** The only error class that the public functions of this project throw or reject with on purpose. */
export class KvError extends Error {
  override readonly name = 'KvError';
  readonly code: ErrorCode;
  readonly outcome: Outcome;

  /** @param message one sentence that says what is wrong and, where possible, what to do */
  constructor(code: ErrorCode, message: string, options: KvErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.outcome = options.outcome ?? 'none';
  }

  /** True if the same request may succeed later or at another replica. */
  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }
}
