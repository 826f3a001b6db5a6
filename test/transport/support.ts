/** Replicas made of a transport and a real gRPC server on a loopback port, and raw peers that misbehave on purpose. */
import { createServer } from 'node:net';
import {
  Client,
  type ClientDuplexStream,
  credentials,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import { afterEach, expect, vi } from 'vitest';
import type { Commit, Envelope, Message, ReplicaId } from '../../src/epaxos/index.ts';
import { KvError } from '../../src/errors.ts';
import { answerMetadata, handshakeMetadata } from '../../src/transport/handshake.ts';
import {
  GrpcTransport,
  type GrpcTransportOptions,
  type PeerStores,
  type TransportEvent,
  type TransportEvents,
  type TransportTiming,
} from '../../src/transport/index.ts';
import {
  HEARTBEAT_STREAM,
  REPLICA_STREAMS,
  type ReplicaStream,
  replicaService,
  SERVER_OPTIONS,
  type StoreMark,
} from '../../src/wire/index.ts';

const HOST = '127.0.0.1';

/** Dials often; gives nobody up for being slow, as busy machines are. */
export const PATIENT: TransportTiming = {
  heartbeatIntervalMs: 20,
  silenceMs: 30_000,
  hangUpMs: 30_000,
  connectTimeoutMs: 30_000,
  firstBackoffMs: 5,
  maxBackoffMs: 50,
  snapshotSilenceMs: 30_000,
};

/** Gives silent peers up soon, but not as soon as it stops counting on them. */
export const IMPATIENT: TransportTiming = {
  ...PATIENT,
  silenceMs: 300,
  hangUpMs: 900,
  connectTimeoutMs: 500,
  snapshotSilenceMs: 500,
};

const cleanups: (() => void | Promise<void>)[] = [];

/** Done after the test, the latest first. */
export function afterwards(cleanup: () => void | Promise<void>): void {
  cleanups.push(cleanup);
}

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Waits until `check` does not throw. */
export async function eventually(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 30_000, interval: 5 });
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      if (address && typeof address === 'object') resolve(address.port);
    });
  });
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** By replica id − 1, for a cluster of three. */
export async function freePorts(): Promise<number[]> {
  return [await freePort(), await freePort(), await freePort()];
}

