/**
 * What differs between the stores: an ordered map from bytes to bytes with atomic batches. Everything
 * above it (keys, encoding, executed marks) is the same code for all (encoded-storage.ts).
 */

/** One change of a batch; `value` null removes the key. */
export interface ByteWrite {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/** Keys from `start` (included) to `end` (excluded), in the order of their bytes. */
export interface ByteRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/** What can be read. Every function throws or rejects with KvError storageFailure, also once it is closed. */
export interface ByteReader {
  /** Where the data is, for error messages. */
  readonly location: string;
  /** The value of a key, or undefined; sees every batch whose write has resolved. The bytes are the caller's. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** The entries of a range as they are when the iteration begins. The bytes are the caller's. */
  entries(range: ByteRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]>;
  /** The keys of a range, in the same way. */
  keys(range: ByteRange): AsyncIterable<Uint8Array>;
  /** Waits for what is under way, then lets go. Idempotent. */
  close(): Promise<void>;
}

/** As {@link ByteReader}, for all that is written, too. */
export interface ByteStore extends ByteReader {
  /** The number of the newest batch that is on disk, with all before it; the first has 1, and none is ever used twice. */
  readonly synced: number;
  /** All entries as they are now, whatever is written later, until it is closed. To be closed before the store. */
  snapshot(): ByteReader;
  /**
   * Writes one atomic batch; later changes of the same key win. Batches take effect in the order of the
   * calls. With `sync` it resolves when this batch and all before it are on disk, also if this one is empty.
   * After a failed write every later one fails too, so that no batch is ever missing before one that is there.
   */
  write(writes: readonly ByteWrite[], options: { readonly sync: boolean }): Promise<void>;
}
