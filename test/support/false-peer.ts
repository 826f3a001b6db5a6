/**
 * Replica 3 of three, played by a test: it answers at the replica's address and calls the two others with the right handshake,
 * and says what it is told to.
 */
import { once } from 'node:events';
import {
  type ClientDuplexStream,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { answerMetadata, handshakeMetadata, type PeerStores } from '../../src/transport/handshake.ts';
import {
  type DisposableChannel,
  HEARTBEAT_STREAM,
  openChannel,
  REPLICA_STREAMS,
  type ReplicaStream,
  replicaService,
  SERVER_OPTIONS,
  SNAPSHOT_CALL,
} from '../../src/wire/index.ts';
import { inTime, until } from './until.ts';

const SELF = 3;
const PATIENT_MS = 60_000;
/** To open a stream. */
const ATTEMPTS = 5;

type Answering = ServerDuplexStream<Buffer, Buffer>;
type Streaming = Answering | ClientDuplexStream<Buffer, Buffer>;

export interface FalsePeerOptions {
  readonly cluster: string;
  /** By replica id - 1. */
  readonly endpoints: readonly string[];
  /** The id of the store of the replica that it plays. */
  readonly store: string;
  /** Each frame with which it answers who copies its snapshot; then it breaks the call off. */
  readonly snapshotFrames: () => readonly Buffer[];
}

export class FalsePeer {
  readonly #options: FalsePeerOptions;
  readonly #stores: PeerStores;
  readonly #server = new Server(SERVER_OPTIONS);
  readonly #answering = new Map<string, Answering>();
  readonly #links = new Map<number, Link>();
  /** How often a link was opened, and a snapshot was asked for. */
  readonly counts = { opened: 0, snapshots: 0 };

  private constructor(options: FalsePeerOptions) {
    this.#options = options;
    this.#stores = storesOf(options.store);
  }

  /** Listens where replica 3 did. */
  static async start(options: FalsePeerOptions): Promise<FalsePeer> {
    const peer = new FalsePeer(options);
    await peer.#listen();
    return peer;
  }

  /** Sends a frame of requests to a replica, over a stream that is opened if none is. */
  async request(to: number, stream: ReplicaStream, frame: Buffer): Promise<void> {
    const call = await this.#link(to).open(stream);
    if (!call.write(frame)) await Promise.race([once(call, 'drain'), closed(call)]);
  }

  /** Waits until the replica has ended a stream. @throws Error if it does not */
  async untilHungUp(to: number, stream: ReplicaStream): Promise<void> {
    const call = this.#links.get(to)?.opened(stream);
    if (call !== undefined) await inTime(`replica ${to} hangs up`, closed(call), PATIENT_MS);
  }

  /** Sends a frame of replies, once the replica has called. */
  async reply(to: number, stream: ReplicaStream, frame: Buffer): Promise<void> {
    const call = await this.#called(to, stream);
    if (!call.write(frame)) await Promise.race([once(call, 'drain'), closed(call)]);
  }

  /** The same, with what is no reply: waits until the replica has hung up. @throws Error if it does not */
  async replyWrongly(to: number, stream: ReplicaStream, frame: Buffer): Promise<void> {
    const call = await this.#called(to, stream);
    const end = closed(call);
    call.write(frame);
    await inTime(`replica ${to} hangs up`, end, PATIENT_MS);
  }

  /** Asks for a snapshot, and takes the first chunk of it, or the error. */
  async askForSnapshot(of: number, request: Buffer): Promise<void> {
    await this.#link(of).askForSnapshot(request);
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
    this.#server.forceShutdown();
  }

  #link(to: number): Link {
    const known = this.#links.get(to);
    if (known !== undefined) return known;
    const { cluster, endpoints } = this.#options;
    const metadata = handshakeMetadata({ cluster, replicas: 3, self: SELF }, { to, stores: this.#stores });
    const onOpen = () => {
      this.counts.opened += 1;
    };
    const link = new Link({ address: endpoints[to - 1] ?? '', metadata, onOpen });
    this.#links.set(to, link);
    return link;
  }

  async #called(by: number, stream: ReplicaStream): Promise<Answering> {
    return until(`replica ${by} calls`, () => this.#answering.get(keyOf(by, stream)), PATIENT_MS);
  }

  async #listen(): Promise<void> {
    const streams = REPLICA_STREAMS.map((name) => [name, (call: Answering) => this.#answer(name, call)]);
    const snapshot = (call: ServerWritableStream<Buffer, Buffer>) => this.#serveSnapshot(call);
    this.#server.addService(replicaService, { ...Object.fromEntries(streams), [SNAPSHOT_CALL]: snapshot });
    const address = this.#options.endpoints[SELF - 1] ?? '';
    await new Promise<void>((resolve, reject) => {
      this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  #answer(stream: ReplicaStream, call: Answering): void {
    const from = Number(call.metadata.get('epaxos-from')[0]);
    const key = keyOf(from, stream);
    call.sendMetadata(answerMetadata(from, this.#stores));
    this.#answering.set(key, call);
    if (stream === HEARTBEAT_STREAM) call.on('data', (ping: Buffer) => call.write(ping));
    else call.resume();
    call.on('end', () => call.end());
    for (const event of ['end', 'cancelled', 'error', 'close']) {
      call.on(event, () => {
        if (this.#answering.get(key) === call) this.#answering.delete(key);
      });
    }
  }

  #serveSnapshot(call: ServerWritableStream<Buffer, Buffer>): void {
    this.counts.snapshots += 1;
    call.on('error', () => undefined);
    call.sendMetadata(answerMetadata(Number(call.metadata.get('epaxos-from')[0]), this.#stores));
    for (const frame of this.#options.snapshotFrames()) call.write(frame);
    setImmediate(() => call.emit('error', { code: 13, details: 'broken off', metadata: new Metadata() }));
  }
}

interface LinkOptions {
  readonly address: string;
  readonly metadata: Metadata;
  readonly onOpen: () => void;
}

/** The streams that this peer has opened to one replica. */
class Link {
  readonly #options: LinkOptions;
  readonly #streams = new Map<ReplicaStream, ClientDuplexStream<Buffer, Buffer>>();
  #channel: DisposableChannel | null = null;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  opened(stream: ReplicaStream): ClientDuplexStream<Buffer, Buffer> | undefined {
    return this.#streams.get(stream);
  }

  /** The stream, once the replica has let this peer in. */
  async open(stream: ReplicaStream): Promise<ClientDuplexStream<Buffer, Buffer>> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return this.#streams.get(stream) ?? (await this.#openNew(stream));
      } catch (error) {
        // So many streams that ended are still being closed that the replica takes no more on this connection.
        if (attempt === ATTEMPTS) throw error;
        this.close();
      }
    }
  }

  async #openNew(stream: ReplicaStream): Promise<ClientDuplexStream<Buffer, Buffer>> {
    const { path, requestSerialize, responseDeserialize } = replicaService[stream];
    const call: ClientDuplexStream<Buffer, Buffer> = this.#dial().client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      this.#options.metadata,
    );
    for (const event of ['error', 'end', 'close']) {
      call.on(event, () => {
        if (this.#streams.get(stream) === call) this.#streams.delete(stream);
        call.cancel();
      });
    }
    call.resume();
    await once(call, 'metadata');
    this.#options.onOpen();
    this.#streams.set(stream, call);
    return call;
  }

  async askForSnapshot(request: Buffer): Promise<void> {
    const { path, requestSerialize, responseDeserialize } = replicaService[SNAPSHOT_CALL];
    const call = this.#dial().client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      this.#options.metadata,
    );
    await new Promise<void>((resolve) => {
      for (const event of ['data', 'error', 'end']) call.once(event, () => resolve());
      call.on('error', () => undefined);
    });
    call.cancel();
  }

  close(): void {
    this.#channel?.close();
    this.#channel = null;
  }

  #dial(): DisposableChannel {
    this.#channel ??= openChannel(this.#options.address);
    return this.#channel;
  }
}

function keyOf(replica: number, stream: ReplicaStream): string {
  return `${replica} ${stream}`;
}

const ENDS = new WeakMap<Streaming, Promise<void>>();

/** When a stream has ended, however. */
function closed(call: Streaming): Promise<void> {
  let end = ENDS.get(call);
  if (end === undefined) {
    end = new Promise((resolve) => {
      for (const event of ['close', 'error', 'end', 'cancelled']) call.once(event, () => resolve());
    });
    ENDS.set(call, end);
  }
  return end;
}

/** It has the store that it says, and nothing to say of anybody else's. */
function storesOf(own: string): PeerStores {
  return {
    own,
    accepts: () => true,
    mark: () => null,
    holds: () => true,
    heard: () => undefined,
    heardOf: () => null,
  };
}
