/**
 * The answering side: the streams that peers opened to this replica. Requests arrive on them and the
 * replies go back on the same stream. The newest stream of a peer wins: a peer that calls again has
 * restarted, or has given up the older connection.
 */
import type { Metadata, ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import type { ReplicaId } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import {
  decodeBeat,
  encodeBeat,
  HEARTBEAT_STREAM,
  type Lane,
  type MessageStream,
  REPLICA_STREAMS,
  type ReplicaService,
  type ReplicaStream,
  replicaService,
  SNAPSHOT_CALL,
  type SnapshotChunk,
  type SnapshotRequest,
  toServiceError,
} from '../wire/index.ts';
import {
  answerMetadata,
  checkHandshake,
  checkOwnStore,
  checkStore,
  type Membership,
  type PeerStores,
} from './handshake.ts';
import type { QueueLimits, TransportObserver } from './options.ts';
import { OutboundQueue } from './outbound-queue.ts';
import { sendSnapshot } from './snapshot-stream.ts';

type FrameCall = ServerDuplexStream<Buffer, Buffer>;
type SnapshotCall = ServerWritableStream<Buffer, Buffer>;

/** What to add to the gRPC server: `server.addService(definition, implementation)`. */
export interface ReplicaServiceHandlers {
  readonly definition: ReplicaService;
  readonly implementation: Readonly<Record<ReplicaStream, (call: FrameCall) => void>> &
    Readonly<Record<typeof SNAPSHOT_CALL, (call: SnapshotCall) => void>>;
}

export interface IncomingStreamsOptions {
  readonly membership: Membership;
  readonly stores: PeerStores;
  /** Who may call: every other replica. */
  readonly peers: readonly ReplicaId[];
  readonly limits: QueueLimits;
  readonly observer: TransportObserver;
  readonly onDropped: (peer: ReplicaId, count: number) => void;
}

/** Whoever takes what peers ask. */
export interface RequestListener {
  /** A frame of a peer's requests. */
  onFrame(peer: ReplicaId, lane: Lane, frame: Buffer): void;
  /** A heartbeat that is none. */
  onViolation(peer: ReplicaId, reason: KvError): void;
  /** A peer has heard of more than this replica's store holds. */
  onDisowned(error: KvError): void;
  serveSnapshot(peer: ReplicaId, request: SnapshotRequest): AsyncIterable<SnapshotChunk>;
}

/** A stream that a peer opened, and the replies that wait for it. */
interface Incoming {
  readonly call: FrameCall;
  readonly queue: OutboundQueue;
}

export class IncomingStreams {
  readonly service: ReplicaServiceHandlers;
  readonly #options: IncomingStreamsOptions;
  readonly #streams = new Map<string, Incoming>();
  readonly #snapshots = new Set<SnapshotCall>();
  /** By caller, the refusal reported last, so that it is reported once. */
  readonly #refusals = new Map<ReplicaId | null, string>();
  /** Null before the start and after the end: then nobody is let in. */
  #listener: RequestListener | null = null;

  constructor(options: IncomingStreamsOptions) {
    this.#options = options;
    this.service = {
      definition: replicaService,
      implementation: {
        ...(Object.fromEntries(
          REPLICA_STREAMS.map((stream) => [stream, (call: FrameCall) => this.#accept(stream, call)]),
        ) as Record<ReplicaStream, (call: FrameCall) => void>),
        [SNAPSHOT_CALL]: (call) => this.#acceptSnapshot(call),
      },
    };
  }

  /** From now on peers are let in. */
  start(listener: RequestListener): void {
    this.#listener = listener;
  }

  /** The queue of replies on a peer's stream; null while it has none open. */
  queue(peer: ReplicaId, stream: MessageStream): OutboundQueue | null {
    return this.#streams.get(streamKey(peer, stream))?.queue ?? null;
  }

  /** Ends a peer's streams with an error; it may open others. */
  hangUp(peer: ReplicaId, error: KvError): void {
    for (const stream of REPLICA_STREAMS) this.#end(streamKey(peer, stream), error);
  }

  /** Ends every stream, lets nobody in any more, and ignores what still arrives. Idempotent. */
  close(): void {
    this.#listener = null;
    for (const key of [...this.#streams.keys()]) this.#end(key, new KvError('shuttingDown', STOPPING));
    for (const call of this.#snapshots) refuse(call, new KvError('shuttingDown', STOPPING));
  }

  /** The peer that calls, if it is let in; the call is answered with headers then, and refused otherwise. */
  #letIn(call: FrameCall | SnapshotCall): ReplicaId | null {
    const { membership, stores, peers } = this.#options;
    if (!this.#listener) {
      refuse(call, new KvError('shuttingDown', STOPPING));
      return null;
    }
    try {
      const peer = checkHandshake(call.metadata, membership, peers);
      checkStore(call.metadata, { peer, stores, code: 'dataDirectoryMismatch' });
      if (this.#hasGoneBack(call, peer)) return null;
      this.#refusals.delete(peer);
      call.sendMetadata(answerMetadata(peer, stores));
      return peer;
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      this.#reportRefusal(call.metadata, error);
      refuse(call, error);
      return null;
    }
  }

  /** Whether the peer knows that this replica's store has gone back: then it is told to everybody here, and nothing to the peer. */
  #hasGoneBack(call: FrameCall | SnapshotCall, peer: ReplicaId): boolean {
    try {
      checkOwnStore(call.metadata, { peer, stores: this.#options.stores });
      return false;
    } catch (error) {
      if (!(error instanceof KvError) || error.code !== 'dataDirectoryMismatch') throw error;
      this.#listener?.onDisowned(error);
      refuse(call, new KvError('shuttingDown', STOPPING));
      return true;
    }
  }

  #accept(stream: ReplicaStream, call: FrameCall): void {
    const { limits, onDropped } = this.#options;
    const peer = this.#letIn(call);
    if (peer === null) return;
    const key = streamKey(peer, stream);
    this.#end(key, new KvError('connectionLost', `replica ${peer} has opened the stream ${stream} again`));
    const queue = new OutboundQueue(call, { limits, onDropped: (count) => onDropped(peer, count) });
    const incoming: Incoming = { call, queue };
    this.#streams.set(key, incoming);
    this.#listen(call, { peer, stream });
    call.on('end', () => call.end());
    for (const event of ['end', 'cancelled', 'error', 'close']) {
      call.on(event, () => {
        queue.close();
        if (this.#streams.get(key) === incoming) this.#streams.delete(key);
      });
    }
  }

  #listen(call: FrameCall, from: { readonly peer: ReplicaId; readonly stream: ReplicaStream }): void {
    const { peer, stream } = from;
    if (stream === HEARTBEAT_STREAM) {
      call.on('data', (frame: Buffer) => {
        if (this.#isCurrent(call, from)) this.#answerPing(call, { peer, frame });
      });
      return;
    }
    const lane: Lane = { stream, direction: 'request' };
    call.on('data', (frame: Buffer) => {
      if (this.#isCurrent(call, from)) this.#listener?.onFrame(peer, lane, frame);
    });
  }

  /** What still lies in a stream that was ended is not taken. */
  #isCurrent(
    call: FrameCall,
    { peer, stream }: { readonly peer: ReplicaId; readonly stream: ReplicaStream },
  ) {
    return this.#streams.get(streamKey(peer, stream))?.call === call;
  }

  #acceptSnapshot(call: SnapshotCall): void {
    const peer = this.#letIn(call);
    const listener = this.#listener;
    if (peer === null || listener === null) return;
    this.#snapshots.add(call);
    void sendSnapshot(call, (request) => listener.serveSnapshot(peer, request)).finally(() => {
      this.#snapshots.delete(call);
    });
  }

  #answerPing(call: FrameCall, { peer, frame }: { readonly peer: ReplicaId; readonly frame: Buffer }): void {
    // A peer that does not read its pongs gets no more of them.
    if (call.writableNeedDrain || !call.writable) return;
    try {
      const { sequence, mark } = decodeBeat(frame);
      const { stores } = this.#options;
      if (mark !== null) stores.heard(peer, mark);
      call.write(encodeBeat({ sequence, mark: stores.mark() }));
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      this.#listener?.onViolation(peer, error);
    }
  }

  #end(key: string, error: KvError): void {
    const incoming = this.#streams.get(key);
    if (!incoming) return;
    this.#streams.delete(key);
    incoming.queue.close();
    refuse(incoming.call, error);
  }

  #reportRefusal(metadata: Metadata, error: KvError): void {
    const { observer, membership } = this.#options;
    // Keyed by the id it claims, if that is one of the cluster's at all: strangers must not fill the memory.
    const claimed = Number(metadata.get('epaxos-from')[0]);
    const caller = claimed >= 1 && claimed <= membership.replicas ? claimed : null;
    if (this.#refusals.get(caller) === error.message) return;
    this.#refusals.set(caller, error.message);
    observer({ type: 'callerRefused', error });
  }
}

const STOPPING = 'the replica is starting or stopping and takes no calls from its peers';

function streamKey(peer: ReplicaId, stream: ReplicaStream): string {
  return `${peer} ${stream}`;
}

/** Ends a call with an error status. */
function refuse(call: FrameCall | SnapshotCall, error: KvError): void {
  call.emit('error', toServiceError(error));
}
