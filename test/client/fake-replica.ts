/** A gRPC server that answers as a test tells it to, on a free port. */
import { once } from 'node:events';
import { createServer, type Socket, type Server as TcpServer } from 'node:net';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import type { KvError } from '../../src/errors.ts';
import {
  adminService,
  type DeleteRequest,
  type DeleteResponse,
  type GetRequest,
  type GetResponse,
  kvService,
  type PutRequest,
  type PutResponse,
  type StatusRequest,
  type StatusResponse,
  toServiceError,
} from '../../src/rpc/index.ts';

/** What a replica does with a call; a promise that never settles is silence. */
export interface Behaviour {
  put(request: PutRequest): PutResponse | Promise<PutResponse>;
  get(request: GetRequest): GetResponse | Promise<GetResponse>;
  delete(request: DeleteRequest): DeleteResponse | Promise<DeleteResponse>;
  status(request: StatusRequest): StatusResponse | Promise<StatusResponse>;
}

/** Every put and delete is the first, nothing exists, and all is well. */
export const QUIET: Behaviour = {
  put: () => ({ version: 1, previous: null }),
  get: () => ({ found: null }),
  delete: () => ({ version: 0, previous: null }),
  status: () => statusOf(1),
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
      })),
    openInstances: 4,
    heldOperations: 5,
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
  gets = 0;
  readonly #server: Server;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.endpoint = `127.0.0.1:${port}`;
  }

  /** @param port 0 for a free one */
  static async start(behaviour: Partial<Behaviour> = {}, port = 0): Promise<FakeReplica> {
    const acts: Behaviour = { ...QUIET, ...behaviour };
    const server = new Server();
    server.addService(kvService, {
      Put: handler((request: PutRequest) => {
        replica.writes.push(request);
        return acts.put(request);
      }),
      Get: handler((request: GetRequest) => {
        replica.gets += 1;
        return acts.get(request);
      }),
      Delete: handler((request: DeleteRequest) => {
        replica.writes.push(request);
        return acts.delete(request);
      }),
    });
    server.addService(adminService, { Status: handler(acts.status) });
    const bound = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, actual) =>
        error === null ? resolve(actual) : reject(error),
      );
    });
    const replica = new FakeReplica(server, bound);
    return replica;
  }

  /** Breaks every connection and stops listening, as a crash does. */
  crash(): void {
    this.#server.forceShutdown();
  }
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
