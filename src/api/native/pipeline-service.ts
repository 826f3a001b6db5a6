/** The clients' streams: one {@link PipelineStream} for each, and the end of all of them when the server stops. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { KvError } from '../../errors.ts';
import type { KvServiceOptions } from '../gate.ts';
import { PipelineStream } from './pipeline-stream.ts';

export class PipelineService {
  readonly #options: KvServiceOptions;
  readonly #streams = new Set<PipelineStream>();

  constructor(options: KvServiceOptions) {
    this.#options = options;
  }

  /** Serves one stream until it ends. */
  serve(call: ServerDuplexStream<Buffer, Buffer>): void {
    const stream = new PipelineStream(call, {
      ...this.#options,
      onClosed: () => this.#streams.delete(stream),
    });
    this.#streams.add(stream);
  }

  /** Ends every stream, behind the answers that wait to be sent. What was not read from one was not taken. */
  endAll(): void {
    for (const stream of this.#streams) {
      stream.end(
        new KvError('shuttingDown', 'the replica is stopping; ask another one', { outcome: 'notApplied' }),
      );
    }
  }
}
