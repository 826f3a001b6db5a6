/**
 * A snapshot on its way between two replicas: one call, one request, many chunks. The receiver dials, so that
 * it is the one that sets the pace.
 */
import type { ClientReadableStream, Metadata, ServerWritableStream, ServiceError } from '@grpc/grpc-js';
import { KvError } from '../errors.ts';
import {
  decodeSnapshotChunk,
  decodeSnapshotRequest,
  encodeSnapshotChunk,
  encodeSnapshotRequest,
  fromServiceError,
  openChannel,
  replicaService,
  SNAPSHOT_CALL,
  type SnapshotChunk,
  type SnapshotRequest,
  toServiceError,
} from '../wire/index.ts';

export interface ReceiveOptions {
  /** `host:port` */
  readonly address: string;
  /** The handshake. */
  readonly metadata: Metadata;
  /** Throws a KvError if the peer that answers is not to be talked to. */
  readonly check: (answer: Metadata) => void;
  readonly request: SnapshotRequest;
  /** N. */
  readonly replicas: number;
  /** The peer may be silent for so long while a chunk is waited for. */
  readonly silenceMs: number;
  /** Breaks it off. */
  readonly signal: AbortSignal;
}

/**
 * The receiving side. The peer sends no faster than chunks are taken; breaking off hangs up.
 * @throws KvError
 */
export async function* receiveSnapshot(options: ReceiveOptions): AsyncIterable<SnapshotChunk> {
  const { address, metadata, check, request, replicas, silenceMs, signal } = options;
  if (signal.aborted) throw stopping();
  const channel = openChannel(address);
  const { path, requestSerialize, responseDeserialize } = replicaService[SNAPSHOT_CALL];
  const call: ClientReadableStream<Buffer> = channel.client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    encodeSnapshotRequest(request),
    metadata,
  );
  call.on('error', () => undefined); // who iterates is told; after the end nobody is
  call.on('metadata', (answer: Metadata) => {
    try {
      check(answer);
    } catch (error) {
      call.destroy(error instanceof Error ? error : undefined);
    }
  });
  const abort = () => call.destroy(stopping());
  signal.addEventListener('abort', abort);
  try {
    const frames = call[Symbol.asyncIterator]();
    for (;;) {
      const timer = setTimeout(() => {
        call.destroy(new KvError('unreachable', `nothing of the snapshot came for ${silenceMs} ms`));
      }, silenceMs);
      const next = await frames.next().finally(() => clearTimeout(timer));
      if (next.done) return;
      yield decodeSnapshotChunk(next.value, { replicas });
    }
  } catch (error) {
    throw error instanceof KvError ? error : fromServiceError(error as ServiceError);
  } finally {
    signal.removeEventListener('abort', abort);
    call.cancel();
    channel.close();
  }
}

/** The sending side: ends the call when all chunks are sent, the receiver is gone, or something fails. Never rejects. */
export async function sendSnapshot(
  call: ServerWritableStream<Buffer, Buffer>,
  serve: (request: SnapshotRequest) => AsyncIterable<SnapshotChunk>,
): Promise<void> {
  let isOver = false;
  let goOn = () => {};
  const over = () => {
    isOver = true;
    goOn();
  };
  for (const event of ['cancelled', 'error', 'close']) call.on(event, over);
  try {
    for await (const chunk of serve(decodeSnapshotRequest(call.request))) {
      if (isOver) return;
      if (call.write(encodeSnapshotChunk(chunk))) continue;
      await new Promise<void>((resolve) => {
        goOn = resolve;
        call.once('drain', resolve);
        if (isOver) resolve();
      });
      if (isOver) return;
    }
    call.end();
  } catch (error) {
    if (isOver) return;
    const reason = error instanceof KvError ? error : new KvError('internal', String(error));
    call.emit('error', toServiceError(reason));
  }
}

function stopping(): KvError {
  return new KvError('shuttingDown', 'the replica is stopping');
}
