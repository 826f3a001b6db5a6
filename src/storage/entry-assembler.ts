/**
 * Entries of a snapshot that come in pieces. A piece is stored as it comes, so that neither a broken copy nor a restart
 * begins such an entry anew; with the last one the entry is put together, and the pieces go.
 */
import { assert } from '../util/assert.ts';
import { malformed, type SnapshotChunk, type SnapshotEntry } from '../wire/index.ts';
import type { ByteReader, ByteWrite } from './byte-store.ts';
import { pieceKey } from './keys.ts';
import type { StagedPart } from './storage.ts';

/** More than all previous values in recorded answers may have together, and any other entry. */
const MAX_VALUE_BYTES = 1024 * 1024 * 1024;

export interface AssembledChunk {
  /** The entries that are complete now. */
  readonly whole: readonly SnapshotEntry[];
  /** What becomes of the pieces. */
  readonly writes: ByteWrite[];
  /** The entry of which more is to come; null for none. */
  readonly part: StagedPart | null;
}

/**
 * Takes the next chunk.
 * @param before what is here of the entry that it begins with; null for nothing
 * @throws KvError invalidArgument if the chunk does not go on where the one before ended
 */
export function assemble(
  store: Pick<ByteReader, 'get'>,
  before: StagedPart | null,
  { entries, rest, done }: SnapshotChunk,
): AssembledChunk {
  const whole: SnapshotEntry[] = [];
  const writes: ByteWrite[] = [];
  let part = before;
  for (const [index, entry] of entries.entries()) {
    const toCome = index === entries.length - 1 ? rest : 0;
    checkLength(part, entry, toCome);
    if (toCome === 0) {
      whole.push(part === null ? entry : joined(store, { part, entry, writes }));
      part = null;
      continue;
    }
    const { key, value } = entry;
    const offset = part?.bytes ?? 0;
    writes.push({ key: pieceKey(offset), value });
    part = { key, bytes: offset + value.length, rest: toCome };
  }
  if (done && part !== null) throw malformed('a snapshot ends within an entry');
  return { whole, writes, part };
}

function checkLength(part: StagedPart | null, { key, value }: SnapshotEntry, toCome: number): void {
  if (toCome > 0 && value.length === 0) throw malformed('a snapshot holds a piece of nothing');
  const bytes = value.length + toCome;
  if (part === null) {
    if (bytes > MAX_VALUE_BYTES) throw malformed(`an entry of a snapshot has ${bytes} bytes`);
  } else if (bytes !== part.rest || Buffer.compare(key, part.key) !== 0) {
    throw malformed('a snapshot does not go on within the entry that it broke off in');
  }
}

/** The entry whose pieces are stored, but for the last one. They are removed. */
function joined(
  store: Pick<ByteReader, 'get'>,
  {
    part,
    entry,
    writes,
  }: { readonly part: StagedPart; readonly entry: SnapshotEntry; readonly writes: ByteWrite[] },
): SnapshotEntry {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; offset < part.bytes; offset += pieces.at(-1)?.length ?? 0) {
    const key = pieceKey(offset);
    const piece = store.get(key);
    assert(piece !== undefined && piece.length > 0, 'all pieces are stored');
    pieces.push(piece);
    writes.push({ key, value: null });
  }
  return { key: entry.key, value: Buffer.concat([...pieces, entry.value]) };
}
