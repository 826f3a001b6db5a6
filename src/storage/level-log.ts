/**
 * When LevelDB changes its log, and what must be synced before it does.
 *
 * A batch goes into the log, and into a table in memory. When that has grown beyond `writeBufferSize`, the next batch begins
 * a new log and a new table, and the old log is closed, but not synced (`DBImpl::MakeRoomForWrite`). A sync from then on is one
 * of the new log: what was not synced of the old one may be lost in a power cut, although a later batch is on disk. So
 * the last batch of every log is written with a sync.
 *
 * Which one that will be follows from how the table takes memory (`Arena`, `SkipList`), which is repeated here. Not to
 * depend on that to the byte, syncing begins a little earlier and goes on until the new log is seen in the directory. Nothing else
 * changes the log of an open database, but for compacting by hand, which this program does not do; opening one begins with a
 * new log, and what the old ones held is synced in a table first.
 */
import { readdir } from 'node:fs/promises';
import { syncDirectory } from './sync-directory.ts';

const BLOCK_BYTES = 4_096;
/** What does not fit into the present block and is larger gets a block of its own. */
const SHARED_BYTES = BLOCK_BYTES / 4;
const POINTER_BYTES = 8;
const HIGHEST_NODE = 12;
/** Each entry of the table is followed by a node of the list; one in four is higher by one, and so on. */
const BRANCHING = 4;
const SEED = 0xdeadbeef & 0x7fffffff;
const MULTIPLIER = 16_807;
const MODULUS = 2 ** 31 - 1;
/** Sequence number and kind, behind every key. */
const TAG_BYTES = 8;
/** Syncing begins when so much of the table, as a share of it, is left. */
const MARGIN = 1 / 32;

/** How many bytes a change adds to a batch. */
export interface ChangeSize {
  readonly keyBytes: number;
  readonly valueBytes: number;
}

/** The memory that LevelDB's table takes, as it counts it itself. */
class TableMemory {
  bytes = 0;
  /** Of the present block. */
  #left = 0;
  #random = SEED;

  constructor() {
    this.#takeNode(HIGHEST_NODE);
  }

  add({ keyBytes, valueBytes }: ChangeSize): void {
    const key = keyBytes + TAG_BYTES;
    this.#take(varintBytes(key) + key + varintBytes(valueBytes) + valueBytes);
    let height = 1;
    while (height < HIGHEST_NODE && this.#draw() % BRANCHING === 0) height += 1;
    this.#takeNode(height);
  }

  #takeNode(height: number): void {
    const bytes = POINTER_BYTES * (1 + height);
    const alignment = this.#left % POINTER_BYTES;
    this.#take(bytes + alignment <= this.#left ? bytes + alignment : bytes);
  }

  #take(bytes: number): void {
    if (bytes <= this.#left) {
      this.#left -= bytes;
    } else if (bytes > SHARED_BYTES) {
      this.bytes += bytes + POINTER_BYTES;
    } else {
      this.bytes += BLOCK_BYTES + POINTER_BYTES;
      this.#left = BLOCK_BYTES - bytes;
    }
  }

  #draw(): number {
    this.#random = (this.#random * MULTIPLIER) % MODULUS;
    return this.#random;
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

/** The directory in which a database keeps its logs. */
export interface LogDirectory {
  /** The highest number of a log in it; 0 for none. */
  newestLog(): Promise<number>;
  /** Has the names in it on disk. */
  sync(): Promise<void>;
}

/** The directory of a database in the file system. */
export function directoryOf(location: string): LogDirectory {
  return { newestLog: () => newestLog(location), sync: () => syncDirectory(location) };
}

export class LevelLog {
  readonly #directory: LogDirectory;
  readonly #syncFromBytes: number;
  /** Its number in the directory. */
  #newest: number;
  #table = new TableMemory();

  private constructor(options: { directory: LogDirectory; writeBufferBytes: number; newest: number }) {
    this.#directory = options.directory;
    this.#syncFromBytes = options.writeBufferBytes * (1 - MARGIN);
    this.#newest = options.newest;
  }

  /** The log of a database that was just opened. @throws what reading the directory throws */
  static async open(options: {
    readonly directory: LogDirectory;
    /** LevelDB's `writeBufferSize`. */
    readonly writeBufferBytes: number;
  }): Promise<LevelLog> {
    const newest = await options.directory.newestLog();
    await options.directory.sync();
    return new LevelLog({ ...options, newest });
  }

  /**
   * Writes the next batch.
   * @param changes what is in it
   * @param write is told whether the batch must be synced, whatever else asks for it
   * @throws what `write` or reading the directory throws
   */
  async write(changes: readonly ChangeSize[], write: (isLast: boolean) => Promise<void>): Promise<void> {
    const mayChange = this.#isNearlyFull;
    for (const change of changes) this.#table.add(change);
    await write(this.#isNearlyFull);
    if (!mayChange) return;
    const newest = await this.#directory.newestLog();
    if (newest === this.#newest) return;
    await this.#directory.sync(); // or the new log could be lost with its name
    this.#newest = newest;
    this.#table = new TableMemory(); // begun with this batch
    for (const change of changes) this.#table.add(change);
  }

  get #isNearlyFull(): boolean {
    return this.#table.bytes > this.#syncFromBytes;
  }
}

async function newestLog(location: string): Promise<number> {
  let newest = 0;
  for (const name of await readdir(location)) {
    const number = /^(\d+)\.log$/.exec(name)?.[1];
    if (number !== undefined) newest = Math.max(newest, Number(number));
  }
  return newest;
}
