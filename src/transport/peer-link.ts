/**
 * The lasting relation to one peer: it is dialled for ever, with growing waits while it cannot be reached,
 * and what is known of it is kept across connections.
 */
import type { Metadata } from '@grpc/grpc-js';
import type { ReplicaId } from '../epaxos/index.ts';
import type { KvError } from '../errors.ts';
import type { Lane, MessageStream, SnapshotChunk, SnapshotRequest } from '../wire/index.ts';
import { Backoff } from './backoff.ts';
import {
  checkOwnStore,
  checkStore,
  handshakeMetadata,
  type Membership,
  type PeerStores,
} from './handshake.ts';
import type { QueueLimits, TransportObserver, TransportTiming } from './options.ts';
import type { OutboundQueue } from './outbound-queue.ts';
import { PeerConnection } from './peer-connection.ts';
import { receiveSnapshot } from './snapshot-stream.ts';
import type { PeerStatus } from './transport.ts';

export interface PeerLinkOptions {
  readonly membership: Membership;
  readonly stores: PeerStores;
  readonly peer: ReplicaId;
  /** `host:port` */
  readonly address: string;
  readonly timing: TransportTiming;
  readonly limits: QueueLimits;
  readonly random: () => number;
  readonly observer: TransportObserver;
}

export interface PeerLinkEvents {
  /** A frame of replies to this replica's requests. */
  onFrame(peer: ReplicaId, lane: Lane, frame: Buffer): void;
  onViolation(peer: ReplicaId, reason: KvError): void;
  onReachable(peer: ReplicaId, reachable: boolean): void;
  /** The peer says that this replica has run before with another store. */
  onDisowned(error: KvError): void;
}

export class PeerLink {
  readonly #options: PeerLinkOptions;
  readonly #backoff: Backoff;
  #events: PeerLinkEvents | null = null;
  #connection: PeerConnection | null = null;
  #redial: NodeJS.Timeout | null = null;
  #openedAtMs: number | null = null;
  #quiet = false;
  #roundTripMs: number | null = null;
  #dropped = 0;
  #violations = 0;
  /** True if the connection was ended here, because of the peer's store. */
  #storeRefused = false;
  /** Names the trouble that was reported last, so that it is reported once; null while all is well. */
  #trouble: string | null = null;

  constructor(options: PeerLinkOptions) {
    const { firstBackoffMs, maxBackoffMs } = options.timing;
    this.#options = options;
    this.#backoff = new Backoff({ firstMs: firstBackoffMs, maxMs: maxBackoffMs, random: options.random });
  }

  /** Begins to dial. Called once. */
  start(events: PeerLinkEvents): void {
    this.#events = events;
    this.#dial();
  }

  get status(): PeerStatus {
    const { peer, address } = this.#options;
    return {
      id: peer,
      address,
      reachable: this.#openedAtMs !== null && !this.#quiet,
      roundTripMs: this.#roundTripMs,
      dropped: this.#dropped,
      violations: this.#violations,
    };
  }

  /** The queue of requests on a stream; null while the peer is not reachable. */
  queue(stream: MessageStream): OutboundQueue | null {
    return this.#connection?.queue(stream) ?? null;
  }

  /** The chunks of the peer's snapshot, over a connection of their own, so that they hold up nothing else. */
  fetchSnapshot(request: SnapshotRequest, signal: AbortSignal): AsyncIterable<SnapshotChunk> {
    const { membership, stores, peer, address, timing } = this.#options;
    return receiveSnapshot({
      address,
      metadata: handshakeMetadata(membership, { to: peer, stores }),
      check: (answer) => checkStore(answer, { peer, stores, code: 'peerMismatch' }),
      request,
      replicas: membership.replicas,
      silenceMs: timing.snapshotSilenceMs,
      signal,
    });
  }

  /** The peer does not keep to the protocol: it is hung up on, and dialled anew after a while. */
  violated(error: KvError): void {
    this.#violations += 1;
    this.#connection?.breakOff(error);
  }

