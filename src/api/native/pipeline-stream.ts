/**
 * One client's stream of requests (Pipeline in proto/epaxos/v1/kv.proto): takes its frames apart, hands the
 * operations to the loop, and sends what was answered in one turn together. It reads only as long as its
 * answers are taken off, so neither waits in memory without bound.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { KvError } from '../../errors.ts';
import { isRead, isWrite, type KvOperation, type OperationResult, type Row } from '../../kv/index.ts';
import { type Call, TIMEOUTS, type Waiter } from '../../node/index.ts';
import { PagedMap } from '../../util/paged-map.ts';
import {
  decodeOperation,
  decodeRequestFrame,
  type Extent,
  encodeResponseFrame,
  type PipelineResponse,
  type ReceivedRequest,
  RPC_LIMITS,
  toServiceError,
} from '../../wire/index.ts';
import { asKvError, type KvServiceOptions, patienceMs } from '../gate.ts';

/** Bytes of values in the answers of one stream that its client does not take off. */
export const UNTAKEN_ANSWER_BYTES = 64 * 1024 * 1024;

/** About what an answer, or a row of one, has beside its value. */
const ANSWER_BYTES = 32;
const NO_ROWS: readonly Row[] = [];

export interface PipelineStreamOptions extends KvServiceOptions {
  /** The stream has ended, whoever ended it. Called once. */
  readonly onClosed: () => void;
}

export class PipelineStream {
  readonly #call: ServerDuplexStream<Buffer, Buffer>;
  readonly #options: PipelineStreamOptions;
  readonly #open = new PagedMap<OpenRequest>();
  #openBytes = 0;
  #answers: PipelineResponse[] = [];
  #answerBytes = 0;
  #isFlushScheduled = false;
  /** The client does not take its answers off: nothing is read or sent before it does. */
  #isBlocked = false;
  /** The client sends no more requests. */
  #isHalfClosed = false;
  #isClosed = false;

