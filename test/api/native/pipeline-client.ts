/** A stream of requests, as a client of any make would open it. */
import { Client, type ClientDuplexStream, credentials, type StatusObject } from '@grpc/grpc-js';
import { createDeferred, type Deferred } from '../../../src/util/deferred.ts';
import {
  decodeResponseFrame,
  encodeDelete,
  encodeGet,
  encodeMultiGet,
  encodePut,
  encodeRequestFrame,
  kvService,
  type PipelineRequest,
  type PipelineResponse,
  RPC_LIMITS,
} from '../../../src/wire/index.ts';
import { bytesOf } from '../../kv/operations.ts';

const CLIENT = Buffer.alloc(16, 7);

/** How the stream ended. */
export interface Ending {
  readonly status: number;
  readonly details: string;
  readonly code: unknown;
  readonly outcome: unknown;
}

export class PipelineClient {
  readonly call: ClientDuplexStream<Buffer, Buffer>;
  readonly ended: Promise<Ending>;
  /** Every frame that came, in their order. */
  readonly frames: (readonly PipelineResponse[])[] = [];
  /** As the last frame told it; 0 before the first. */
  generation = 0;
  readonly #client: Client;
  readonly #waiting = new Map<number, Deferred<PipelineResponse>>();
  readonly #answers = new Map<number, PipelineResponse>();

  constructor(address: string) {
    const { path, requestSerialize, responseDeserialize } = kvService.Pipeline;
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': RPC_LIMITS.messageBytes,
    });
    this.call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    const ended = createDeferred<Ending>();
    this.ended = ended.promise;
    this.call.on('error', () => {}); // told by the status
    this.call.on('status', ({ code, details, metadata }: StatusObject) =>
      ended.resolve({
        status: code,
        details,
        code: metadata.get('epaxos-code')[0],
        outcome: metadata.get('epaxos-outcome')[0],
      }),
    );
    this.call.on('data', (frame: Buffer) => {
      const { responses, generation, pong } = decodeResponseFrame(frame);
      this.generation = generation;
      // The first frame only tells the generation.
      if (responses.length > 0 || pong) this.#onFrame(responses);
    });
  }

  /** How many requests were answered. */
  get answered(): number {
    return this.#answers.size;
  }

  send(...requests: readonly PipelineRequest[]): void {
    this.call.write(encodeRequestFrame(requests));
  }

  answer(id: number): Promise<PipelineResponse> {
    const answer = this.#answers.get(id);
    if (answer !== undefined) return Promise.resolve(answer);
    const waiting = this.#waiting.get(id) ?? createDeferred<PipelineResponse>();
    this.#waiting.set(id, waiting);
    return waiting.promise;
  }

  close(): void {
    this.call.cancel();
    this.#client.close();
  }

  #onFrame(responses: readonly PipelineResponse[]): void {
    this.frames.push(responses);
    for (const response of responses) {
      this.#answers.set(response.id, response);
      this.#waiting.get(response.id)?.resolve(response);
    }
  }
}

/** The number of the request is its sequence, too. */
export function put(id: number, key: string, value: string): PipelineRequest {
  const name = { client: CLIENT, sequence: id, generation: 1, key: bytesOf(key) };
  return request(id, encodePut({ ...name, value: bytesOf(value), returnPrevious: false }));
}

export function get(id: number, key: string): PipelineRequest {
  return request(id, encodeGet({ client: CLIENT, sequence: id, key: bytesOf(key) }));
}

export function multiGet(id: number, ...keys: readonly string[]): PipelineRequest {
  return request(id, encodeMultiGet({ client: CLIENT, sequence: id, keys: keys.map(bytesOf) }));
}

export function remove(id: number, key: string): PipelineRequest {
  return request(
    id,
    encodeDelete({ client: CLIENT, sequence: id, generation: 1, key: bytesOf(key), returnPrevious: true }),
  );
}

export function request(id: number, operation: Uint8Array): PipelineRequest {
  return { id, timeoutMs: 30_000, operation, stale: false };
}
