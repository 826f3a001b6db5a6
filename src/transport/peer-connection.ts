/**
 * One connection to one peer, from dialling to its end: a channel of its own with every stream of the
 * Replica service open on it. It is good or it is given up as a whole: the first stream that ends, or
 * long silence, ends the connection, and whoever wants another makes a new one.
 */
import type { ClientDuplexStream, Metadata, ServiceError } from '@grpc/grpc-js';
import { KvError } from '../errors.ts';
import {
  type BeatMessage,
  type DisposableChannel,
  decodeBeat,
  encodeBeat,
  fromServiceError,
  HEARTBEAT_STREAM,
  type Lane,
  MESSAGE_STREAMS,
  type MessageStream,
  openChannel,
  type ReplicaStream,
  replicaService,
  type StoreMark,
} from '../wire/index.ts';
import { Heartbeat } from './heartbeat.ts';
import type { QueueLimits, TransportTiming } from './options.ts';
import { OutboundQueue } from './outbound-queue.ts';

type FrameStream = ClientDuplexStream<Buffer, Buffer>;

export interface PeerConnectionOptions {
  /** `host:port` */
  readonly address: string;
  /** The handshake. */
  readonly metadata: Metadata;
  /** Throws a KvError if the peer that answers is not to be talked to; nothing is used before. */
  readonly check: (answer: Metadata) => void;
  /** How far this replica's store has come. */
  readonly mark: () => StoreMark | null;
  readonly timing: TransportTiming;
  readonly limits: QueueLimits;
  readonly events: PeerConnectionEvents;
}

/** None is called from within the constructor, and none after `onClosed` or once `close()` has returned. */
export interface PeerConnectionEvents {
  /** The peer answered the first ping. */
  onOpen(): void;
  /** An open connection has been silent for too long, or is heard again. */
  onQuiet(quiet: boolean): void;
  onFrame(lane: Lane, frame: Buffer): void;
  /** A heartbeat was answered with what is none. */
  onViolation(reason: KvError): void;
  /** How far the peer's store has come. */
  onMark(mark: StoreMark): void;
  onRoundTrip(roundTripMs: number): void;
  onDropped(count: number): void;
  /** The connection ended by itself. */
  onClosed(error: KvError): void;
}

export class PeerConnection {
  readonly #options: PeerConnectionOptions;
  readonly #channel: DisposableChannel;
  readonly #queues: ReadonlyMap<MessageStream, OutboundQueue>;
  readonly #heartbeatStream: FrameStream;
  readonly #heartbeat: Heartbeat;
  readonly #timer: NodeJS.Timeout;
  #quiet = false;
  #closed = false;

  constructor(options: PeerConnectionOptions) {
    const { heartbeatIntervalMs, silenceMs, hangUpMs, connectTimeoutMs } = options.timing;
    this.#options = options;
    this.#channel = openChannel(options.address);
    this.#heartbeat = new Heartbeat({
      intervalMs: heartbeatIntervalMs,
      silenceMs,
      hangUpMs,
      connectTimeoutMs,
      nowMs: performance.now(),
    });
    this.#queues = new Map(MESSAGE_STREAMS.map((name) => [name, this.#openQueue(name)]));
    this.#heartbeatStream = this.#openStream(HEARTBEAT_STREAM, (frame) => this.#onPong(frame));
    this.#timer = setInterval(() => this.#beat(), heartbeatIntervalMs);
    this.#beat();
  }

  /** The queue of requests on a stream; null before the peer has answered and after the end. */
  queue(stream: MessageStream): OutboundQueue | null {
    if (this.#closed || !this.#heartbeat.answered) return null;
    return this.#queues.get(stream) ?? null;
  }

  /** Ends every stream and the connection. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    for (const queue of this.#queues.values()) queue.close();
    this.#channel.close();
  }

  /** The same, and `onClosed` follows. */
  breakOff(error: KvError): void {
    if (this.#closed) return;
    this.close();
    this.#options.events.onClosed(error);
  }

  #openQueue(name: MessageStream): OutboundQueue {
    const { limits, events } = this.#options;
    const lane: Lane = { stream: name, direction: 'response' };
    const stream = this.#openStream(name, (frame) => {
      this.#heartbeat.heard(performance.now());
      this.#noteQuiet();
      events.onFrame(lane, frame);
    });
    return new OutboundQueue(stream, { limits, onDropped: (count) => events.onDropped(count) });
  }

  #openStream(name: ReplicaStream, onFrame: (frame: Buffer) => void): FrameStream {
    const { path, requestSerialize, responseDeserialize } = replicaService[name];
    const stream: FrameStream = this.#channel.client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      this.#options.metadata,
    );
    // Headers come before the first frame.
    stream.on('metadata', (answer: Metadata) => this.#check(answer));
    stream.on('data', (frame: Buffer) => {
      if (!this.#closed) onFrame(frame);
    });
    stream.on('error', (error: ServiceError) => this.breakOff(fromServiceError(error)));
    stream.on('end', () => this.breakOff(new KvError('connectionLost', `the peer ended the stream ${name}`)));
    return stream;
  }

  #check(answer: Metadata): void {
    if (this.#closed) return;
    try {
      this.#options.check(answer);
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      this.breakOff(error);
    }
  }

  #beat(): void {
    const beat = this.#heartbeat.beat(performance.now());
    if (beat.type === 'ping') {
      this.#heartbeatStream.write(encodeBeat({ sequence: beat.sequence, mark: this.#options.mark() }));
    }
    if (beat.type === 'silent') {
      this.breakOff(new KvError('unreachable', `no answer for ${Math.round(beat.forMs)} ms`));
    }
    this.#noteQuiet();
  }

  #noteQuiet(): void {
    const quiet = this.#heartbeat.isQuiet(performance.now());
    if (this.#closed || quiet === this.#quiet) return;
    this.#quiet = quiet;
    this.#options.events.onQuiet(quiet);
  }

  #onPong(frame: Buffer): void {
    let pong: BeatMessage;
    try {
      pong = decodeBeat(frame);
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      this.#options.events.onViolation(error);
      return;
    }
    const opened = !this.#heartbeat.answered;
    if (pong.mark !== null) this.#options.events.onMark(pong.mark);
    const roundTripMs = this.#heartbeat.pong(pong.sequence, performance.now());
    if (roundTripMs !== null) this.#options.events.onRoundTrip(roundTripMs);
    this.#noteQuiet();
    if (!opened) return;
    this.#options.events.onOpen();
    if (!this.#closed) this.#beat(); // the first round trip is measured without waiting for the timer
  }
}
