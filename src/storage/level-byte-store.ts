/**
 * Bytes in a LevelDB database, one chained batch a write.
 *
 * LevelDB as its binding opens it does not verify checksums of what it reads, and drops damaged parts of its
 * log in silence. A replica must not forget what it has said (R6.1), nor lose one batch and keep a later
 * one, so two things are added: every value ends with a checksum over key and value; and every batch notes
 * its number and removes the note of the batch before, so that a batch that went missing between others
 * leaves a second note behind. Batches that are missing at the end of the log alone look like what any crash
 * may take, and cannot be told from it.
 *
 * Nor does it sync a log that is full before it begins the next one; level-log.ts sees to that.
 */
import { Level } from 'level';
import { KvError } from '../errors.ts';
import { NO_BYTES } from '../util/no-bytes.ts';
import type { ByteRange, ByteReader, ByteStore, ByteWrite } from './byte-store.ts';
import { BATCH_RANGE, batchKey, parseBatchKey } from './keys.ts';
import { type ChangeSize, directoryOf, LevelLog, type LogDirectory } from './level-log.ts';
import { attempt, type Database, failure, LevelReader, reasonOf, seal } from './level-reader.ts';

/**
 * LevelDB collects so many bytes in memory, and its log, before it makes a file of them; twice that is in memory at the
 * most. With its own 4 MiB a busy replica spends up to a tenth more processor time, on merging files of what is removed
 * again a few seconds later.
 */
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;

export class LevelByteStore implements ByteStore {
  readonly location: string;
  readonly #database: Database;
  readonly #reader: LevelReader;
  readonly #log: LevelLog;
  /** The number of the newest batch; the first has 1. */
  #batches: number;
  #synced: number;
  /** Settles with the last write: batches are written one after another. */
  #lastWrite: Promise<void> = Promise.resolve();
  #failure: KvError | null = null;
  #closing: Promise<void> | null = null;

  private constructor(options: { location: string; database: Database; log: LevelLog; batches: number }) {
    this.location = options.location;
    this.#database = options.database;
    this.#log = options.log;
    this.#reader = new LevelReader(options);
    this.#batches = options.batches;
    this.#synced = options.batches; // opening syncs what it finds
  }

  /**
   * Opens the database in a directory; with `create` it is made where there is none.
   * @throws KvError dataDirectoryLocked if a process has it open, storageFailure if it cannot be opened, is
   *   corrupt, or has lost a batch
   */
  static async open(options: {
    readonly location: string;
    readonly create: boolean;
    /** How much LevelDB collects in memory, at least 64 KiB. Undefined: {@link WRITE_BUFFER_BYTES}. */
    readonly writeBufferBytes?: number;
  }): Promise<LevelByteStore> {
    const { location, writeBufferBytes = WRITE_BUFFER_BYTES } = options;
    const database: Database = new Level(location, {
      keyEncoding: 'view',
      valueEncoding: 'view',
      createIfMissing: options.create,
      writeBufferSize: writeBufferBytes,
    });
    try {
      await database.open();
    } catch (error) {
      const { code, message } = reasonOf(error);
      if (code === 'LEVEL_LOCKED') {
        throw new KvError(
          'dataDirectoryLocked',
          `${location} is in use by another process; stop that process first, or choose another data directory`,
          { cause: error },
        );
      }
      throw new KvError('storageFailure', `cannot open ${location}: ${message}`, { cause: error });
    }
    try {
      return await LevelByteStore.over({
        location,
        database,
        directory: directoryOf(location),
        writeBufferBytes,
      });
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /**
   * The store in a database that is open, and was opened just now.
   * @param options `directory`: where it keeps its logs
   * @throws KvError storageFailure if it has lost a batch, or the directory cannot be read
   */
  static async over(options: {
    readonly location: string;
    readonly database: Database;
    readonly directory: LogDirectory;
    readonly writeBufferBytes: number;
  }): Promise<LevelByteStore> {
    const { location, database } = options;
    const log = await LevelLog.open(options).catch((error: unknown) => {
      throw failure(location, 'opening', error);
    });
    return new LevelByteStore({ location, database, log, batches: await countBatches(database, location) });
  }

  get synced(): number {
    return this.#synced;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#reader.get(key);
  }

  entries(range: ByteRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]> {
    return this.#reader.entries(range);
  }

  keys(range: ByteRange): AsyncIterable<Uint8Array> {
    return this.#reader.keys(range);
  }

  snapshot(): ByteReader {
    const { location } = this;
    return LevelReader.ofSnapshot({ location, database: this.#database });
  }

  write(writes: readonly ByteWrite[], options: { readonly sync: boolean }): Promise<void> {
    const written = this.#write(writes, options);
    this.#lastWrite = written.catch(() => {}); // the caller is told; the next write is refused
    return written;
  }

  close(): Promise<void> {
    this.#closing ??= this.#lastWrite
      .then(() => this.#database.close())
      .catch((error: unknown) => {
        throw failure(this.location, 'closing', error);
      });
    return this.#closing;
  }

  async #write(writes: readonly ByteWrite[], options: { readonly sync: boolean }): Promise<void> {
    if (this.#closing) throw failure(this.location, 'writing', new Error('the store is closed'));
    // The bytes are handed over to the database here, before the first wait.
    const batch = attempt(this.location, 'writing', () => this.#database.batch());
    const changes: ChangeSize[] = [];
    const put = (key: Uint8Array, value: Uint8Array) => {
      const sealed = seal(key, value);
      batch.put(key, sealed);
      changes.push({ keyBytes: key.length, valueBytes: sealed.length });
    };
    const remove = (key: Uint8Array) => {
      batch.del(key);
      changes.push({ keyBytes: key.length, valueBytes: 0 });
    };
    for (const { key, value } of writes) {
      if (value === null) remove(key);
      else put(key, value);
    }
    // Every batch has a note, so that none is empty: LevelDB may skip an empty one, and the sync with it.
    put(batchKey(this.#batches + 1), NO_BYTES);
    if (this.#batches > 0) remove(batchKey(this.#batches));
    this.#batches += 1;
    const number = this.#batches;
    await this.#lastWrite;
    // What follows a batch that is missing must not be there: the database itself may well recover.
    if (this.#failure) throw this.#failure;
    try {
      await this.#log.write(changes, async (isLast) => {
        const sync = options.sync || isLast;
        await batch.write({ sync });
        if (sync) this.#synced = number;
      });
    } catch (error) {
      this.#failure = failure(this.location, 'writing', error);
      throw this.#failure;
    }
  }
}

/** The number of the newest batch, 0 if there is none. */
async function countBatches(database: Database, location: string): Promise<number> {
  const notes: number[] = [];
  try {
    for await (const key of database.keys({ gte: BATCH_RANGE.start, lt: BATCH_RANGE.end })) {
      notes.push(parseBatchKey(key));
    }
  } catch (error) {
    throw new KvError('storageFailure', `cannot read ${location}: ${reasonOf(error).message}`, {
      cause: error,
    });
  }
  if (notes.length > 1) {
    throw new KvError(
      'storageFailure',
      `${location} is damaged: batches are missing after number ${notes[0]}; it must not be used any more`,
    );
  }
  return notes[0] ?? 0;
}
