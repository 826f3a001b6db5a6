/**
 * The transport port of one process, over the simulated network: messages as a server's peers get them, decoded from
 * bytes of their own; and snapshots as streams of chunks, which the receiver pulls.
 */

import type { Command, Envelope, Message, ReplicaId } from '../../../src/epaxos/index.ts';
import { KvError } from '../../../src/errors.ts';
import type { PeerStatus, PeerStores, Transport, TransportEvents } from '../../../src/transport/index.ts';
import {
  commandFromWire,
  commandToWire,
  decodeSnapshotChunk,
  encodeSnapshotChunk,
  type SnapshotChunk,
  type SnapshotRequest,
} from '../../../src/wire/index.ts';
import { RPC_LIMITS } from '../../../src/wire/limits.ts';
import { detached } from '../detached.ts';
import type { Network } from '../network.ts';

/** The process whose transport it is. */
export interface TransportHost {
  readonly id: ReplicaId;
  isDead(): boolean;
  step(what: string): boolean;
  stirred(): void;
  /** Calls back once the machine runs and so much time has passed, unless the process is dead then. */
  later(delayMs: number, action: () => void): void;
  /** Is told of all that leaves. @returns false if nothing must leave */
  sending(envelopes: readonly Envelope[]): void;
  /** A chunk of a snapshot is about to leave. */
  serving(chunk: SnapshotChunk): void;
  /** The transport of a peer's process; null while it is down. */
  peer(id: ReplicaId): SimulatedTransport | null;
  readonly snapshotTimeoutMs: number;
}

/** A snapshot on its way to one peer. */
interface Outgoing {
  readonly chunks: AsyncIterator<SnapshotChunk>;
}

/** What is asked for a snapshot. The one who asks hangs up in the end, also if nothing has come. */
interface Call {
  /** Null until the peer has heard of it. */
  outgoing: Outgoing | null;
  isOver: boolean;
}

export class SimulatedTransport implements Transport {
  readonly #host: TransportHost;
  readonly #network: Network;
  readonly #stores: PeerStores;
  readonly #replicas: number;
  readonly #peers = new Map<ReplicaId, { reachable: boolean; roundTripMs: number | null }>();
  /** The snapshots that this process reads, by their sources. */
  readonly #reading = new Map<Call, ReplicaId>();
  #events: TransportEvents | null = null;