  constructor(call: ServerDuplexStream<Buffer, Buffer>, options: PipelineStreamOptions) {
    this.#call = call;
    this.#options = options;
    call.on('data', (frame: Buffer) => this.#onFrame(frame));
    call.on('drain', () => this.#onDrain());
    call.on('end', () => {
      this.#isHalfClosed = true;
      this.#endIfDone();
    });
    call.on('cancelled', () => this.#close());
    this.tellGeneration();
  }

  /** So that the client knows under which generation to send (R7.12). One that takes nothing off learns it with its answers. */
  tellGeneration(): void {
    if (!this.#isClosed && !this.#isBlocked) this.#write(this.#frame([]));
  }

  /** Sends the answers that wait, and ends the stream with the error. Open requests are cancelled. */
  end(error: KvError): void {
    if (this.#isClosed) return;
    while (this.#answers.length > 0) this.#call.write(this.#takeFrame());
    this.#call.emit('error', toServiceError(error));
    this.#close();
  }

  #onFrame(frame: Buffer): void {
    if (this.#isClosed) return;
    try {
      const requests = decodeRequestFrame(frame);
      if (requests.length === 0) this.#write(this.#frame([], { pong: true }));
      for (const request of requests) this.#take(frame, request);
    } catch (reason) {
      const { code, message } = asKvError(reason, this.#options.logger);
      this.end(new KvError(code, `the stream cannot go on: ${message}`, { outcome: 'unknown' }));
    }
  }

  /** @throws KvError invalidArgument if the number is in use: then nobody could tell which answer is whose */
  #take(frame: Buffer, request: ReceivedRequest): void {
    const { id, timeoutMs, stale } = request;
    if (this.#open.has(id)) throw new KvError('invalidArgument', `two open requests have the number ${id}`);
    let open: OpenRequest | null = null;
    try {
      this.#checkRoom(request.operation);
      const operation = decodeOperation(frame, request.operation);
      if (stale) {
        this.#respond({ id, result: this.#readStale(operation) }, true);
        return;
      }
      open = new OpenRequest({ id, operation, end: this.#endRequest });
      this.#open.set(id, open);
      this.#openBytes += operation.size;
      open.call = this.#options.node.submit(
        operation,
        timeoutMs === 0 ? TIMEOUTS.defaultMs : patienceMs(timeoutMs),
        open,
      );
    } catch (reason) {
      const error = asKvError(reason, this.#options.logger);
      if (open === null) this.#respond({ id, error: refusal(error) }, true);
      else this.#endRequest(open, { id, error });
    }
  }

  #checkRoom({ start, end }: Extent): void {
    const { streamRequests, streamBytes } = RPC_LIMITS;
    if (this.#open.size < streamRequests && this.#openBytes + end - start <= streamBytes) return;
    throw new KvError('overloaded', 'too many requests of this stream are waiting; try again', {
      outcome: 'notApplied',
    });
  }

  #readStale(operation: KvOperation): OperationResult {
    if (isRead(operation)) return this.#options.node.readStale(operation);
    throw new KvError('invalidArgument', 'only a get or a multi-get can be stale', { outcome: 'notApplied' });
  }

  readonly #endRequest = (open: OpenRequest, response: PipelineResponse): void => {
    this.#open.delete(open.id);
    this.#openBytes -= open.operation.size;
    this.#respond(response, !isWrite(open.operation));
  };

  /** Keeps an answer for the frame that is sent when everything that is answered now has been. */
  #respond(response: PipelineResponse, isRead: boolean): void {
    if (this.#isClosed) return;
    const bytes = valueBytes(response);
    if (bytes > 0 && this.#answerBytes + bytes > UNTAKEN_ANSWER_BYTES) {
      const error = new KvError('overloaded', 'too many answers of this stream are not taken off', {
        outcome: isRead ? 'notApplied' : 'unknown',
      });
      this.#answers.push({ id: response.id, error });
    } else {
      this.#answers.push(response);
      this.#answerBytes += bytes;
    }
    if (this.#isFlushScheduled || this.#isBlocked) return;
    this.#isFlushScheduled = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushScheduled = false;
    if (this.#isClosed) return;
    while (this.#answers.length > 0 && !this.#isBlocked) this.#write(this.#takeFrame());
    this.#endIfDone();
  }

  #write(frame: Buffer): void {
    if (this.#call.write(frame) || this.#isBlocked) return;
    this.#isBlocked = true;
    this.#call.pause();
  }

  #onDrain(): void {
    if (!this.#isBlocked) return;
    this.#isBlocked = false;
    this.#flush();
    if (!this.#isBlocked) this.#call.resume();
  }

  /** As many of the answers that wait as make a frame. */
  #takeFrame(): Buffer {
    const answers = this.#answers;
    let bytes = 0;
    let count = 0;
    let ofValues = 0;
    for (; count < answers.length && bytes < RPC_LIMITS.frameTargetBytes; count++) {
      const answer = answers[count] as PipelineResponse;
      const value = valueBytes(answer);
      ofValues += value;
      bytes += ANSWER_BYTES * (1 + rowsOf(answer).length) + value;
    }
    this.#answerBytes -= ofValues;
    this.#answers = answers.slice(count);
    return this.#frame(this.#answers.length === 0 ? answers : answers.slice(0, count));
  }

  #frame(responses: readonly PipelineResponse[], { pong } = { pong: false }): Buffer {
    return encodeResponseFrame({ responses, generation: this.#options.node.generation, pong });
  }

  #endIfDone(): void {
    const isDone = this.#isHalfClosed && this.#open.size === 0 && this.#answers.length === 0;
    if (!isDone || this.#isClosed) return;
    this.#call.end();
    this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { call } of [...this.#open.values()]) if (call !== null) this.#options.node.cancel(call);
    this.#open.clear();
    this.#answers = [];
    this.#options.onClosed();
  }
}

/** A request that waits for its answer. */
class OpenRequest implements Waiter {
  readonly id: number;
  readonly operation: KvOperation;
  /** Null before it is submitted. */
  call: Call | null = null;
  readonly #end: (open: OpenRequest, response: PipelineResponse) => void;

  constructor(parts: {
    readonly id: number;
    readonly operation: KvOperation;
    readonly end: (open: OpenRequest, response: PipelineResponse) => void;
  }) {
    this.id = parts.id;
    this.operation = parts.operation;
    this.#end = parts.end;
  }

  answered(result: OperationResult): void {
    this.#end(this, { id: this.id, result });
  }

  failed(error: KvError): void {
    this.#end(this, { id: this.id, error });
  }
}

/** Bytes that are no operation were not applied. */
function refusal(error: KvError): KvError {
  return error.outcome === 'none' ? new KvError(error.code, error.message, { outcome: 'notApplied' }) : error;
}

function valueBytes(response: PipelineResponse): number {
  if (!('result' in response)) return 0;
  const { value, rows } = response.result;
  let bytes = value?.length ?? 0;
  if (rows !== undefined) for (const row of rows) bytes += row?.value.length ?? 0;
  return bytes;
}

function rowsOf(response: PipelineResponse): readonly (Row | null)[] {
  return 'result' in response ? (response.result.rows ?? NO_ROWS) : NO_ROWS;
}
