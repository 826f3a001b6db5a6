/**
 * A store in memory with the same contract as the one on disk, down to what a crash leaves: for tests and
 * the simulator. It holds bytes, not objects, and knows which of its batches were synced.
 */

import { KvError } from '../errors.ts';
import { keyToBytes, keyToString } from '../wire/index.ts';
import type { ByteRange, ByteReader, ByteStore, ByteWrite } from './byte-store.ts';
import { EncodedStorage } from './encoded-storage.ts';
import { drawRunId, drawStoreId } from './identity.ts';

/** A map of bytes; keys as binary strings. The arrays in it are never changed. */
type Contents = ReadonlyMap<string, Uint8Array>;
type Batch = readonly (readonly [key: string, value: Uint8Array | null])[];

function apply(batch: Batch, target: Map<string, Uint8Array>): void {
  for (const [key, value] of batch) {
    if (value === null) target.delete(key);
    else target.set(key, value);
  }
}

const LOCATION = 'the store in memory';

/** Reads a map, as long as it is not closed. Copies whatever goes out (Buffer.from a Uint8Array copies). */
class MemoryReader implements ByteReader {
  readonly location = LOCATION;
  readonly #contents: Contents;
  #closed = false;

  constructor(contents: Contents) {
    this.#contents = contents;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.refuseIfClosed();
    const value = this.#contents.get(keyToString(key));
    return value && Buffer.from(value);
  }

  async *entries(range: ByteRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]> {
    this.refuseIfClosed();
    const start = keyToString(range.start);
    const end = keyToString(range.end);
    const snapshot = [...this.#contents].filter(([key]) => start <= key && key < end);
    snapshot.sort(([left], [right]) => (left < right ? -1 : 1)); // no two keys are equal
    for (const [key, value] of snapshot) {
      this.refuseIfClosed();
      yield [keyToBytes(key), Buffer.from(value)];
    }
  }

  async *keys(range: ByteRange): AsyncIterable<Uint8Array> {
    for await (const [key] of this.entries(range)) yield key;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  refuseIfClosed(): void {
    if (this.#closed) throw new KvError('storageFailure', `${this.location} is closed`);
  }
}

/** Copies whatever comes in. */
export class MemoryByteStore implements ByteStore {
  readonly location = LOCATION;
  /** What the process sees: `#synced` and all of `#unsynced`. */
  readonly #current: Map<string, Uint8Array>;
  readonly #reader: MemoryReader;
  /** What is on disk whatever happens. */
  readonly #synced: Map<string, Uint8Array>;
  /** Written since the last sync, oldest first: of these a crash leaves the first few. */
  readonly #unsynced: Batch[] = [];

  #batches: number;
  #onDisk: number;

  /** @param batches how many were written to what it begins with */
  constructor(contents: Contents, batches = 0) {
    this.#batches = batches;
    this.#onDisk = batches;
    this.#current = new Map(contents);
    this.#reader = new MemoryReader(this.#current);
    this.#synced = new Map(contents);
  }

  get unsyncedBatches(): number {
    return this.#unsynced.length;
  }

  get synced(): number {
    return this.#onDisk;
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
    this.#reader.refuseIfClosed();
    return new MemoryReader(new Map(this.#current));
  }

  async write(writes: readonly ByteWrite[], options: { readonly sync: boolean }): Promise<void> {
    const batch: Batch = writes.map(({ key, value }) => [keyToString(key), value && Buffer.from(value)]);
    // As on a disk, a batch cannot be seen before the caller had to wait for it: whoever forgets to is found out.
    await Promise.resolve();
    this.#reader.refuseIfClosed();
    apply(batch, this.#current);
    this.#unsynced.push(batch);
    this.#batches += 1;
    if (options.sync) this.#sync();
  }

  async close(): Promise<void> {
    await Promise.resolve(); // comes after every write that was called before
    if (this.#reader.isClosed) return;
    this.#sync();
    await this.#reader.close();
  }

  /** Closes at once, losing what the options do not keep; returns what is left. */
  crash(keepUnsynced: number): Contents {
    void this.#reader.close();
    for (const batch of this.#unsynced.splice(0).slice(0, keepUnsynced)) {
      apply(batch, this.#synced);
      this.#onDisk += 1;
    }
    return this.#synced;
  }

  #sync(): void {
    for (const batch of this.#unsynced.splice(0)) apply(batch, this.#synced);
    this.#onDisk = this.#batches;
  }
}

/** The storage port in memory. */
export class MemoryStorage extends EncodedStorage {
  readonly #store: MemoryByteStore;
  readonly #replicas: number;

  /** A store of a replica in a cluster of `replicas` (N); empty, unless it begins with what a crash left. */
  constructor(options: {
    readonly replicas: number;
    readonly contents?: Contents;
    /** How many batches were written to that. */
    readonly batches?: number;
    /** The store's id; drawn at random if absent. */
    readonly id?: string;
  }) {
    const store = new MemoryByteStore(options.contents ?? new Map(), options.batches);
    super({ store, id: options.id ?? drawStoreId(), run: drawRunId(), replicas: options.replicas });
    this.#store = store;
    this.#replicas = options.replicas;
  }

  /** How many batches were written and not yet synced, and may be lost in a crash. */
  get unsyncedBatches(): number {
    return this.#store.unsyncedBatches;
  }

  /**
   * What the next process finds after this one died: everything that was synced, and of the batches written
   * since the first `keepUnsynced` (default 0), for a log loses its end. This store is dead from then on;
   * writes under way in it fail and leave nothing. After a `close` everything is found again. Where a crash
   * may have cut off the installation of a snapshot, {@link recover} comes first, as it does on a disk.
   */
  crash(options: { readonly keepUnsynced?: number } = {}): MemoryStorage {
    const contents = this.#store.crash(options.keepUnsynced ?? 0);
    const batches = this.#store.synced;
    return new MemoryStorage({ replicas: this.#replicas, contents, batches, id: this.id });
  }
}
