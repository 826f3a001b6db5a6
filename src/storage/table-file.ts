/**
 * The checksums in LevelDB's tables. Its binding opens them without looking at any, whereas one wrong bit in a filter, in
 * the index or in the tag of a key hides a row from `get`, the latter from an iterator, too.
 *
 * A table is a row of blocks, each followed by its kind and the checksum of both; then comes a footer, which names
 * the block that names the filter, and the index, which names all others.
 */
import { readFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { maskedCrc32c } from './crc32c.ts';
import { LevelCursor } from './level-cursor.ts';
import { uncompress } from './snappy.ts';

/** Kind (1 byte) and checksum (4), behind each block. */
const TRAILER_BYTES = 5;
const FOOTER_BYTES = 48;
/** The last bytes of a table. */
const MAGIC = Buffer.from('57fb808b247547db', 'hex');
const COMPRESSED = 1;
/** How much is looked at before others have their turn. */
const TURN_BYTES = 256 * 1024;

interface BlockHandle {
  readonly offset: number;
  readonly bytes: number;
}

function readHandle(cursor: LevelCursor): BlockHandle {
  return { offset: cursor.integer(), bytes: cursor.integer() };
}

/** What was found of a table. */
export interface TableReport {
  readonly bytes: number;
  /** What is wrong with it; null for nothing. */
  readonly damage: string | null;
}

/** Reads all of a table. @throws the file system's error */
export async function checkTable(path: string): Promise<TableReport> {
  const file = await readFile(path);
  const bytes = file.length;
  const footerAt = bytes - FOOTER_BYTES;
  if (footerAt < 0 || !file.subarray(-MAGIC.length).equals(MAGIC)) {
    return { bytes, damage: 'it does not end as a table does' };
  }
  try {
    await checkBlocks(file, footerAt);
    return { bytes, damage: null };
  } catch (error) {
    return { bytes, damage: error instanceof Error ? error.message : String(error) };
  }
}

async function checkBlocks(file: Buffer, footerAt: number): Promise<void> {
  const footer = new LevelCursor(file.subarray(footerAt));
  const names = readHandle(footer);
  const index = readHandle(footer);
  const handles = [names, index];
  for (const list of [names, index]) handles.push(...handlesIn(checkedBlock(file, list)));
  let covered = 0;
  let inTurn = 0;
  for (const handle of handles) {
    checkedBlock(file, handle);
    covered += handle.bytes + TRAILER_BYTES;
    inTurn += handle.bytes;
    if (inTurn < TURN_BYTES) continue;
    inTurn = 0;
    await nextTurn();
  }
  if (covered !== footerAt) throw new Error(`its blocks have ${covered} bytes of ${footerAt}`);
}

/** The block's bytes, compressed or not, with its kind. */
function checkedBlock(file: Buffer, { offset, bytes }: BlockHandle): Buffer {
  const end = offset + bytes + 1;
  if (end + 4 > file.length) throw new Error(`a block at ${offset} is beyond its end`);
  const block = file.subarray(offset, end);
  if (maskedCrc32c(block) !== file.readUInt32LE(end))
    throw new Error(`wrong checksum of the block at ${offset}`);
  return block;
}

/** The handles that are the values of a block's entries. */
function handlesIn(block: Buffer): BlockHandle[] {
  const raw = block.subarray(0, -1);
  const contents = block.at(-1) === COMPRESSED ? uncompress(raw) : raw;
  // Behind the entries are the places where keys are whole, and how many there are.
  const end = contents.length - 4 * (1 + contents.readUInt32LE(contents.length - 4));
  const cursor = new LevelCursor(contents.subarray(0, end));
  const handles: BlockHandle[] = [];
  while (!cursor.isDone) {
    cursor.integer(); // so much of the key before
    const keyBytes = cursor.integer();
    cursor.integer(); // the length of the handle
    cursor.skip(keyBytes);
    handles.push(readHandle(cursor));
  }
  return handles;
}
