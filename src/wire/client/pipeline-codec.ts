/**
 * The frames of the clients' stream (RequestFrame and ResponseFrame of proto/epaxos/v1/kv.proto), encoded and
 * decoded by hand: they are made and read for every operation, many in a frame.
 */

import { KvError } from '../../errors.ts';
import type { OperationResult, Row } from '../../kv/index.ts';
import { malformed } from '../check.ts';
import { RPC_LIMITS } from '../limits.ts';
import {
  bytesTag,
  type Extent,
  fieldLength,
  integerTag,
  varintLength,
  WireReader,
  writeBytes,
  writeInteger,
} from '../protobuf.ts';
import { errorOf } from '../status.ts';
import { integerLength, readRow, rowLength, writeIntegerUnlessZero, writeRow } from './key-value.ts';

/** One request of a frame, but for its operation. */
interface RequestHead {
  /** A safe integer ≥ 0, the client's choice: no other request that is open on the stream has it. */
  readonly id: number;
  /** How long the client waits, from when the request arrives, up to 2^32 − 1; 0: as long as the replica would. */
  readonly timeoutMs: number;
  /** Answer a get or multi-get from the replica's own table, which may be behind. */
  readonly stale: boolean;
}

/** One request of a frame, as it is sent. */
export interface PipelineRequest extends RequestHead {
  /** An encoded operation (wire/operation/operation.ts). */
  readonly operation: Uint8Array;
}

/** The same as it was received. */
export interface ReceivedRequest extends RequestHead {
  /** Where in the frame it is. It is not looked into. */
  readonly operation: Extent;
}

/** How the request of that number ended. */
export type PipelineResponse =
  | { readonly id: number; readonly result: OperationResult }
  | { readonly id: number; readonly error: KvError };

/** What a replica sends. */
export interface ResponseFrame {
  readonly responses: readonly PipelineResponse[];
  /** The present generation of request ids there, ≥ 1. */
  readonly generation: number;
  /** Whether it answers a frame without requests. */
  readonly pong: boolean;
}

/** The first field of both frames. */
const ELEMENT = bytesTag(1);
const FRAME = { generation: integerTag(2), pong: integerTag(3) };

const REQUEST = { id: integerTag(1), timeoutMs: integerTag(2), operation: bytesTag(3), stale: integerTag(4) };
const RESPONSE = {
  id: integerTag(1),
  version: integerTag(2),
  value: bytesTag(3),
  previousVersion: integerTag(4),
  failure: bytesTag(5),
  rows: bytesTag(6),
};
const FAILURE = { code: bytesTag(1), outcome: bytesTag(2), message: bytesTag(3) };

const NOWHERE: Extent = { start: 0, end: 0 };

export function encodeRequestFrame(requests: readonly PipelineRequest[]): Buffer {
  let size = 0;
  for (const request of requests) size += fieldLength(requestLength(request));
  const frame = Buffer.allocUnsafe(size);
  let at = 0;
  for (const request of requests) at = writeRequest(frame, at, request);
  return frame;
}

/**
 * The inverse of {@link encodeRequestFrame}.
 * @throws KvError invalidArgument if the bytes are no such frame, limitExceeded over {@link RPC_LIMITS}.frameRequests
 */
export function decodeRequestFrame(bytes: Buffer): ReceivedRequest[] {
  const reader = new WireReader(bytes, 'RequestFrame');
  const requests: ReceivedRequest[] = [];
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag !== ELEMENT) {
      reader.skip(tag);
      continue;
    }
    if (requests.length === RPC_LIMITS.frameRequests) {
      throw new KvError('limitExceeded', `a frame has more than ${RPC_LIMITS.frameRequests} requests`);
    }
    const outer = reader.enter();
    requests.push(readRequest(reader));
    reader.leave(outer);
  }
  return requests;
}

/** The messages of errors are cut to {@link RPC_LIMITS}.statusCharacters. */
export function encodeResponseFrame({ responses, generation, pong }: ResponseFrame): Buffer {
  let size = integerLength(generation) + integerLength(Number(pong));
  for (const response of responses) size += fieldLength(responseLength(response));
  const frame = Buffer.allocUnsafe(size);
  let at = 0;
  for (const response of responses) at = writeResponse(frame, at, response);
  at = writeIntegerUnlessZero(frame, at, FRAME.generation, generation);
  writeIntegerUnlessZero(frame, at, FRAME.pong, Number(pong));
  return frame;
}

/**
 * The inverse of {@link encodeResponseFrame}. Values are views of `bytes`. A failure that this program does not
 * know the name of is read as `internal` with the outcome `unknown`.
 * @throws KvError invalidArgument if the bytes are no such frame
 */
export function decodeResponseFrame(bytes: Buffer): ResponseFrame {
  const reader = new WireReader(bytes, 'ResponseFrame');
  const responses: PipelineResponse[] = [];
  let generation = 0;
  let pong = false;
  while (!reader.isDone) {
    const tag = reader.varint();
    switch (tag) {
      case ELEMENT: {
        const outer = reader.enter();
        responses.push(readResponse(reader));
        reader.leave(outer);
        break;
      }
      case FRAME.generation:
        generation = reader.varint();
        break;
      case FRAME.pong:
        pong = reader.bool();
        break;
      default:
        reader.skip(tag);
    }
  }
  return { responses, generation: checked(generation), pong };
}

