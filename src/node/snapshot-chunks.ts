/** Cuts the entries of a snapshot into chunks, none of which is larger than a message may be, whatever the entries are. */
import { KvError } from '../errors.ts';
import type { SnapshotChunk, SnapshotEntry } from '../wire/index.ts';

type Cut = Pick<SnapshotChunk, 'entries' | 'rest' | 'done'>;

/**
 * @param options.offset bytes of the first entry's value that are left out
 * @param options.chunkBytes bytes of keys and values in a chunk; it has more only where one key and one byte are more
 * @throws KvError invalidArgument if the first entry has no such offset
 */
export async function* cutIntoChunks(
  source: AsyncIterable<SnapshotEntry>,
  options: { readonly offset: number; readonly chunkBytes: number },
): AsyncIterable<Cut> {
  const { chunkBytes } = options;
  let from = options.offset;
  let entries: SnapshotEntry[] = [];
  let bytes = 0;
  for await (const { key, value } of source) {
    if (from > value.length) throw beyond();
    if (entries.length > 0 && bytes + key.length + value.length > chunkBytes) {
      yield { entries, rest: 0, done: false };
      entries = [];
      bytes = 0;
    }
    const pieceBytes = Math.max(1, chunkBytes - key.length);
    for (; value.length - from > pieceBytes; from += pieceBytes) {
      const piece = { key, value: value.subarray(from, from + pieceBytes) };
      yield { entries: [piece], rest: value.length - from - pieceBytes, done: false };
    }
    const last = value.subarray(from);
    entries.push({ key, value: last });
    bytes += key.length + last.length;
    from = 0;
  }
  if (from > 0) throw beyond();
  yield { entries, rest: 0, done: true };
}

function beyond(): KvError {
  return new KvError('invalidArgument', 'the snapshot has no entry that goes on where the peer says it is');
}
