/**
 * Answers to single calls with the headers that gRPC asks for and no others. grpc-js and Node.js add a date, what
 * they know of compression, though none is used, and a message that says OK. Each is a string more that a client in Node.js
 * must make, and its garbage collector look after.
 */
import { Metadata, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';

/** Takes headers out of those that would be sent: one without values is left out. */
class Without extends Metadata {
  readonly #headers: ReturnType<Metadata['toHttp2Headers']>;

  constructor(...names: string[]) {
    super();
    this.#headers = Object.fromEntries(names.map((name) => [name, []]));
  }

  override toHttp2Headers(): ReturnType<Metadata['toHttp2Headers']> {
    return this.#headers;
  }

  override clone(): Metadata {
    return this;
  }
}

const HEADERS = new Without('date', 'grpc-accept-encoding', 'grpc-encoding');
const TRAILERS = new Without('grpc-message');

/** Ends a call with its response. */
export function answerCall<Response>(
  call: Pick<ServerUnaryCall<unknown, Response>, 'sendMetadata'>,
  callback: sendUnaryData<Response>,
  response: Response,
): void {
  call.sendMetadata(HEADERS);
  callback(null, response, TRAILERS);
}