function requestLength({ id, timeoutMs, operation, stale }: PipelineRequest): number {
  return 2 + varintLength(id) + varintLength(timeoutMs) + fieldLength(operation.length) + (stale ? 2 : 0);
}

function writeRequest(frame: Buffer, position: number, request: PipelineRequest): number {
  let at = writeInteger(frame, position, ELEMENT, requestLength(request));
  at = writeInteger(frame, at, REQUEST.id, request.id);
  at = writeInteger(frame, at, REQUEST.timeoutMs, request.timeoutMs);
  at = writeBytes(frame, at, REQUEST.operation, request.operation);
  return request.stale ? writeInteger(frame, at, REQUEST.stale, 1) : at;
}

function readRequest(reader: WireReader): ReceivedRequest {
  let id = 0;
  let timeoutMs = 0;
  let operation = NOWHERE;
  let stale = false;
  while (!reader.isDone) {
    const tag = reader.varint();
    switch (tag) {
      case REQUEST.id:
        id = reader.varint();
        break;
      case REQUEST.timeoutMs:
        timeoutMs = reader.varint();
        break;
      case REQUEST.operation:
        operation = reader.extent();
        break;
      case REQUEST.stale:
        stale = reader.bool();
        break;
      default:
        reader.skip(tag);
    }
  }
  return { id: checked(id), timeoutMs, operation, stale };
}

function responseLength(response: PipelineResponse): number {
  const id = 1 + varintLength(response.id);
  if ('error' in response) return id + fieldLength(failureLength(response.error));
  const { version, value, previousVersion, rows } = response.result;
  return (
    id +
    integerLength(version) +
    (value === null ? 0 : fieldLength(value.length)) +
    integerLength(previousVersion) +
    (rows === undefined ? 0 : rowsLength(rows))
  );
}

function rowsLength(rows: readonly (Row | null)[]): number {
  let length = 0;
  for (const row of rows) length += fieldLength(rowLength(row));
  return length;
}

function writeResponse(frame: Buffer, position: number, response: PipelineResponse): number {
  let at = writeInteger(frame, position, ELEMENT, responseLength(response));
  at = writeInteger(frame, at, RESPONSE.id, response.id);
  if ('error' in response) return writeFailure(frame, at, response.error);
  const { version, value, previousVersion, rows } = response.result;
  at = writeIntegerUnlessZero(frame, at, RESPONSE.version, version);
  if (value !== null) at = writeBytes(frame, at, RESPONSE.value, value);
  at = writeIntegerUnlessZero(frame, at, RESPONSE.previousVersion, previousVersion);
  if (rows !== undefined) for (const row of rows) at = writeRow(frame, at, RESPONSE.rows, row);
  return at;
}

function readResponse(reader: WireReader): PipelineResponse {
  let id = 0;
  let version = 0;
  let value: Uint8Array | null = null;
  let previousVersion = 0;
  let rows: (Row | null)[] | null = null;
  let error: KvError | null = null;
  while (!reader.isDone) {
    const tag = reader.varint();
    switch (tag) {
      case RESPONSE.id:
        id = reader.varint();
        break;
      case RESPONSE.version:
        version = reader.varint();
        break;
      case RESPONSE.value:
        value = reader.bytes();
        break;
      case RESPONSE.previousVersion:
        previousVersion = reader.varint();
        break;
      case RESPONSE.failure:
        error = readFailure(reader);
        break;
      case RESPONSE.rows:
        rows ??= [];
        rows.push(checkedRow(readRow(reader)));
        break;
      default:
        reader.skip(tag);
    }
  }
  checked(id);
  if (error !== null) return { id, error };
  const result = { version: checked(version), value, previousVersion: checked(previousVersion) };
  return { id, result: rows === null ? result : { ...result, rows } };
}

function failureLength(error: KvError): number {
  return (
    fieldLength(error.code.length) +
    fieldLength(error.outcome.length) +
    fieldLength(Buffer.byteLength(messageOf(error)))
  );
}

function writeFailure(frame: Buffer, position: number, error: KvError): number {
  let at = writeInteger(frame, position, RESPONSE.failure, failureLength(error));
  at = writeBytes(frame, at, FAILURE.code, Buffer.from(error.code));
  at = writeBytes(frame, at, FAILURE.outcome, Buffer.from(error.outcome));
  return writeBytes(frame, at, FAILURE.message, Buffer.from(messageOf(error)));
}

function readFailure(reader: WireReader): KvError {
  let code = '';
  let outcome = '';
  let message = '';
  const outer = reader.enter();
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === FAILURE.code) code = reader.text('utf8');
    else if (tag === FAILURE.outcome) outcome = reader.text('utf8');
    else if (tag === FAILURE.message) message = reader.text('utf8');
    else reader.skip(tag);
  }
  reader.leave(outer);
  return (
    errorOf({ code, outcome, message }) ??
    new KvError('internal', `${code}: ${message}`, { outcome: 'unknown' })
  );
}

function messageOf({ message }: KvError): string {
  return message.slice(0, RPC_LIMITS.statusCharacters);
}

function checkedRow(row: Row | null): Row | null {
  if (row !== null) checked(row.version);
  return row;
}

function checked(value: number): number {
  if (!Number.isSafeInteger(value)) throw malformed('a number is larger than 2^53 - 1');
  return value;
}