  countDropped(count: number): void {
    this.#dropped += count;
  }

  /** Hangs up and dials no more; no event follows. Idempotent. */
  close(): void {
    this.#events = null;
    if (this.#redial) clearTimeout(this.#redial);
    this.#connection?.close();
    this.#connection = null;
    this.#openedAtMs = null;
  }

  #dial(): void {
    const { membership, stores, peer, address, timing, limits } = this.#options;
    this.#storeRefused = false;
    this.#connection = new PeerConnection({
      address,
      metadata: handshakeMetadata(membership, { to: peer, stores }),
      check: (answer) => this.#check(answer),
      mark: () => stores.mark(),
      timing,
      limits,
      events: {
        onOpen: () => this.#onOpen(),
        onQuiet: (quiet) => this.#onQuiet(quiet),
        onFrame: (lane, frame) => this.#events?.onFrame(peer, lane, frame),
        onViolation: (reason) => this.#events?.onViolation(peer, reason),
        onMark: (mark) => stores.heard(peer, mark),
        onRoundTrip: (roundTripMs) => {
          this.#roundTripMs = roundTripMs;
        },
        onDropped: (count) => this.countDropped(count),
        onClosed: (error) => this.#onClosed(error),
      },
    });
  }

  #onOpen(): void {
    const { peer, address, observer } = this.#options;
    this.#openedAtMs = performance.now();
    this.#trouble = null;
    observer({ type: 'connected', peer, address });
    this.#events?.onReachable(peer, true);
  }

  /** The connection stands, but the peer cannot be counted on while it is silent. */
  #onQuiet(quiet: boolean): void {
    this.#quiet = quiet;
    this.#events?.onReachable(this.#options.peer, !quiet);
  }

  #onClosed(error: KvError): void {
    const { peer, timing } = this.#options;
    const openedAtMs = this.#openedAtMs;
    const wasReachable = openedAtMs !== null && !this.#quiet;
    this.#connection = null;
    this.#openedAtMs = null;
    this.#quiet = false;
    // A connection that did not last is a failure too: two processes of one id would else dial in a tight loop.
    if (openedAtMs !== null && performance.now() - openedAtMs > timing.maxBackoffMs) this.#backoff.reset();
    const waitMs = isRefusal(error) ? this.#backoff.slowest() : this.#backoff.next();
    this.#redial = setTimeout(() => this.#dial(), waitMs);
    this.#report(error, { wasOpen: openedAtMs !== null });
    if (error.code === 'dataDirectoryMismatch') this.#events?.onDisowned(error);
    if (wasReachable) this.#events?.onReachable(peer, false);
  }

  #report(error: KvError, { wasOpen }: { readonly wasOpen: boolean }): void {
    const { peer, address, observer } = this.#options;
    if (wasOpen) {
      observer({ type: 'disconnected', peer, error });
      return;
    }
    const refused = isRefusal(error);
    // A refusal says what differs; of a failed attempt only its kind matters, the text differs each time.
    const trouble = refused ? error.message : error.code;
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    const type = this.#storeRefused ? 'peerRefused' : refused ? 'refusedByPeer' : 'connectFailed';
    observer({ type, peer, address, error });
  }

  /**
   * @throws KvError peerMismatch unless the peer has the store it had at first contact, dataDirectoryMismatch if it has heard
   *   of more than this replica's store holds
   */
  #check(answer: Metadata): void {
    const { peer, stores } = this.#options;
    try {
      checkStore(answer, { peer, stores, code: 'peerMismatch' });
    } catch (error) {
      this.#storeRefused = true;
      throw error;
    }
    checkOwnStore(answer, { peer, stores });
  }
}

/** True for what only an operator can mend. */
function isRefusal(error: KvError): boolean {
  return error.code === 'peerMismatch' || error.code === 'dataDirectoryMismatch';
}
