/**
 * What clients have begun to send and not finished lies in gRPC, up to the size of a message for each call, and nothing
 * there bounds how many: 1,024 calls of one connection would take 16 GiB. Here it is counted to what waits for the
 * connection, and a call for which there is no more room is refused.
 */
import type { ServerHttp2Stream } from 'node:http2';
import type {
  ServerInterceptingCall,
  ServerInterceptingCallInterface,
  ServerInterceptor,
} from '@grpc/grpc-js';
import type { ConnectionBytes, WaitingBytes } from '../api/index.ts';
import { KvError } from '../errors.ts';
import { assert } from '../util/assert.ts';
import { toServiceError } from '../wire/index.ts';

/** Before the bytes of a message: whether it is compressed, and its length. */
const HEADER_BYTES = 5;

/** Peers are not refused what others take the room for; they are few, and their messages are finished. */
const PEERS = '/epaxos.v1.Replica/';

/** @param onRefused told of a call that was refused, and how much its connection has waiting */
export function countUnfinished(
  waiting: WaitingBytes,
  onRefused: (peer: string, bytes: number) => void,
): ServerInterceptor {
  return ({ path, requestStream }, call) => {
    if (!path.startsWith(PEERS)) new UnfinishedRequest(call, { requestStream, waiting, onRefused });
    return call as ServerInterceptingCall; // gRPC asks no more of it than it does of the call itself
  };
}

class UnfinishedRequest {
  readonly #call: ServerInterceptingCallInterface;
  readonly #stream: ServerHttp2Stream;
  readonly #waiting: WaitingBytes;
  readonly #onRefused: (peer: string, bytes: number) => void;
  /** Null: it waits for the end of the request, not for that of each message. */
  readonly #messages: MessageParts | null;
  readonly #onData = (chunk: Buffer): void => this.#received(chunk);
  /** Null while nothing is unfinished. */
  #connection: ConnectionBytes | null = null;
  #bytes = 0;

  constructor(
    call: ServerInterceptingCallInterface,
    options: {
      readonly requestStream: boolean;
      readonly waiting: WaitingBytes;
      readonly onRefused: (peer: string, bytes: number) => void;
    },
  ) {
    this.#call = call;
    this.#waiting = options.waiting;
    this.#onRefused = options.onRefused;
    this.#messages = options.requestStream ? new MessageParts() : null;
    this.#stream = streamOf(call);
    this.#stream.on('data', this.#onData);
    this.#stream.once('end', () => this.#count(0));
    this.#stream.once('close', () => this.#count(0));
  }

  #received(chunk: Buffer): void {
    const bytes = this.#messages === null ? this.#bytes + chunk.length : this.#messages.add(chunk);
    if (bytes === this.#bytes) return;
    this.#connection ??= this.#waiting.open(this.#call.getPeer());
    if (bytes <= this.#bytes || this.#connection.hasRoom(bytes - this.#bytes)) this.#count(bytes);
    else this.#refuse(this.#connection);
  }

  #count(bytes: number): void {
    const connection = this.#connection;
    if (connection === null) return;
    if (bytes > this.#bytes) connection.add(bytes - this.#bytes);
    else connection.take(this.#bytes - bytes);
    connection.moved();
    this.#bytes = bytes;
    if (bytes > 0) return;
    this.#connection = null;
    connection.close();
  }

  #refuse(connection: ConnectionBytes): void {
    this.#onRefused(connection.peer, connection.bytes);
    this.#stream.off('data', this.#onData);
    const error = new KvError('overloaded', 'too much of this client, or of all, is unfinished', {
      outcome: this.#messages === null ? 'notApplied' : 'unknown',
    });
    // Behind the status; until then, which is for ever if the client reads nothing, what gRPC has of the request counts.
    const close = () => setImmediate(() => this.#stream.close());
    const isAnswered = this.#stream.headersSent;
    this.#call.sendStatus(toServiceError(error));
    if (isAnswered) this.#stream.once('wantTrailers', close);
    else close();
  }
}

/** How much of a stream's messages has come of one that is not complete. */
export class MessageParts {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  /** Of the message that is not complete, its header included. */
  #received = 0;
  /** Known when its header is complete. */
  #length = 0;

  /** @returns the bytes of the message that is not complete behind this chunk; 0: all are */
  add(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length) {
      if (this.#received < HEADER_BYTES) {
        const copied = chunk.copy(this.#header, this.#received, at);
        this.#received += copied;
        at += copied;
        if (this.#received < HEADER_BYTES) break;
        this.#length = HEADER_BYTES + this.#header.readUInt32BE(1);
      }
      const taken = Math.min(this.#length - this.#received, chunk.length - at);
      this.#received += taken;
      at += taken;
      if (this.#received === this.#length) this.#received = 0;
    }
    return this.#received;
  }
}

/** grpc-js does not show it: as of 1.14 there is no other way to see what has come of an unfinished message. */
function streamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  const { stream } = call as { readonly stream?: ServerHttp2Stream };
  assert(stream !== undefined, 'a call of grpc-js has the stream of HTTP/2 that it is on');
  return stream;
}
