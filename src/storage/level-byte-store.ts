/**
 * Bytes in a LevelDB database, one chained batch a write.
 *
 * LevelDB as its binding opens it does not verify checksums of what it reads, and drops damaged parts of its
 * log in silence. A replica must not forget what it has said (R6.1), nor lose one batch and keep a later
 * one, so two things are added: every value ends with a checksum over key and value; and every batch notes
 * its number and removes the note of the batch before, so that a batch that went missing between others
 * leaves a second note behind. Batches that are missing at the end of the log alone look like what any crash
 * may take, and cannot be told from it.
 */
import { crc32 } from 'node:zlib';
import { Level } from 'level';
import { KvError } from '../errors.ts';
import type { ByteRange, ByteStore, ByteWrite } from './byte-store.ts';
import { BATCH_RANGE, batchKey, parseBatchKey } from './keys.ts';

const CHECKSUM_BYTES = 4;
const NOTHING = new Uint8Array(0);

type Database = Level<Uint8Array, Uint8Array>;

function seal(key: Uint8Array, value: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(value.length + CHECKSUM_BYTES);
  sealed.set(value);
  sealed.writeUInt32BE(crc32(value, crc32(key)), value.length);
  return sealed;
}

/** The reason why an operation of the database failed: the binding's error is often the cause of a general one. */
function reasonOf(error: unknown): { readonly code: unknown; readonly message: string } {
  if (!(error instanceof Error)) return { code: undefined, message: String(error) };
  const inner = error.cause instanceof Error ? error.cause : error;
  return { code: 'code' in inner ? inner.code : undefined, message: inner.message };
}

export class LevelByteStore implements ByteStore {
  readonly location: string;
  readonly #database: Database;
  /** The number of the newest batch; the first has 1. */
  #batches: number;
  /** Settles with the last write: batches are written one after another. */
  #lastWrite: Promise<void> = Promise.resolve();
  #failure: KvError | null = null;
  #closing: Promise<void> | null = null;

  private constructor(options: { location: string; database: Database; batches: number }) {
    this.location = options.location;
    this.#database = options.database;
    this.#batches = options.batches;
  }

  /**
   * Opens the database in a directory; with `create` it is made where there is none.
   * @throws KvError dataDirectoryLocked if a process has it open, storageFailure if it cannot be opened, is
   *   corrupt, or has lost a batch
   */
  static async open(options: {
    readonly location: string;
    readonly create: boolean;
  }): Promise<LevelByteStore> {
    const { location } = options;
    const database: Database = new Level(location, {
      keyEncoding: 'view',
      valueEncoding: 'view',
      createIfMissing: options.create,
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
      return new LevelByteStore({ location, database, batches: await countBatches(database, location) });
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const sealed = this.#try('reading', () => this.#database.getSync(key));
    return sealed && this.#unseal(key, sealed);
  }

  async *entries(range: ByteRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]> {
    // An iterator reads from a snapshot that is taken here.
    const iterator = this.#try('reading', () => this.#database.iterator({ gte: range.start, lt: range.end }));
    try {
      for (;;) {
        const entry = await iterator.next().catch((error: unknown) => this.#fail('reading', error));
        if (entry === undefined) return;
        const [key, sealed] = entry;
        yield [key, this.#unseal(key, sealed)];
      }
    } finally {
      await iterator.close();
    }
  }

  write(writes: readonly ByteWrite[], options: { readonly sync: boolean }): Promise<void> {
    const written = this.#write(writes, options);
    this.#lastWrite = written.catch(() => {}); // the caller is told; the next write is refused
    return written;
  }

  close(): Promise<void> {
    this.#closing ??= this.#lastWrite
      .then(() => this.#database.close())
      .catch((error: unknown) => this.#fail('closing', error));
    return this.#closing;
  }

  async #write(writes: readonly ByteWrite[], options: { readonly sync: boolean }): Promise<void> {
    if (this.#closing) throw this.#describe('writing', new Error('the store is closed'));
    // The bytes are handed over to the database here, before the first wait.
    const batch = this.#try('writing', () => this.#database.batch());
    for (const { key, value } of writes) {
      if (value === null) batch.del(key);
      else batch.put(key, seal(key, value));
    }
    const note = batchKey(this.#batches + 1);
    batch.put(note, seal(note, NOTHING));
    if (this.#batches > 0) batch.del(batchKey(this.#batches));
    this.#batches += 1;
    await this.#lastWrite;
    // What follows a batch that is missing must not be there: the database itself may well recover.
    if (this.#failure) throw this.#failure;
    try {
      await batch.write(options);
    } catch (error) {
      this.#failure = this.#describe('writing', error);
      throw this.#failure;
    }
  }

  #unseal(key: Uint8Array, sealed: Uint8Array): Uint8Array {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    const length = bytes.length - CHECKSUM_BYTES;
    if (length >= 0) {
      const value = bytes.subarray(0, length);
      if (bytes.readUInt32BE(length) === crc32(value, crc32(key))) return value;
    }
    const place = Buffer.from(key).toString('hex');
    throw new KvError('storageFailure', `${this.location} is damaged: wrong checksum of entry ${place}`);
  }

  #try<T>(what: string, attempt: () => T): T {
    try {
      return attempt();
    } catch (error) {
      return this.#fail(what, error);
    }
  }

  #fail(what: string, error: unknown): never {
    throw this.#describe(what, error);
  }

  #describe(what: string, error: unknown): KvError {
    return new KvError('storageFailure', `${what} ${this.location} failed: ${reasonOf(error).message}`, {
      cause: error,
    });
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
