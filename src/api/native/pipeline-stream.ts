/**
 * One client's stream of requests (Pipeline in proto/epaxos/v1/kv.proto): takes its frames apart, hands the
 * operations to the loop, and sends what was answered in one turn together. It reads only as long as its
 * answers are taken off, so neither waits in memory without bound; a client that takes none off for long is cut off.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { KvError } from '../../errors.ts';
import { isRead, isWrite, type KvOperation, type OperationResult } from '../../kv/index.ts';
import { type Call, type Clock, TIMEOUTS, type Waiter } from '../../node/index.ts';
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
import { answerBytes, noRoom } from '../answer-bytes.ts';
import { asKvError, type KvServiceOptions, patienceMs } from '../gate.ts';
import type { ConnectionBytes } from '../waiting-bytes.ts';

/** About what an encoded error takes, what a frame takes in gRPC beside its bytes, and a request beside those of its frame. */
const ERROR_BYTES = 128;
const FRAME_BYTES = 512;
const REQUEST_BYTES = 128;

export interface PipelineStreamOptions extends KvServiceOptions {
  readonly clock: Clock;
  /** The stream has ended, whoever ended it. Called once. */
  readonly onClosed: () => void;
}

/** A frame that came, or the end of one, while its client took nothing off. */
interface HeldFrame {
  readonly frame: Buffer;
  readonly requests: readonly ReceivedRequest[];
  /** How much of what waits for the client it is. */
  readonly bytes: number;
  readonly sinceMs: number;
}

export class PipelineStream {
  readonly #call: ServerDuplexStream<Buffer, Buffer>;
  readonly #options: PipelineStreamOptions;
  readonly #open = new PagedMap<OpenRequest>();
  #openBytes = 0;
  #answers: PipelineResponse[] = [];
  #answerBytes = 0;
  #isFlushScheduled = false;
  /** What waits for the client's connection, this stream's among it. */
  readonly #connection: ConnectionBytes;
  /** Of the frames that are with gRPC. */
  #unsentBytes = 0;
  /** How many were with it and have left. */
  #sentFrames = 0;
  /** The client does not take its answers off: nothing is taken or sent before it does. */
  #isBlocked = false;
  #blockedAtMs = 0;
  /** What was being read when it blocked. Empty while it is not blocked. */
  #held: HeldFrame[] = [];
  /** gRPC is to read on when it is not blocked any more. */
  #isReadDue = false;
  readonly #read: () => void;
  /** As of the last look. */
  #seenFrames = 0;
  #quietSinceMs: number;
  /** The client sends no more requests. */
  #isHalfClosed = false;
  #isClosed = false;
  /** gRPC has nothing of it any more. */
  #isReleased = false;

