/**
 * The lasting relation to one peer: it is dialled for ever, with growing waits while it cannot be reached,
 * and what is known of it is kept across connections.
 */
import type { ReplicaId } from '../epaxos/index.ts';
import type { KvError } from '../errors.ts';
import type { Lane, MessageStream } from '../rpc/index.ts';
import { Backoff } from './backoff.ts';
import { handshakeMetadata, type Membership } from './handshake.ts';
import type { QueueLimits, TransportObserver, TransportTiming } from './options.ts';
import type { OutboundQueue } from './outbound-queue.ts';
import { PeerConnection } from './peer-connection.ts';
import type { PeerStatus } from './transport.ts';

export interface PeerLinkOptions {
  readonly membership: Membership;
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
  onReachable(peer: ReplicaId, reachable: boolean): void;
}

export class PeerLink {
  readonly #options: PeerLinkOptions;
  readonly #backoff: Backoff;
  #events: PeerLinkEvents | null = null;
  #connection: PeerConnection | null = null;
  #redial: NodeJS.Timeout | null = null;
  #openedAtMs: number | null = null;
  #roundTripMs: number | null = null;
  #dropped = 0;
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
      reachable: this.#openedAtMs !== null,
      roundTripMs: this.#roundTripMs,
      dropped: this.#dropped,
    };
  }

  /** The queue of requests on a stream; null while the peer is not reachable. */
  queue(stream: MessageStream): OutboundQueue | null {
    return this.#connection?.queue(stream) ?? null;
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
    const { membership, peer, address, timing, limits } = this.#options;
    this.#connection = new PeerConnection({
      address,
      metadata: handshakeMetadata(membership, peer),
      timing,
      limits,
      events: {
        onOpen: () => this.#onOpen(),
        onFrame: (lane, frame) => this.#events?.onFrame(peer, lane, frame),
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

  #onClosed(error: KvError): void {
    const { peer, timing } = this.#options;
    const openedAtMs = this.#openedAtMs;
    this.#connection = null;
    this.#openedAtMs = null;
    // A connection that did not last is a failure too: two processes of one id would else dial in a tight loop.
    if (openedAtMs !== null && performance.now() - openedAtMs > timing.maxBackoffMs) this.#backoff.reset();
    const waitMs = error.code === 'peerMismatch' ? this.#backoff.slowest() : this.#backoff.next();
    this.#redial = setTimeout(() => this.#dial(), waitMs);
    this.#report(error, { wasOpen: openedAtMs !== null });
    if (openedAtMs !== null) this.#events?.onReachable(peer, false);
  }

  #report(error: KvError, { wasOpen }: { readonly wasOpen: boolean }): void {
    const { peer, address, observer } = this.#options;
    if (wasOpen) {
      observer({ type: 'disconnected', peer, error });
      return;
    }
    const refused = error.code === 'peerMismatch';
    // A refusal says what differs; of a failed attempt only its kind matters, the text differs each time.
    const trouble = refused ? error.message : error.code;
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    observer({ type: refused ? 'refusedByPeer' : 'connectFailed', peer, address, error });
  }
}