export function addressOf(port: number): string {
  return `${HOST}:${port}`;
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(addressOf(port), ServerCredentials.createInsecure(), (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** The store of a replica that keeps its data. */
export function storeOf(replica: ReplicaId): string {
  return `store of ${replica}`;
}

/** What a replica knows of stores, in memory. */
export function peerStores(
  own: string,
  known = new Map<ReplicaId, string>(),
  marks: Partial<Pick<PeerStores, 'mark' | 'holds'>> = {},
): PeerStores {
  const heard = new Map<ReplicaId, StoreMark>();
  return {
    own,
    mark: () => null,
    holds: () => true,
    heard: (peer, mark) => heard.set(peer, mark),
    heardOf: (peer) => heard.get(peer) ?? null,
    ...marks,
    accepts(peer, store) {
      if (!known.has(peer)) known.set(peer, store);
      return known.get(peer) === store;
    },
  };
}

/** With which replica 2 calls replica 1, of a cluster of three. */
export function asReplica2(store = storeOf(2)): Metadata {
  return handshakeMetadata({ cluster: 'test', replicas: 3, self: 2 }, { to: 1, stores: peerStores(store) });
}

function noSnapshot(): never {
  throw new KvError('internal', 'this replica has no snapshots');
}

type ReplicaOptions = Pick<GrpcTransportOptions, 'self'> &
  Partial<Pick<GrpcTransportOptions, 'cluster' | 'replicas' | 'timing' | 'limits'>> & {
    /** By replica id − 1. */
    readonly ports: readonly number[];
    /** The id of its store; one for each replica id if absent. */
    readonly store?: string;
    /** The stores that peers had at first contact. */
    readonly known?: Map<ReplicaId, string>;
    /** How far its own store has come; nothing to tell if absent. */
    readonly marks?: Pick<PeerStores, 'mark' | 'holds'>;
    readonly serveSnapshot?: TransportEvents['serveSnapshot'];
  };

/** A transport and its server, and all that was heard from them. */
export class TestReplica {
  readonly transport: GrpcTransport;
  readonly received: (readonly [from: ReplicaId, message: Message])[] = [];
  readonly reachability: (readonly [peer: ReplicaId, reachable: boolean])[] = [];
  readonly events: TransportEvent[] = [];
  /** Why this replica must not go on, as peers say. */
  readonly disowned: KvError[] = [];
  readonly stores: PeerStores;
  readonly #serveSnapshot: TransportEvents['serveSnapshot'];
  readonly #server = new Server(SERVER_OPTIONS);
  readonly #port: number;

  constructor(options: ReplicaOptions) {
    const { self, ports, cluster = 'test', replicas = 3, timing = PATIENT, limits = {} } = options;
    const { store = storeOf(self), known = new Map(), serveSnapshot = noSnapshot } = options;
    this.#port = ports[self - 1] ?? 0;
    this.#serveSnapshot = serveSnapshot;
    this.stores = peerStores(store, known, options.marks);
    this.transport = new GrpcTransport({
      self,
      cluster,
      replicas,
      stores: this.stores,
      timing,
      limits,
      peers: Array.from({ length: replicas }, (_, index) => index + 1)
        .filter((id) => id !== self)
        .map((id) => ({ id, address: addressOf(ports[id - 1] ?? 1) })),
      observer: (event) => this.events.push(event),
    });
    this.#server.addService(this.transport.service.definition, { ...this.transport.service.implementation });
    afterwards(() => this.stop());
  }

  async start(): Promise<this> {
    await listen(this.#server, this.#port);
    this.transport.start({
      onMessages: (from, messages) => {
        for (const message of messages) this.received.push([from, message]);
      },
      onReachable: (peer, reachable) => this.reachability.push([peer, reachable]),
      onDisowned: (error) => this.disowned.push(error),
      serveSnapshot: this.#serveSnapshot,
    });
    return this;
  }

  async stop(): Promise<void> {
    await this.transport.close();
    this.#server.forceShutdown();
  }

  /** Ends the connections as a killed process does: no stream is closed first. */
  kill(): void {
    this.#server.forceShutdown();
  }

  status(peer: ReplicaId) {
    const status = this.transport.peers().find(({ id }) => id === peer);
    if (!status) throw new Error(`replica ${peer} is a peer`);
    return status;
  }

  eventsOf<Type extends TransportEvent['type']>(
    type: Type,
  ): Extract<TransportEvent, { readonly type: Type }>[] {
    return this.events.filter((event): event is Extract<TransportEvent, { readonly type: Type }> => {
      return event.type === type;
    });
  }

  async sees(peer: ReplicaId): Promise<void> {
    await eventually(() => expect(this.status(peer)).toMatchObject({ reachable: true }));
  }
}

/** Starts these replicas of a cluster of N; the others have ports on which nobody listens. */
export async function startReplicas(
  ids: readonly ReplicaId[],
  options: Partial<Omit<ReplicaOptions, 'self' | 'ports'>> = {},
): Promise<{ readonly replicas: TestReplica[]; readonly ports: number[] }> {
  const ports: number[] = [];
  for (let count = options.replicas ?? 3; count > 0; count--) ports.push(await freePort());
  const replicas = ids.map((self) => new TestReplica({ ...options, self, ports }));
  for (const replica of replicas) await replica.start();
  for (const replica of replicas) {
    const others = replica.transport.peers().filter(({ id }) => ids.includes(id));
    for (const { id } of others) await replica.sees(id);
  }
  return { replicas, ports };
}

type RawCall = ServerDuplexStream<Buffer, Buffer>;

/** A server of the Replica service that does with each stream as it is told; left out: heartbeats are answered. */
export async function startRawPeer(
  port: number,
  handlers: Partial<Record<ReplicaStream, (call: RawCall) => void>>,
  headers: Metadata = answerMetadata(1, peerStores('raw')),
): Promise<Server> {
  const server = new Server(SERVER_OPTIONS);
  const ignore = (call: RawCall) => call.resume();
  const answerPings = (call: RawCall) => call.on('data', (ping) => call.write(ping));
  const all = REPLICA_STREAMS.map((stream) => {
    const handle = handlers[stream] ?? (stream === HEARTBEAT_STREAM ? answerPings : ignore);
    const letIn = (call: RawCall) => {
      call.sendMetadata(headers);
      handle(call);
    };
    return [stream, letIn];
  });
  server.addService(replicaService, Object.fromEntries(all));
  await listen(server, port);
  afterwards(() => server.forceShutdown());
  return server;
}

/** One stream to a replica, opened by hand. Errors are kept, not thrown. */
export class RawStream {
  readonly frames: Buffer[] = [];
  readonly call: ClientDuplexStream<Buffer, Buffer>;
  error: { readonly code: number; readonly details: string } | null = null;

  constructor(port: number, stream: ReplicaStream, metadata: Metadata) {
    const client = new Client(addressOf(port), credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
    });
    const { path, requestSerialize, responseDeserialize } = replicaService[stream];
    this.call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
    this.call.on('error', (error: { code: number; details: string }) => {
      this.error = error;
    });
    afterwards(() => {
      this.call.cancel();
      client.close();
    });
  }

  /** Begins to read. */
  read(): this {
    this.call.on('data', (frame: Buffer) => this.frames.push(frame));
    return this;
  }

  /** Resolves once the replica has let it in. */
  async accepted(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.call.once('metadata', () => resolve());
      this.call.once('error', reject);
    });
    return this;
  }
}

/** A no-op commit of replica 1's row. */
export function commitOf(slot: number, seq = 0): Commit {
  return { type: 'commit', id: { replica: 1, slot }, command: null, attributes: { seq, deps: [0, 0, 0] } };
}

export function to(peer: ReplicaId, messages: readonly Message[]): Envelope[] {
  return messages.map((message) => ({ to: peer, message }));
}
