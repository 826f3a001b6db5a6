/** The clients' service, one call a request: makes an operation of it, waits for its result, and answers. */
import { randomBytes } from 'node:crypto';
import type { handleBidiStreamingCall, handleUnaryCall, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type {
  ClientKind,
  GetOperation,
  KvOperation,
  MultiGetOperation,
  OperationResult,
  ReadOperation,
} from '../../kv/index.ts';
import { TIMEOUTS } from '../../node/index.ts';
import {
  CLIENT_ID_BYTES,
  type DeleteRequest,
  type DeleteResponse,
  decodeOperation,
  encodeDelete,
  encodeGet,
  encodeMultiGet,
  encodePut,
  type GetRequest,
  type GetResponse,
  type KeyValue,
  type MultiGetRequest,
  type MultiGetResponse,
  type PutRequest,
  type PutResponse,
  type RequestIdBytes,
  toServiceError,
} from '../../wire/index.ts';
import { asKvError, type KvServiceOptions, patienceMs } from '../gate.ts';
import type { PipelineService } from './pipeline-service.ts';
import { answer, type UnaryCalls } from './unary-calls.ts';

/** A method for each kind of operation that clients may ask for: the compiler asks for that of a new one. */
type MethodOfEachKind = { readonly [Name in Capitalize<ClientKind>]: (...call: never[]) => void };

/** The methods of epaxos.v1.KV. */
export interface KvHandlers extends MethodOfEachKind {
  readonly Put: handleUnaryCall<PutRequest, PutResponse>;
  readonly Get: handleUnaryCall<GetRequest, GetResponse>;
  readonly MultiGet: handleUnaryCall<MultiGetRequest, MultiGetResponse>;
  readonly Delete: handleUnaryCall<DeleteRequest, DeleteResponse>;
  readonly Pipeline: handleBidiStreamingCall<Buffer, Buffer>;
}

export function createKvHandlers(
  options: KvServiceOptions,
  { pipeline, calls }: { readonly pipeline: PipelineService; readonly calls: UnaryCalls },
): KvHandlers {
  const { node, logger, waiting } = options;
  const nameOf = requestNames();

  /** Hands the call's operation to the loop, and ends the call with what becomes of it. */
  function submit<Request, Response>(
    call: ServerUnaryCall<Request, Response>,
    callback: sendUnaryData<Response>,
    { operationOf, responseOf }: Conversion<Request, Response>,
  ): void {
    attempt(callback, () =>
      calls.submit({ call, callback, responseOf }, operationOf(call.request), patienceOf(call)),
    );
  }

  /** The same for a call that may ask for the table as it is: that is answered at once. */
  function read<Request extends { readonly stale?: boolean }, Response>(
    call: ServerUnaryCall<Request, Response>,
    callback: sendUnaryData<Response>,
    conversion: Conversion<Request, Response, ReadOperation>,
  ): void {
    if (call.request.stale !== true) return submit(call, callback, conversion);
    attempt(callback, () => {
      const operation = conversion.operationOf(call.request);
      const { responseOf } = conversion;
      answer({ call, callback, responseOf }, node.readStale(operation), { operation, waiting });
    });
  }

  function attempt(callback: sendUnaryData<never>, action: () => void): void {
    try {
      action();
    } catch (reason) {
      callback(toServiceError(asKvError(reason, logger)));
    }
  }

  const written = ({ version, value, previousVersion }: OperationResult) => ({
    version,
    previous: keyValue(value, previousVersion),
    generation: node.generation,
  });
  const put: Conversion<PutRequest, PutResponse> = {
    operationOf({ key, value, returnPrevious, requestId }) {
      const { client, sequence, generation, unrecorded } = nameOf(requestId);
      return decodeOperation(
        encodePut({ client, sequence, generation, unrecorded, key, value, returnPrevious }),
      );
    },
    responseOf: written,
  };
  const get: Conversion<GetRequest, GetResponse, ReadOperation> = {
    operationOf({ key }) {
      const { client, sequence } = nameOf(null);
      return decodeOperation(encodeGet({ client, sequence, key })) as GetOperation;
    },
    responseOf: ({ value, version }) => ({
      found: keyValue(value, version),
      generation: node.generation,
    }),
  };
  const multiGet: Conversion<MultiGetRequest, MultiGetResponse, ReadOperation> = {
    operationOf({ keys }) {
      const { client, sequence } = nameOf(null);
      return decodeOperation(encodeMultiGet({ client, sequence, keys })) as MultiGetOperation;
    },
    responseOf: ({ rows = [] }) => ({
      entries: rows.map((found) => ({ found })),
      generation: node.generation,
    }),
  };
  const remove: Conversion<DeleteRequest, DeleteResponse> = {
    operationOf({ key, returnPrevious, requestId }) {
      const { client, sequence, generation, unrecorded } = nameOf(requestId);
      return decodeOperation(encodeDelete({ client, sequence, generation, unrecorded, key, returnPrevious }));
    },
    responseOf: written,
  };

  return {
    Put: (call, callback) => submit(call, callback, put),
    Get: (call, callback) => read(call, callback, get),
    MultiGet: (call, callback) => read(call, callback, multiGet),
    Delete: (call, callback) => submit(call, callback, remove),
    Pipeline: (call) => pipeline.serve(call),
  };
}

/** What a method makes of its request, and of its result. */
interface Conversion<Request, Response, Operation = KvOperation> {
  /** @throws KvError with the outcome notApplied */
  readonly operationOf: (request: Request) => Operation;
  readonly responseOf: (result: OperationResult) => Response;
}

/** How an operation is named: what is left out of a request here is what its operation says about it. */
interface RequestName extends RequestIdBytes {
  readonly generation: number;
  readonly unrecorded: boolean;
}

/**
 * The request ids of clients as they are; and ids of our own for requests without one. Nobody else knows
 * those, so nobody can repeat such a request, and no answer is kept of it.
 */
function requestNames(): (given: RequestIdBytes | null) => RequestName {
  const client = randomBytes(CLIENT_ID_BYTES);
  let last = 0;
  return (given) => {
    if (given !== null) {
      const { client, sequence, generation = 0 } = given;
      return { client, sequence, generation, unrecorded: false };
    }
    last += 1;
    return { client, sequence: last, generation: 0, unrecorded: true };
  };
}

function patienceOf(call: ServerUnaryCall<unknown, unknown>): number {
  const deadline = call.getDeadline();
  return deadline === Number.POSITIVE_INFINITY
    ? TIMEOUTS.defaultMs
    : patienceMs(Number(deadline) - Date.now());
}

function keyValue(value: Uint8Array | null, version: number): KeyValue | null {
  return value === null ? null : { value, version };
}
