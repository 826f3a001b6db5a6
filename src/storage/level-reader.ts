/** Reading from a LevelDB database, as it is or as it was at one moment; the checksums of its values. */
import { crc32 } from 'node:zlib';
import type { Level } from 'level';
import { KvError } from '../errors.ts';
import { asBuffer } from '../util/as-buffer.ts';
import type { ByteRange, ByteReader } from './byte-store.ts';

export type Database = Level<Uint8Array, Uint8Array>;
type Snapshot = ReturnType<Database['snapshot']>;

const CHECKSUM_BYTES = 4;

/** A value as it is stored: with a checksum over key and value at its end. */
export function seal(key: Uint8Array, value: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(value.length + CHECKSUM_BYTES);
  sealed.set(value);
  sealed.writeUInt32BE(checksumOf(key, value), value.length);
  return sealed;
}

/**
 * Of key and value, one behind the other. Node's crc32 begins anew when it is given no bytes that lie nowhere, as those of an
 * empty array do once its buffer has been looked at.
 */
function checksumOf(key: Uint8Array, value: Uint8Array): number {
  const ofKey = crc32(key);
  return value.length === 0 ? ofKey : crc32(value, ofKey);
}

/** The reason why an operation of the database failed: the binding's error is often the cause of a general one. */
export function reasonOf(error: unknown): { readonly code: unknown; readonly message: string } {
  if (!(error instanceof Error)) return { code: undefined, message: String(error) };
  const inner = error.cause instanceof Error ? error.cause : error;
  return { code: 'code' in inner ? inner.code : undefined, message: inner.message };
}

/** The error for what could not be done with the database. */
export function failure(location: string, what: string, error: unknown): KvError {
  return new KvError('storageFailure', `${what} ${location} failed: ${reasonOf(error).message}`, {
    cause: error,
  });
}

/** @throws KvError storageFailure instead of whatever `action` throws */
export function attempt<T>(location: string, what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw failure(location, what, error);
  }
}

/** An iterator of the database over keys, or over entries. */
interface Cursor<T> {
  next(): Promise<T | undefined>;
  close(): Promise<void>;
}

export class LevelReader implements ByteReader {
  readonly location: string;
  readonly #database: Database;
  readonly #snapshot: Snapshot | null;
  readonly #view: { readonly snapshot: Snapshot } | undefined;

  constructor(options: {
    readonly location: string;
    readonly database: Database;
    /** Absent: the database as it is at every moment. */
    readonly snapshot?: Snapshot;
  }) {
    this.location = options.location;
    this.#database = options.database;
    this.#snapshot = options.snapshot ?? null;
    // Reading with no options at all is what the database does fastest.
    this.#view = this.#snapshot === null ? undefined : { snapshot: this.#snapshot };
  }

  /** The database as it is now. */
  static ofSnapshot(options: { readonly location: string; readonly database: Database }): LevelReader {
    const snapshot = attempt(options.location, 'reading', () => options.database.snapshot());
    return new LevelReader({ ...options, snapshot });
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const sealed = attempt(this.location, 'reading', () =>
      this.#view === undefined ? this.#database.getSync(key) : this.#database.getSync(key, this.#view),
    );
    return sealed && this.#unseal(key, sealed);
  }

  async *entries({ start, end }: ByteRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]> {
    // An iterator reads from a snapshot that is taken here, if there is none yet.
    const cursor = () => this.#database.iterator({ gte: start, lt: end, ...this.#view });
    for await (const [key, sealed] of this.#follow(cursor)) yield [key, this.#unseal(key, sealed)];
  }

  keys({ start, end }: ByteRange): AsyncIterable<Uint8Array> {
    return this.#follow(() => this.#database.keys({ gte: start, lt: end, ...this.#view }));
  }

  /** Lets go of the snapshot, once iterations over it have ended; the database stays open. */
  async close(): Promise<void> {
    await this.#snapshot?.close();
  }

  async *#follow<T>(open: () => Cursor<T>): AsyncIterable<T> {
    const cursor = attempt(this.location, 'reading', open);
    try {
      for (;;) {
        const next = await cursor.next().catch((error: unknown) => {
          throw failure(this.location, 'reading', error);
        });
        if (next === undefined) return;
        yield next;
      }
    } finally {
      await cursor.close();
    }
  }

  #unseal(key: Uint8Array, sealed: Uint8Array): Uint8Array {
    const bytes = asBuffer(sealed);
    const length = bytes.length - CHECKSUM_BYTES;
    if (length >= 0) {
      const value = bytes.subarray(0, length);
      if (bytes.readUInt32BE(length) === checksumOf(key, value)) return value;
    }
    const place = Buffer.from(key).toString('hex');
    throw new KvError('storageFailure', `${this.location} is damaged: wrong checksum of entry ${place}`);
  }
}
