/** A gRPC server that answers as a test tells it to, on a free port. */
import { once } from 'node:events';
import { createServer, type Socket, type Server as TcpServer } from 'node:net';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { KvError } from '../../src/errors.ts';
import type { KvOperation, OperationResult } from '../../src/kv/index.ts';
import {
  adminService,
  type DeleteRequest,
  type DeleteResponse,
  decodeOperation,
  decodeRequestFrame,
  encodeResponseFrame,
  type GetRequest,
  type GetResponse,
  type KeyValue,
  keyToBytes,
  kvService,
  type MultiGetRequest,
  type MultiGetResponse,
  type PipelineResponse,
  type PutRequest,
  type PutResponse,
  type ReceivedRequest,
  type StatusRequest,
  type StatusResponse,
  toServiceError,
} from '../../src/wire/index.ts';

/** What a replica answers, but for the generation, which is the frame's; at once or later. */
type Answer<Response> = Omit<Response, 'generation'> | Promise<Omit<Response, 'generation'>>;

/** What a replica does with a call; a promise that never settles is silence. */
export interface Behaviour {
  put(request: PutRequest): Answer<PutResponse>;
  get(request: GetRequest): Answer<GetResponse>;
  multiGet(request: MultiGetRequest): Answer<MultiGetResponse>;
  delete(request: DeleteRequest): Answer<DeleteResponse>;
  status(request: StatusRequest): StatusResponse | Promise<StatusResponse>;
  /** How long a ping takes. */
  ping(): void | Promise<void>;
  /** How long it takes until a stream has its first frame. */
  hello(): void | Promise<void>;
}

/** Every put and delete is the first, nothing exists, and all is well. */
export const QUIET: Behaviour = {
  put: () => ({ version: 1, previous: null }),
  get: () => ({ found: null }),
  multiGet: ({ keys }) => ({ entries: keys.map(() => ({ found: null })) }),
  delete: () => ({ version: 0, previous: null }),
  status: () => statusOf(1),
  ping: () => undefined,
  hello: () => undefined,
};

export function statusOf(replica: number): StatusResponse {
  return {
    cluster: 'test',
    replica,
    replicas: 3,
    version: '0.1.0',
    uptimeSeconds: 5,
    rows: [12, 12, 9].map((slot, index) => ({
      replica: index + 1,
      committed: slot,
      executed: slot - 1,
      highest: slot + 1,
      pruned: slot - 2,
    })),
    paths: { fast: 10, slow: 2, recovered: 1 },
    peers: [1, 2, 3]
      .filter((id) => id !== replica)
      .map((id) => ({
        replica: id,
        address: `host:${id}`,
        reachable: id !== 3,
        roundTripMs: 0.5,
        droppedMessages: 0,
        violations: 0,
      })),
    openInstances: 4,
    waitingOperations: 5,
    blockedInstances: 6,
  };
}

export function silence(): Promise<never> {
  return new Promise(() => undefined);
}

export class FakeReplica {
  readonly endpoint: string;
  /** Every put and delete that arrived, in order. */
  readonly writes: (PutRequest | DeleteRequest)[] = [];
  /** Every get that arrived, in order. */
  readonly reads: GetRequest[] = [];
  /** Every multi-get that arrived, in order. */
  readonly multiGets: MultiGetRequest[] = [];
  /** How long each request said that its client waits. */
  readonly timeoutsMs: number[] = [];
  /** How many requests each frame had; 0 for a ping. */
  readonly frames: number[] = [];
  /** How many streams were opened. */
  streams = 0;
  /** What it tells in every frame. */
  generation = 1;
  readonly #server: Server;
  readonly #acts: Behaviour;

  private constructor(server: Server, port: number, acts: Behaviour) {
    this.#server = server;
    this.#acts = acts;
    this.endpoint = `127.0.0.1:${port}`;
  }

  get gets(): number {
    return this.reads.length;
  }

