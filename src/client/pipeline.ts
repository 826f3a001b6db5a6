/**
 * One stream of requests to one replica. Requests that are made in the same turn of the event loop leave
 * together in one frame; when gRPC asks its writer to wait, they wait here, where they are certain not to have
 * left. The answers come in any order. The stream is good or is given up as a whole.
 *
 * A write is sent under the newest generation that is known (R7.12). The replica tells its own before anything else, so
 * the first write of a client waits here for that.
 */
import { type Client, type ClientDuplexStream, Metadata, type ServiceError } from '@grpc/grpc-js';
import { KvError } from '../errors.ts';
import type { OperationResult } from '../kv/index.ts';
import { PagedMap } from '../util/paged-map.ts';
import { decodeResponseFrame, encodeRequestFrame, kvService, type ResponseFrame } from '../wire/index.ts';
import { callError } from './call-error.ts';
import { nowMs } from './clock.ts';
import type { Request } from './request.ts';
import type { RequestIds } from './request-ids.ts';
import { RequestList } from './request-list.ts';

/** Operations are put into frames of about so many bytes, and so many at most; a larger one goes alone. */
const FRAME_BYTES = 64 * 1024;
const FRAME_REQUESTS = 4096;

/** None is called from within a method of the pipeline, but for `flush`, and none after {@link Pipeline.close}. */
export interface PipelineEvents {
  /** Any request was served, also one that is not waited for any more. Called before `onResult`. */
  onServed(): void;
  onResult(request: Request, result: OperationResult): void;
  onError(request: Request, error: KvError): void;
  /** The request's time was over before it was sent. */
  onExpired(request: Request): void;
  /** It has taken what was held back. */
  onTaken(): void;
  onRoundTrip(roundTripMs: number): void;
  /** The stream ended by itself. Each of its requests fails right after, in order. */
  onEnd(): void;
}

export class Pipeline {
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #events: PipelineEvents;
  readonly #ids: RequestIds;
  /** Not sent yet. */
  readonly #queue = new RequestList<Request>();
  /** Sent, by id, in order. */
  readonly #open = new PagedMap<Request>();
  #lastId = 0;
  #isFlushDue = false;
  #isBlocked = false;
  #isOver = false;
  /** Null: no ping is under way. */
  #pingedAtMs: number | null = null;

  /** @param client its connection stands, or cannot be had: then the stream ends at once and says why */
  constructor(client: Client, ids: RequestIds, events: PipelineEvents) {
    const { path, requestSerialize, responseDeserialize } = kvService.Pipeline;
    this.#ids = ids;
    this.#events = events;
    this.#stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata());
    this.#stream.on('data', (frame: Buffer) => this.#onFrame(frame));
    this.#stream.on('drain', () => {
      this.#isBlocked = false;
      this.#events.onTaken();
      this.#flush();
    });
    this.#stream.on('error', (error: ServiceError) => this.#end(callError(error)));
    this.#stream.on('end', () => {
      this.#end(new KvError('connectionLost', 'the replica ended the stream', { outcome: 'unknown' }));
    });
  }

  send(request: Request): void {
    this.#queue.push(request);
    this.#flushSoon();
  }

  /** Sends now what would be sent at the end of this turn; what is late already is told as expired. */
  flush(): void {
    if (this.#isFlushDue) this.#flush();
  }

  /** Lets go of a request; its answer is ignored. @returns whether it had left */
  takeBack(request: Request): 'queued' | 'sent' {
    if (request.list === this.#queue) {
      this.#queue.remove(request);
      return 'queued';
    }
    if (this.#open.get(request.id) === request) this.#open.delete(request.id);
    return 'sent';
  }

  /** Measures a round trip, unless one is being measured or the stream takes nothing. */
  ping(): void {
    if (this.#isOver || this.#isBlocked || this.#pingedAtMs !== null) return;
    this.#pingedAtMs = nowMs();
    this.#write(encodeRequestFrame([]));
  }

  /** Ends the stream. Its requests are the caller's. Idempotent. */
  close(): void {
    this.#isOver = true;
    this.#stream.cancel();
  }

  #flushSoon(): void {
    if (this.#isFlushDue || this.#isBlocked) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    const atMs = nowMs();
    while (this.#canSend(this.#queue.head) && !this.#isBlocked && !this.#isOver) {
      const requests = this.#nextRequests(atMs);
      if (requests.length > 0) this.#write(encodeRequestFrame(requests));
    }
  }

  /** False also for a write as long as it has no generation to be sent in. */
  #canSend(request: Request | null): request is Request {
    return request !== null && (this.#ids.generation > 0 || !request.mutates);
  }

  #write(frame: Buffer): void {
    if (!this.#stream.write(frame)) this.#isBlocked = true;
  }

  /** What makes the next frame; nothing if all that waited is late: this process may have stood still. */
  #nextRequests(atMs: number): readonly Request[] {
    const requests: Request[] = [];
    let bytes = 0;
    for (let next = this.#queue.head; this.#canSend(next); next = this.#queue.head) {
      if (next.deadlineMs <= atMs) {
        this.#queue.remove(next);
        this.#events.onExpired(next);
        continue;
      }
      next.refresh(this.#ids);
      bytes += next.operation.length;
      if (requests.length > 0 && (bytes > FRAME_BYTES || requests.length === FRAME_REQUESTS)) break;
      this.#queue.remove(next);
      this.#lastId += 1;
      next.id = this.#lastId;
      next.timeoutMs = Math.ceil(next.deadlineMs - atMs);
      this.#open.set(next.id, next);
      next.hasLeft = true;
      requests.push(next);
    }
    return requests;
  }

  #onFrame(frame: Buffer): void {
    if (this.#isOver) return;
    let decoded: ResponseFrame;
    try {
      decoded = decodeResponseFrame(frame);
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      this.close();
      this.#fail(
        new KvError('internal', `not understood: ${error.message}`, { outcome: 'unknown', cause: error }),
      );
      return;
    }
    const { responses, generation, pong } = decoded;
    const isFirst = this.#ids.generation === 0;
    this.#ids.learn(generation);
    if (isFirst) this.#flushSoon(); // what waited for it
    if (pong) this.#onPong();
    let isServed = false;
    for (const response of responses) {
      const request = this.#open.get(response.id);
      if ('error' in response) {
        if (request === undefined) continue;
        this.#open.delete(response.id);
        this.#events.onError(request, response.error);
        continue;
      }
      if (!isServed) this.#events.onServed();
      isServed = true;
      if (request === undefined) continue;
      this.#open.delete(response.id);
      this.#events.onResult(request, response.result);
    }
  }

  #onPong(): void {
    if (this.#pingedAtMs === null) return;
    const roundTripMs = nowMs() - this.#pingedAtMs;
    this.#pingedAtMs = null;
    this.#events.onRoundTrip(roundTripMs);
  }

  #end(error: KvError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#fail(error);
  }

  #fail(error: KvError): void {
    const sent = [...this.#open.values()];
    this.#open.clear();
    const queued = this.#queue.takeAll();
    this.#events.onEnd();
    for (const request of sent) this.#events.onError(request, error);
    if (queued.length === 0) return;
    const neverLeft = new KvError(error.code, error.message, { outcome: 'notApplied', cause: error });
    for (const request of queued) this.#events.onError(request, neverLeft);
  }
}