  constructor(parts: {
    readonly host: TransportHost;
    readonly network: Network;
    readonly stores: PeerStores;
    /** N. */
    readonly replicas: number;
  }) {
    this.#host = parts.host;
    this.#network = parts.network;
    this.#stores = parts.stores;
    this.#replicas = parts.replicas;
    for (let id = 1; id <= parts.replicas; id += 1) {
      if (id !== this.#host.id) this.#peers.set(id, { reachable: false, roundTripMs: null });
    }
  }

  start(events: TransportEvents): void {
    this.#events = events;
  }

  send(envelopes: readonly Envelope[]): void {
    const { id } = this.#host;
    if (this.#host.isDead()) return;
    this.#host.sending(envelopes);
    const encoded = new Map<Message, Message>();
    const sent = envelopes.map(({ to, message }) => {
      const own = encoded.get(message) ?? withCommand(message, detached);
      encoded.set(message, own);
      return { to, message: own };
    });
    const isAlive = this.#host.step('sending');
    // If the process has died, a part of it has left.
    this.#network.send(id, isAlive ? sent : sent.slice(0, Math.floor(sent.length / 2)));
  }

  /** What a peer sent has arrived. */
  receive(from: ReplicaId, messages: readonly Message[]): void {
    const peer = this.#network.isOpen(from, this.#host.id) ? this.#host.peer(from) : null;
    if (peer !== null && !this.#meets(from, peer)) return;
    this.#events?.onMessages(from, messages.map(copyOf));
  }

  /** What this replica says of its own store to its peers, and has heard of theirs. */
  get stores(): PeerStores {
    return this.#stores;
  }

  /** The handshake, and what a beat tells. @returns whether the two may talk */
  #meets(peer: ReplicaId, { stores }: SimulatedTransport): boolean {
    if (!this.#stores.accepts(peer, stores.own)) return false;
    const heard = stores.heardOf(this.#host.id);
    if (heard !== null && !this.#stores.holds(heard)) {
      const message = `replica ${peer} has heard of batch ${heard.batch} of run ${heard.run}`;
      this.#events?.onDisowned(new KvError('dataDirectoryMismatch', message));
      return false;
    }
    const mark = stores.mark();
    if (mark !== null) this.#stores.heard(peer, mark);
    return true;
  }

  /** What is known of a peer now. */
  found(peer: ReplicaId, now: { readonly reachable: boolean; readonly roundTripMs: number }): void {
    const known = this.#peers.get(peer);
    if (known === undefined || this.#events === null) return;
    if (now.reachable) known.roundTripMs = now.roundTripMs;
    if (known.reachable === now.reachable) return;
    const other = this.#host.peer(peer);
    if (now.reachable && other !== null && !this.#meets(peer, other)) return;
    known.reachable = now.reachable;
    this.#events.onReachable(peer, now.reachable);
  }

  peers(): readonly PeerStatus[] {
    return Array.from(this.#peers, ([id, status]) => ({
      id,
      address: `replica ${id}`,
      dropped: 0,
      violations: 0,
      ...status,
    }));
  }

  async *fetchSnapshot(from: ReplicaId, request: SnapshotRequest): AsyncIterable<SnapshotChunk> {
    const call: Call = { outgoing: null, isOver: false };
    this.#reading.set(call, from);
    try {
      for (;;) {
        const bytes = await this.#pull(from, call, request);
        if (bytes === null) return;
        yield decodeSnapshotChunk(bytes, { replicas: this.#replicas });
      }
    } finally {
      this.#reading.delete(call);
      this.#hangUp(from, call, 1);
    }
  }

  /** The process has died: those that it read snapshots of notice it after a while. */
  died(): void {
    for (const [call, from] of this.#reading) this.#hangUp(from, call, this.#host.snapshotTimeoutMs);
  }

  async close(): Promise<void> {
    this.#host.stirred();
  }

  /** Asks a peer for the next chunk; null at the end. @throws KvError if nothing comes of it */
  #pull(from: ReplicaId, call: Call, request: SnapshotRequest): Promise<Uint8Array | null> {
    const host = this.#host;
    host.stirred();
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (action: () => void) =>
        host.later(0, () => {
          if (isOver) return;
          isOver = true;
          host.stirred();
          action();
        });
      const answer = (action: () => void) => this.#network.carry(from, host.id, () => end(action));
      this.#network.carry(host.id, from, () => {
        const peer = host.peer(from);
        if (peer === null) return;
        if (call.isOver) return;
        call.outgoing ??= peer.#serve(host.id, request);
        if (call.outgoing === null) return;
        peer.#next(
          call.outgoing,
          (bytes) => answer(() => resolve(bytes)),
          (error) => answer(() => reject(error)),
        );
      });
      host.later(host.snapshotTimeoutMs, () =>
        end(() => reject(new KvError('unreachable', 'nothing of the snapshot came for long'))),
      );
    });
  }

  #serve(peer: ReplicaId, request: SnapshotRequest): Outgoing | null {
    const chunks = this.#events?.serveSnapshot(peer, request)[Symbol.asyncIterator]();
    return chunks === undefined ? null : { chunks };
  }

  #next(
    outgoing: Outgoing,
    done: (bytes: Uint8Array | null) => void,
    failed: (error: KvError) => void,
  ): void {
    const host = this.#host;
    host.later(0, () => {
      host.stirred();
      outgoing.chunks.next().then(
        ({ done: isOver, value }) => {
          if (host.isDead()) return;
          host.stirred();
          if (isOver) {
            done(null);
            return;
          }
          host.serving(value);
          const bytes = encodeSnapshotChunk(value);
          if (bytes.length <= RPC_LIMITS.messageBytes) done(bytes);
          else failed(new KvError('limitExceeded', 'a chunk of a snapshot is larger than a message may be'));
        },
        (error: unknown) => {
          host.stirred();
          failed(error instanceof KvError ? error : new KvError('internal', String(error)));
        },
      );
    });
  }

  /** The peer notices that nobody pulls any more. */
  #hangUp(from: ReplicaId, call: Call, afterMs: number): void {
    call.isOver = true;
    const peer = this.#host.peer(from);
    const { outgoing } = call;
    if (peer === null || outgoing === null) return;
    peer.#host.later(afterMs, () => {
      peer.#host.stirred();
      void outgoing.chunks.return?.();
    });
  }
}

/** As the receiver decodes it: with a command of its own, which it may let go of. */
function copyOf(message: Message): Message {
  return withCommand(message, (command) => commandFromWire(commandToWire(command)));
}

/** The message with what is made of its command, if it carries one. */
function withCommand(message: Message, make: (command: Command) => Command): Message {
  if (message.type === 'prepareReply') {
    const { command } = message.record;
    return command === null ? message : { ...message, record: { ...message.record, command: make(command) } };
  }
  if (!('command' in message) || message.command === null || message.command === 'sent') return message;
  return { ...message, command: make(message.command) };
}
