/**
 * The clients' streams: one {@link PipelineStream} for each, word of a new generation to all of them, and the end of all
 * when the server stops.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { KvError } from '../../errors.ts';
import type { Clock } from '../../node/index.ts';
import type { KvServiceOptions } from '../gate.ts';
import { PipelineStream } from './pipeline-stream.ts';

/**
 * So often it is looked whether a client takes nothing, and whether a new generation has begun, which lasts far longer
 * (R7.13), in milliseconds.
 */
const LOOK_MS = 1_000;

export interface PipelineServiceOptions extends KvServiceOptions {
  readonly clock: Clock;
  /** A stream was ended whose client took nothing. @param peer as gRPC names it */
  readonly onStalled: (peer: string) => void;
}

export class PipelineService {
  readonly #options: PipelineServiceOptions;
  readonly #streams = new Set<PipelineStream>();
  /** The generation that every stream was told. */
  #generation = 0;
  /** Null while there is no stream. */
  #stopLooking: (() => void) | null = null;

  constructor(options: PipelineServiceOptions) {
    this.#options = options;
  }

  /** Serves one stream until it ends. */
  serve(call: ServerDuplexStream<Buffer, Buffer>): void {
    const stream = new PipelineStream(call, { ...this.#options, onClosed: () => this.#closed(stream) });
    this.#streams.add(stream);
    if (this.#stopLooking !== null) return;
    const { clock, node } = this.#options;
    this.#generation = node.generation;
    this.#stopLooking = clock.every(LOOK_MS, () => {
      this.#lookAtClients();
      this.#lookAtGeneration();
    });
  }

  /** Ends every stream, behind the answers that wait to be sent. What was not read from one was not taken. */
  endAll(error: KvError): void {
    for (const stream of [...this.#streams]) stream.end(error);
  }

  #closed(stream: PipelineStream): void {
    this.#streams.delete(stream);
    if (this.#streams.size > 0) return;
    this.#stopLooking?.();
    this.#stopLooking = null;
  }

  #lookAtClients(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const stream of this.#streams) if (stream.look(nowMs)) this.#options.onStalled(stream.peer);
  }

  /** A client that asks nothing for long would send its next write under a generation that is over, and might fail with it. */
  #lookAtGeneration(): void {
    const { generation } = this.#options.node;
    if (generation === this.#generation) return;
    this.#generation = generation;
    for (const stream of this.#streams) stream.tellGeneration();
  }
}
