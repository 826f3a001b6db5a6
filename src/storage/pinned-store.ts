/**
 * A store that has the few entries in memory on which all else depends: identity, runs, what is pruned and reserved, peers,
 * generation, and how far a snapshot has come. They are read once, by iterating, as LevelDB's `get` believes a
 * filter (a Bloom filter): one wrong bit in it hides an entry, or all of its newest version.
 */
import { KvError } from '../errors.ts';
import { keyToString } from '../wire/index.ts';
import type { ByteRange, ByteReader, ByteStore, ByteWrite } from './byte-store.ts';
import { isPinned, PINNED_RANGES } from './keys.ts';

/** By key, a binary string. */
type Pinned = ReadonlyMap<string, Uint8Array>;

export class PinnedStore implements ByteStore {
  readonly location: string;
  readonly #store: ByteStore;
  /** What `get` answers: every batch whose write has resolved. */
  #pinned: Pinned;
  /** What there may be besides, in a snapshot that is taken now: batches that are being written. */
  readonly #beingWritten = new Set<Pinned>();

  private constructor(store: ByteStore, pinned: Pinned) {
    this.location = store.location;
    this.#store = store;
    this.#pinned = pinned;
  }

  /** @throws KvError storageFailure */
  static async over(store: ByteStore): Promise<PinnedStore> {
    const pinned = new Map<string, Uint8Array>();
    for (const range of PINNED_RANGES) {
      for await (const [key, value] of store.entries(range)) pinned.set(keyToString(key), value);
    }
    return new PinnedStore(store, pinned);
  }

  get synced(): number {
    return this.#store.synced;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return isPinned(key) ? this.#pinned.get(keyToString(key)) : this.#store.get(key);
  }

  entries(range: ByteRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]> {
    return this.#store.entries(range);
  }

  keys(range: ByteRange): AsyncIterable<Uint8Array> {
    return this.#store.keys(range);
  }

  snapshot(): ByteReader {
    return new PinnedSnapshot(this.#store.snapshot(), [this.#pinned, ...this.#beingWritten]);
  }

  async write(writes: readonly ByteWrite[], options: { readonly sync: boolean }): Promise<void> {
    const pinned = writes.filter(({ key }) => isPinned(key));
    if (pinned.length === 0) return this.#store.write(writes, options);
    const before = [...this.#beingWritten].at(-1) ?? this.#pinned;
    const after = new Map(before);
    for (const { key, value } of pinned) {
      if (value === null) after.delete(keyToString(key));
      else after.set(keyToString(key), value);
    }
    this.#beingWritten.add(after);
    try {
      await this.#store.write(writes, options);
      this.#pinned = after;
    } finally {
      this.#beingWritten.delete(after);
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/** A snapshot holds some state that the pinned entries had about when it was taken. Anything else is damage. */
class PinnedSnapshot implements ByteReader {
  readonly location: string;
  readonly #reader: ByteReader;
  readonly #states: readonly Pinned[];

  constructor(reader: ByteReader, states: readonly Pinned[]) {
    this.location = reader.location;
    this.#reader = reader;
    this.#states = states;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const value = this.#reader.get(key);
    if (!isPinned(key)) return value;
    const place = keyToString(key);
    if (this.#states.some((state) => isSame(state.get(place), value))) return value;
    throw new KvError(
      'storageFailure',
      `${this.location} is damaged: it no longer finds entry ${Buffer.from(key).toString('hex')}`,
    );
  }

  entries(range: ByteRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]> {
    return this.#reader.entries(range);
  }

  keys(range: ByteRange): AsyncIterable<Uint8Array> {
    return this.#reader.keys(range);
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}

function isSame(left: Uint8Array | undefined, right: Uint8Array | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return Buffer.compare(left, right) === 0;
}
