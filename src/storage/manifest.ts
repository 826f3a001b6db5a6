/**
 * Which tables LevelDB has in use: CURRENT names a manifest, a log of which tables came and went. What a merge that was cut off
 * has left is not among them, and may hold anything.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { maskedCrc32c } from './crc32c.ts';
import { LevelCursor } from './level-cursor.ts';

const BLOCK_BYTES = 32 * 1024;
/** Checksum (4 bytes), length (2), kind (1). */
const HEADER_BYTES = 7;
const KIND_AT = 6;
/** Kinds of what is in a log: whole records, and their parts. */
const Part = { none: 0, whole: 1, first: 2, middle: 3, last: 4 } as const;
/** What an entry of a record says. */
const Tag = {
  comparator: 1,
  log: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLog: 9,
} as const;

/**
 * The numbers of the tables in use, as far as the manifest can be read. LevelDB reads it with its checksums, so it
 * is LevelDB that refuses a damaged one, or one that is missing.
 */
export async function tablesInUse(location: string): Promise<ReadonlySet<number>> {
  const tables = new Set<number>();
  const manifest = await readManifest(location);
  if (manifest === null) return tables;
  for (const record of recordsIn(manifest)) {
    try {
      followRecord(new LevelCursor(record), tables);
    } catch {
      break;
    }
  }
  return tables;
}

async function readManifest(location: string): Promise<Buffer | null> {
  try {
    const name = (await readFile(join(location, 'CURRENT'), 'latin1')).trimEnd();
    return /^MANIFEST-\d+$/.test(name) ? await readFile(join(location, name)) : null;
  } catch {
    return null;
  }
}

/** The whole records of a log, up to the first damage. */
function* recordsIn(log: Buffer): Iterable<Buffer> {
  let parts: Buffer[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= log.length) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    const kind = left < HEADER_BYTES ? Part.none : log.readUInt8(at + KIND_AT);
    if (kind === Part.none) {
      at += left; // the rest of the block is empty
      continue;
    }
    const end = at + HEADER_BYTES + log.readUInt16LE(at + 4);
    if (end > log.length || maskedCrc32c(log.subarray(at + KIND_AT, end)) !== log.readUInt32LE(at)) return;
    if (kind === Part.whole || kind === Part.first) parts = [];
    parts.push(log.subarray(at + HEADER_BYTES, end));
    if (kind === Part.whole || kind === Part.last) yield Buffer.concat(parts);
    at = end;
  }
}

function followRecord(cursor: LevelCursor, tables: Set<number>): void {
  while (!cursor.isDone) {
    const tag = cursor.integer();
    switch (tag) {
      case Tag.comparator:
        cursor.skipBytes();
        break;
      case Tag.log:
      case Tag.nextFile:
      case Tag.lastSequence:
      case Tag.previousLog:
        cursor.integer();
        break;
      case Tag.compactPointer:
        cursor.integer(); // the level
        cursor.skipBytes();
        break;
      case Tag.deletedFile:
        cursor.integer();
        tables.delete(cursor.integer());
        break;
      case Tag.newFile:
        cursor.integer();
        tables.add(cursor.integer());
        cursor.integer(); // its size
        cursor.skipBytes(); // its smallest key
        cursor.skipBytes(); // and its largest
        break;
      default:
        throw new Error(`an entry of kind ${tag}`);
    }
  }
}