  /** @param port 0 for a free one */
  static async start(behaviour: Partial<Behaviour> = {}, port = 0): Promise<FakeReplica> {
    const acts: Behaviour = { ...QUIET, ...behaviour };
    const server = new Server();
    server.addService(kvService, {
      Put: unused,
      Get: unused,
      MultiGet: unused,
      Delete: unused,
      Pipeline: (stream: ServerDuplexStream<Buffer, Buffer>) => replica.#serve(stream),
    });
    server.addService(adminService, { Status: handler(acts.status) });
    const bound = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, actual) =>
        error === null ? resolve(actual) : reject(error),
      );
    });
    const replica = new FakeReplica(server, bound, acts);
    return replica;
  }

  #serve(stream: ServerDuplexStream<Buffer, Buffer>): void {
    this.streams += 1;
    const hello = this.#acts.hello();
    if (hello instanceof Promise) void hello.then(() => stream.write(this.#frame([])));
    else stream.write(this.#frame([]));
    // A stream that breaks is the client's business.
    stream.on('error', () => undefined);
    stream.on('end', () => stream.end());
    stream.on('data', async (frame: Buffer) => {
      const requests = decodeRequestFrame(frame);
      this.frames.push(requests.length);
      if (requests.length === 0) await this.#acts.ping();
      if (requests.length === 0) stream.write(this.#frame([], true));
      const quick: PipelineResponse[] = [];
      for (const request of requests) {
        const response = this.#respond(frame, request);
        if (response instanceof Promise) response.then((late) => stream.write(this.#frame([late])));
        else quick.push(response);
      }
      if (quick.length > 0) stream.write(this.#frame(quick));
    });
  }

  /** One frame, as all are that it sends. */
  #frame(responses: readonly PipelineResponse[], pong = false): Buffer {
    return encodeResponseFrame({ responses, generation: this.generation, pong });
  }

  #respond(frame: Buffer, request: ReceivedRequest): PipelineResponse | Promise<PipelineResponse> {
    const { id } = request;
    this.timeoutsMs.push(request.timeoutMs);
    const failed = (error: KvError) => ({ id, error });
    try {
      const result = this.#execute(decodeOperation(frame, request.operation), request);
      if (!(result instanceof Promise)) return { id, result };
      return result.then((late) => ({ id, result: late }), failed);
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      return failed(error);
    }
  }

  #execute(operation: KvOperation, { stale }: ReceivedRequest): OperationResult | Promise<OperationResult> {
    const key = keyToBytes(operation.key);
    if (operation.kind === 'get') {
      this.reads.push({ key, stale });
      return after(this.#acts.get({ key, stale }), getAnswer);
    }
    if (operation.kind === 'multiGet') {
      const asked = { keys: operation.keys.map(keyToBytes), stale };
      this.multiGets.push(asked);
      return after(this.#acts.multiGet(asked), multiGetAnswer);
    }
    if (operation.kind === 'advance') throw new Error('the library ends no generation');
    const { client, ...numbers } = operation.request;
    const { returnPrevious } = operation;
    const name = { key, returnPrevious, requestId: { client: keyToBytes(client), ...numbers } };
    if (operation.kind === 'put') {
      const put = { ...name, value: operation.value };
      this.writes.push(put);
      return after(this.#acts.put(put), writeAnswer);
    }
    this.writes.push(name);
    return after(this.#acts.delete(name), writeAnswer);
  }

  /** Breaks every connection and stops listening, as a crash does. */
  crash(): void {
    this.#server.forceShutdown();
  }
}

function after<From, To>(value: From | Promise<From>, then: (value: From) => To): To | Promise<To> {
  return value instanceof Promise ? value.then(then) : then(value);
}

/** The library asks for keys on the stream only. */
function unused(): never {
  throw new Error('a call of its own for a request');
}

function getAnswer({ found }: Pick<GetResponse, 'found'>): OperationResult {
  return { version: found?.version ?? 0, value: found?.value ?? null, previousVersion: 0 };
}

function multiGetAnswer({ entries }: Pick<MultiGetResponse, 'entries'>): OperationResult {
  return { version: 0, value: null, previousVersion: 0, rows: entries.map(({ found }) => found) };
}

function writeAnswer(response: {
  readonly version: number;
  readonly previous: KeyValue | null;
}): OperationResult {
  const { version, previous } = response;
  return { version, value: previous?.value ?? null, previousVersion: previous?.version ?? 0 };
}

function handler<Request, Response>(act: (request: Request) => Response | Promise<Response>) {
  return async (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
    try {
      callback(null, await act(call.request));
    } catch (error) {
      callback(toServiceError(error as KvError));
    }
  };
}

/** Takes connections and never says a word: what a paused replica looks like. */
export class SilentListener {
  readonly #server = createServer((socket) => {
    this.#sockets.add(socket);
    socket.on('error', () => undefined).resume();
  });
  readonly #sockets = new Set<Socket>();

  static async start(): Promise<SilentListener> {
    const listener = new SilentListener();
    listener.#server.listen(0, '127.0.0.1');
    await once(listener.#server, 'listening');
    return listener;
  }

  get endpoint(): string {
    return endpointOf(this.#server);
  }

  /** How many connections were made to it. */
  get connections(): number {
    return this.#sockets.size;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

/** A port on which nobody listens. */
export async function refusedEndpoint(): Promise<string> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = endpointOf(server);
  server.close();
  await once(server, 'close');
  return endpoint;
}

function endpointOf(server: TcpServer): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server listens on a TCP port');
  return `127.0.0.1:${address.port}`;
}
