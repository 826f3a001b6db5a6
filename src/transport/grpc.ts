/**
 * The transport over gRPC. To each peer this replica dials one connection with long-lived streams, on
 * which its requests leave; replies to a peer's requests leave on the streams which that peer dialled.
 * Which message travels on which stream, and in which direction, is the table ROUTES (wire/peer/routes.ts).
 */
import { type Envelope, type Message, mayComeFrom, type ReplicaId } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import { assert } from '../util/assert.ts';
import {
  decodeFrame,
  encodeMessage,
  type Lane,
  ROUTES,
  RPC_LIMITS,
  type SnapshotChunk,
  type SnapshotRequest,
} from '../wire/index.ts';
import type { Membership, PeerStores } from './handshake.ts';
import { IncomingStreams, type ReplicaServiceHandlers } from './incoming-streams.ts';
import {
  DEFAULT_QUEUE_LIMITS,
  DEFAULT_TRANSPORT_TIMING,
  type QueueLimits,
  type TransportObserver,
  type TransportTiming,
} from './options.ts';
import type { OutboundQueue } from './outbound-queue.ts';
import { PeerLink } from './peer-link.ts';
import type { PeerStatus, Transport, TransportEvents } from './transport.ts';

export interface GrpcTransportOptions extends Membership {
  readonly stores: PeerStores;
  /** Every other replica of the cluster. */
  readonly peers: readonly { readonly id: ReplicaId /** `host:port` */; readonly address: string }[];
  /** Told what happens, for logs and metrics. */
  readonly observer?: TransportObserver;
  /** Defaults to {@link DEFAULT_TRANSPORT_TIMING}. */
  readonly timing?: Partial<TransportTiming>;
  /** Defaults to {@link DEFAULT_QUEUE_LIMITS}. */
  readonly limits?: Partial<QueueLimits>;
  /** For the jitter of reconnecting: a number in [0, 1). Defaults to Math.random. */
  readonly random?: () => number;
}

export class GrpcTransport implements Transport {
  /** To be added to the process's gRPC server before it is started. Peers are let in from `start()` on. */
  readonly service: ReplicaServiceHandlers;
  readonly #membership: Membership;
  readonly #observer: TransportObserver;
  readonly #links: ReadonlyMap<ReplicaId, PeerLink>;
  readonly #incoming: IncomingStreams;
  #state: 'new' | 'running' | 'closed' = 'new';
  #events: TransportEvents | null = null;
  /** Breaks off the copying of snapshots. */
  readonly #closing = new AbortController();

  constructor(options: GrpcTransportOptions) {
    const { cluster, replicas, self, stores, observer = () => undefined, random = Math.random } = options;
    const peers = [...options.peers].sort((left, right) => left.id - right.id);
    const expected = Array.from({ length: replicas }, (_, index) => index + 1).filter((id) => id !== self);
    assert(
      peers.map(({ id }) => id).join() === expected.join(),
      `the peers of replica ${self} among ${replicas} are ${expected.join(', ')}`,
    );
    const membership: Membership = { cluster, replicas, self };
    const timing = { ...DEFAULT_TRANSPORT_TIMING, ...options.timing };
    const limits = { ...DEFAULT_QUEUE_LIMITS, ...options.limits };
    this.#membership = membership;
    this.#observer = observer;
    this.#links = new Map(
      peers.map(({ id, address }) => [
        id,
        new PeerLink({ membership, stores, peer: id, address, timing, limits, random, observer }),
      ]),
    );
    this.#incoming = new IncomingStreams({
      membership,
      stores,
      peers: expected,
      limits,
      observer,
      onDropped: (peer, count) => this.#link(peer).countDropped(count),
    });
    this.service = this.#incoming.service;
  }

  start(events: TransportEvents): void {
    assert(this.#state === 'new', 'a transport is started once');
    this.#state = 'running';
    this.#events = events;
    const onFrame = (peer: ReplicaId, lane: Lane, frame: Buffer) => this.#onFrame(peer, lane, frame);
    const onViolation = (peer: ReplicaId, reason: KvError) => this.#violated(peer, reason);
    this.#incoming.start({
      onFrame,
      onViolation,
      onDisowned: (error) => events.onDisowned(error),
      serveSnapshot: (peer, request) => events.serveSnapshot(peer, request),
    });
    for (const link of this.#links.values()) {
      link.start({
        onFrame,
        onViolation,
        onReachable: (peer, reachable) => events.onReachable(peer, reachable),
        onDisowned: (error) => events.onDisowned(error),
      });
    }
  }

  send(envelopes: readonly Envelope[]): void {
    const encoded = new Map<Message, Buffer>();
    const touched = new Set<OutboundQueue>();
    for (const { to, message } of envelopes) {
      const link = this.#link(to);
      const { stream, direction } = ROUTES[message.type];
      const queue = direction === 'request' ? link.queue(stream) : this.#incoming.queue(to, stream);
      if (!queue) {
        link.countDropped(1);
        continue;
      }
      let bytes = encoded.get(message);
      if (!bytes) {
        bytes = encodeMessage(message);
        encoded.set(message, bytes); // often the same message goes to every peer
      }
      if (bytes.length > RPC_LIMITS.messageBytes) {
        link.countDropped(1);
        this.#observer({ type: 'tooLarge', peer: to, messageType: message.type, bytes: bytes.length });
        continue;
      }
      queue.push(bytes);
      touched.add(queue);
    }
    for (const queue of touched) queue.flush();
  }

  fetchSnapshot(from: ReplicaId, request: SnapshotRequest): AsyncIterable<SnapshotChunk> {
    return this.#link(from).fetchSnapshot(request, this.#closing.signal);
  }

  peers(): readonly PeerStatus[] {
    return [...this.#links.values()].map((link) => link.status);
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    this.#events = null;
    this.#closing.abort();
    for (const link of this.#links.values()) link.close();
    this.#incoming.close();
  }

  #onFrame(from: ReplicaId, lane: Lane, frame: Buffer): void {
    let messages: readonly Message[];
    try {
      messages = decodeFrame(frame, lane, this.#membership);
      for (const message of messages) this.#checkSender(from, message);
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      this.#violated(from, error);
      return;
    }
    this.#events?.onMessages(from, messages);
  }

  /** @throws KvError invalidArgument for what its sender has no right to say (R3.11) */
  #checkSender(from: ReplicaId, message: Message): void {
    if (mayComeFrom(from, message, this.#membership.replicas)) return;
    throw new KvError(
      'invalidArgument',
      `replica ${from} sent ${message.type} at the ballot of another replica`,
    );
  }

  /** A peer has said what no replica says: of what else it says on these connections nothing is to be believed. */
  #violated(peer: ReplicaId, reason: KvError): void {
    const error = new KvError('connectionLost', `it does not keep to the protocol: ${reason.message}`, {
      cause: reason,
    });
    this.#observer({ type: 'violation', peer, error: reason });
    this.#incoming.hangUp(peer, error);
    this.#link(peer).violated(error);
  }

  #link(peer: ReplicaId): PeerLink {
    const link = this.#links.get(peer);
    assert(link, `replica ${peer} is a peer of replica ${this.#membership.self}`);
    return link;
  }
}
