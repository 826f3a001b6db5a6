/**
 * Snapshots on their way from one replica to another that is too far behind (R9.3): entries of the
 * sender's store in the order of their keys, in chunks.
 */
import { FIRST_EPOCH, type Pruned } from '../../epaxos/index.ts';
import { checkCount, checkEpoch, type DecodeContext, malformed } from '../check.ts';
import { messageCodec } from '../schema.ts';
import { prunedFromWire } from './pruned.ts';

/** One entry of a store, as bytes; what the key says is known to storage/ alone. */
export interface SnapshotEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface SnapshotRequest {
  /** The snapshot that was begun; '' for none. One that the sender has no more is begun anew. */
  readonly id: string;
  /** The key of the last entry that has arrived of it as a whole; no bytes for none. */
  readonly after: Uint8Array;
  /** Bytes of the value of the entry behind that one which have arrived, too. */
  readonly offset: number;
}

export interface SnapshotChunk {
  /** Which snapshot it is of. One that was not asked for begins from the beginning. */
  readonly id: string;
  /** The sender's, the same in all chunks of a snapshot. */
  readonly pruned: Pruned;
  /** In the order of their keys, right after those of the chunk before. A large one may go on in the next chunk. */
  readonly entries: readonly SnapshotEntry[];
  /** Bytes of the last entry's value that are still to come: the next chunk begins with them, under the same key. */
  readonly rest: number;
  /** True in the last chunk. */
  readonly done: boolean;
}

const ID_CHARACTERS = 64;

interface WireChunk extends Omit<SnapshotChunk, 'pruned'> {
  readonly epoch: number;
  readonly pruned: Pruned | null;
}

/** Which epoch it is of. */
interface OfEpoch {
  readonly epoch: number;
}

const requestType = messageCodec<SnapshotRequest & OfEpoch>('SnapshotRequest');
const chunkType = messageCodec<WireChunk>('SnapshotChunk');

export function encodeSnapshotRequest(request: SnapshotRequest): Buffer {
  return requestType.encode({ ...request, epoch: FIRST_EPOCH });
}

/** @throws KvError invalidArgument */
export function decodeSnapshotRequest(bytes: Uint8Array): SnapshotRequest {
  const { id, after, offset, epoch } = requestType.decode(bytes);
  checkEpoch(epoch);
  return { id: checkId(id), after, offset: checkCount(offset, 'the offset') };
}

export function encodeSnapshotChunk(chunk: SnapshotChunk): Buffer {
  return chunkType.encode({ ...chunk, epoch: FIRST_EPOCH });
}

/**
 * Keys and values are views of `bytes`, which must not be changed afterwards.
 * @throws KvError invalidArgument
 */
export function decodeSnapshotChunk(bytes: Uint8Array, context: DecodeContext): SnapshotChunk {
  const { id, pruned, entries, rest, done, epoch } = chunkType.decode(bytes);
  checkEpoch(epoch);
  if (id === '') throw malformed('the snapshot has no id');
  return {
    id: checkId(id),
    pruned: prunedFromWire(pruned, context),
    entries: entries.map(({ key, value }) => ({ key, value })),
    rest: checkCount(rest, 'the rest of an entry'),
    done,
  };
}

function checkId(id: string): string {
  if (id.length > ID_CHARACTERS) throw malformed(`the snapshot's id has ${id.length} characters`);
  return id;
}
