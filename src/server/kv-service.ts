/** The clients' service: makes an operation of a request, waits for its result, and answers. */
import { randomBytes } from 'node:crypto';
import type { handleUnaryCall, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { CLIENT_ID_BYTES, deleteOperation, getOperation, keyToString, putOperation } from '../codec/index.ts';
import { KvError } from '../errors.ts';
import { type KvOperation, MAX_REQUEST_MS, type OperationResult, type RequestId } from '../kv/index.ts';
import {
  type DeleteRequest,
  type DeleteResponse,
  type GetRequest,
  type GetResponse,
  type KeyValue,
  type PutRequest,
  type PutResponse,
  type RequestIdentity,
  toServiceError,
} from '../rpc/index.ts';
import type { Logger } from './logger.ts';
import type { Node } from './node.ts';

/** How long a request may wait, in milliseconds. */
export const TIMEOUTS = {
  /** For a call without a deadline. */
  defaultMs: 5_000,
  /** No request waits longer, whatever its deadline. */
  maxMs: MAX_REQUEST_MS,
  /**
   * How long before the call's deadline the request is given up here, at most, so that the caller learns
   * from us, and not from gRPC, what became of it. Never more than a tenth of the time there is.
   */
  headStartMs: 100,
} as const;

/** The methods of epaxos.v1.KV. */
export interface KvHandlers {
  readonly Put: handleUnaryCall<PutRequest, PutResponse>;
  readonly Get: handleUnaryCall<GetRequest, GetResponse>;
  readonly Delete: handleUnaryCall<DeleteRequest, DeleteResponse>;
}

export interface KvServiceOptions {
  readonly node: Pick<Node, 'submit'>;
  readonly logger: Logger;
}

export function createKvHandlers({ node, logger }: KvServiceOptions): KvHandlers {
  const nameOf = requestNames();

  function answer<Request, Response>(
    call: ServerUnaryCall<Request, Response>,
    callback: sendUnaryData<Response>,
    action: {
      readonly operation: () => KvOperation;
      readonly response: (result: OperationResult) => Response;
    },
  ): void {
    const fail = (reason: unknown) => {
      const error = asKvError(reason);
      if (error.code === 'internal') logger.error({ err: error }, 'a request met a bug');
      callback(toServiceError(error));
    };
    try {
      const submitted = node.submit(action.operation(), timeoutMs(call));
      call.on('cancelled', () => submitted.cancel());
      submitted.result.then((result) => callback(null, action.response(result))).catch(fail);
    } catch (reason) {
      fail(reason);
    }
  }

  return {
    Put: (call, callback) =>
      answer(call, callback, {
        operation: () => putOperation({ ...call.request, ...nameOf(call.request.requestId) }),
        response: (result) => ({ version: result.version, previous: previousRow(result) }),
      }),
    Get: (call, callback) =>
      answer(call, callback, {
        operation: () => getOperation({ key: call.request.key, request: nameOf(null).request }),
        response: ({ value, version }) => ({ found: keyValue(value, version) }),
      }),
    Delete: (call, callback) =>
      answer(call, callback, {
        operation: () => deleteOperation({ ...call.request, ...nameOf(call.request.requestId) }),
        response: (result) => ({ version: result.version, previous: previousRow(result) }),
      }),
  };
}

/** How a write is named: what is left out of a request here is what its operation says about it. */
interface RequestName {
  readonly request: RequestId;
  readonly unrecorded: boolean;
}

/**
 * The request ids of clients as they are; and ids of our own for requests without one. Nobody else knows
 * those, so nobody can repeat such a request, and no answer is kept of it.
 */
function requestNames(): (given: RequestIdentity | null) => RequestName {
  const client = keyToString(randomBytes(CLIENT_ID_BYTES));
  let sequence = 0;
  return (given) => {
    if (given !== null) {
      const request = { client: keyToString(given.client), sequence: given.sequence };
      return { request, unrecorded: false };
    }
    sequence += 1;
    return { request: { client, sequence }, unrecorded: true };
  };
}

function timeoutMs(call: ServerUnaryCall<unknown, unknown>): number {
  const deadline = call.getDeadline();
  const remainingMs = Number(deadline) - Date.now();
  if (remainingMs === Number.POSITIVE_INFINITY) return TIMEOUTS.defaultMs;
  return Math.min(remainingMs - Math.min(TIMEOUTS.headStartMs, remainingMs / 10), TIMEOUTS.maxMs);
}

function previousRow({ value, previousVersion }: OperationResult): KeyValue | null {
  return keyValue(value, previousVersion);
}

function keyValue(value: Uint8Array | null, version: number): KeyValue | null {
  return value === null ? null : { value, version };
}

function asKvError(reason: unknown): KvError {
  if (reason instanceof KvError) return reason;
  const message = reason instanceof Error ? reason.message : String(reason);
  return new KvError('internal', message, { outcome: 'unknown', cause: reason });
}