  constructor(call: ServerDuplexStream<Buffer, Buffer>, options: PipelineStreamOptions) {
    this.#call = call;
    this.#options = options;
    this.#connection = options.waiting.open(call.getPeer());
    this.#quietSinceMs = options.clock.nowMs();
    this.#read = call._read.bind(call, 1);
    // Not pause(): a paused stream goes on reading until it has 16 messages, of up to 16 MiB each.
    call._read = () => {
      if (this.#isBlocked) this.#isReadDue = true;
      else this.#read();
    };
    call.on('data', (frame: Buffer) => this.#onFrame(frame));
    call.on('end', () => {
      this.#isHalfClosed = true;
      this.#endIfDone();
    });
    call.once('cancelled', () => this.#release());
    this.tellGeneration();
  }

  /** As gRPC names the client. */
  get peer(): string {
    return this.#connection.peer;
  }

  /** So that the client knows under which generation to send (R7.12). One that takes nothing off learns it with its answers. */
  tellGeneration(): void {
    if (!this.#isClosed && !this.#isBlocked) this.#write(this.#frame([]));
  }

  /** Sends the answers that wait, and ends the stream with the error. Open requests are cancelled. */
  end(error: KvError): void {
    if (this.#isClosed) return;
    while (this.#answers.length > 0) this.#write(this.#takeFrame());
    this.#call.emit('error', toServiceError(error));
    this.#close();
  }

  /**
   * Ends the stream if its client has taken nothing for too long, or not all that blocks it: what it sent since might be
   * taken for fresh otherwise. To be called often.
   * @returns whether it did
   */
  look(nowMs: number): boolean {
    if (this.#unsentBytes === 0 || this.#sentFrames !== this.#seenFrames) this.#quietSinceMs = nowMs;
    this.#seenFrames = this.#sentFrames;
    const since = this.#isBlocked ? Math.min(this.#blockedAtMs, this.#quietSinceMs) : this.#quietSinceMs;
    if (this.#isClosed || nowMs - since < this.#options.waiting.limits.stalledMs) return false;
    this.#dropAnswers();
    this.end(new KvError('overloaded', 'the client did not take its answers off', { outcome: 'unknown' }));
    return true;
  }

  #onFrame(frame: Buffer): void {
    if (this.#isClosed) return;
    try {
      this.#takeAll(frame, decodeRequestFrame(frame), 0);
    } catch (reason) {
      this.#fail(reason);
    }
  }

  #fail(reason: unknown): void {
    const { code, message } = asKvError(reason, this.#options.logger);
    this.end(new KvError(code, `the stream cannot go on: ${message}`, { outcome: 'unknown' }));
  }

  /** Takes the requests of a frame, but those that are left when it blocks. @param heldMs for how long they were held */
  #takeAll(frame: Buffer, requests: readonly ReceivedRequest[], heldMs: number): void {
    let taken = 0;
    while (taken < requests.length && !this.#isBlocked) {
      this.#take(frame, requests[taken] as ReceivedRequest, heldMs);
      taken += 1;
      if (this.#answerBytes >= RPC_LIMITS.frameTargetBytes) this.#writeAnswers();
    }
    if (taken < requests.length) this.#hold(frame, requests.slice(taken), heldMs);
    else if (taken > 0) return;
    else if (this.#isBlocked) this.#hold(frame, requests, heldMs);
    else this.#write(this.#frame([], { pong: true }));
  }

  /** @throws KvError overloaded if so much cannot wait */
  #hold(frame: Buffer, requests: readonly ReceivedRequest[], heldMs: number): void {
    const bytes = FRAME_BYTES + frame.length + REQUEST_BYTES * requests.length;
    if (!this.#connection.hasRoom(bytes)) throw noRoom(false);
    this.#connection.add(bytes);
    this.#held.push({ frame, requests, bytes, sinceMs: this.#options.clock.nowMs() - heldMs });
  }

  #takeHeld(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const { frame, requests, bytes, sinceMs } of this.#held.splice(0)) {
      this.#connection.take(bytes);
      try {
        if (!this.#isClosed) this.#takeAll(frame, requests, nowMs - sinceMs);
      } catch (reason) {
        this.#fail(reason);
      }
    }
  }

  /** @throws KvError invalidArgument if the number is in use: then nobody could tell which answer is whose */
  #take(frame: Buffer, request: ReceivedRequest, heldMs: number): void {
    const { id, stale } = request;
    const timeoutMs = (request.timeoutMs === 0 ? TIMEOUTS.defaultMs : patienceMs(request.timeoutMs)) - heldMs;
    if (this.#open.has(id)) throw new KvError('invalidArgument', `two open requests have the number ${id}`);
    let open: OpenRequest | null = null;
    try {
      if (heldMs > 0 && timeoutMs <= 0) throw tooLate();
      this.#checkRoom(request.operation);
      const operation = decodeOperation(frame, request.operation);
      if (stale) {
        this.#respond({ id, result: this.#readStale(operation) }, true);
        return;
      }
      open = new OpenRequest({ id, operation, end: this.#endRequest });
      this.#open.set(id, open);
      this.#openBytes += operation.size;
      open.call = this.#options.node.submit(operation, timeoutMs, open);
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
    const bytes = bytesOf(response);
    // An error takes no less room than an answer without a value.
    if (bytes <= ERROR_BYTES || this.#connection.hasRoom(bytes)) this.#keep(response, bytes);
    else this.#keep({ id: response.id, error: noRoom(isRead) }, ERROR_BYTES);
    if (this.#isFlushScheduled || this.#isBlocked) return;
    this.#isFlushScheduled = true;
    queueMicrotask(() => this.#flush());
  }

  #keep(response: PipelineResponse, bytes: number): void {
    this.#answers.push(response);
    this.#answerBytes += bytes;
    this.#connection.add(bytes);
  }

  #flush(): void {
    this.#isFlushScheduled = false;
    if (this.#isClosed) return;
    this.#writeAnswers();
    this.#endIfDone();
  }

  #writeAnswers(): void {
    while (this.#answers.length > 0 && !this.#isBlocked) this.#write(this.#takeFrame());
  }

  #write(frame: Buffer): void {
    const bytes = frame.length + FRAME_BYTES;
    this.#unsentBytes += bytes;
    this.#connection.add(bytes);
    const { unsentBytes } = this.#options.waiting.limits;
    const goesOn = this.#call.write(frame, () => this.#onSent(bytes)) && this.#unsentBytes < unsentBytes;
    if (goesOn || this.#isBlocked) return;
    this.#isBlocked = true;
    this.#blockedAtMs = this.#options.clock.nowMs();
  }

  /** gRPC is rid of a frame. */
  #onSent(bytes: number): void {
    if (this.#isReleased) return;
    this.#unsentBytes -= bytes;
    this.#connection.take(bytes);
    this.#sentFrames += 1;
    if (this.#isBlocked && this.#unsentBytes === 0 && !this.#isClosed) this.#goOn();
  }

  #goOn(): void {
    this.#isBlocked = false;
    this.#writeAnswers();
    if (!this.#isBlocked && this.#held.length > 0) this.#takeHeld();
    this.#flush();
    if (this.#isBlocked || !this.#isReadDue) return;
    this.#isReadDue = false;
    this.#read();
  }

  /** As many of the answers that wait as make a frame. */
  #takeFrame(): Buffer {
    const answers = this.#answers;
    let bytes = 0;
    let count = 0;
    for (; count < answers.length && bytes < RPC_LIMITS.frameTargetBytes; count++) {
      bytes += bytesOf(answers[count] as PipelineResponse);
    }
    this.#answerBytes -= bytes;
    this.#connection.take(bytes);
    this.#answers = answers.slice(count);
    return this.#frame(this.#answers.length === 0 ? answers : answers.slice(0, count));
  }

  #frame(responses: readonly PipelineResponse[], { pong } = { pong: false }): Buffer {
    return encodeResponseFrame({ responses, generation: this.#options.node.generation, pong });
  }

  #endIfDone(): void {
    const isTaken = this.#held.length === 0 && this.#open.size === 0 && this.#answers.length === 0;
    if (!this.#isHalfClosed || !isTaken || this.#isClosed) return;
    this.#call.end();
    this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { call } of [...this.#open.values()]) if (call !== null) this.#options.node.cancel(call);
    this.#open.clear();
    this.#dropAnswers();
    for (const { bytes } of this.#held.splice(0)) this.#connection.take(bytes);
    this.#options.onClosed();
  }

  /** The call is over, one way or the other. */
  #release(): void {
    this.#close();
    this.#isReleased = true;
    this.#connection.take(this.#unsentBytes);
    this.#connection.close();
  }

  #dropAnswers(): void {
    this.#connection.take(this.#answerBytes);
    this.#answerBytes = 0;
    this.#answers = [];
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

function tooLate(): KvError {
  return new KvError('deadlineExceeded', 'its time was over before the answers ahead of it were taken off', {
    outcome: 'notApplied',
  });
}

function bytesOf(response: PipelineResponse): number {
  return 'result' in response ? answerBytes(response.result) : ERROR_BYTES;
}
