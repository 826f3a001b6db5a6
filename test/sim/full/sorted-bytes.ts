/** An ordered map from bytes to bytes: what a simulated database holds. Ordered only when somebody asks for a range. */
import { keyToBytes, keyToString } from '../../../src/wire/index.ts';

/** One change; null removes the key. Keys are bytes as binary strings. */
export type Change = readonly [key: string, value: Uint8Array | null];

/** Entries whose keys begin with the same byte. */
interface Shelf {
  readonly entries: Map<string, Uint8Array>;
  /** The keys in order; null if some came or went since. */
  sorted: string[] | null;
}

export interface BytesRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

export class SortedBytes {
  readonly #shelves = new Map<string, Shelf>();

  get(key: string): Uint8Array | undefined {
    return this.#shelves.get(key.charAt(0))?.entries.get(key);
  }

  apply(changes: readonly Change[]): void {
    for (const [key, value] of changes) {
      const name = key.charAt(0);
      let shelf = this.#shelves.get(name);
      if (shelf === undefined) {
        shelf = { entries: new Map(), sorted: null };
        this.#shelves.set(name, shelf);
      }
      if (value === null) {
        if (shelf.entries.delete(key)) shelf.sorted = null;
      } else {
        if (!shelf.entries.has(key)) shelf.sorted = null;
        shelf.entries.set(key, value);
      }
    }
  }

  copy(): SortedBytes {
    const copy = new SortedBytes();
    for (const [name, { entries, sorted }] of this.#shelves) {
      copy.#shelves.set(name, { entries: new Map(entries), sorted });
    }
    return copy;
  }

  /** The entries of a range, in the order of their keys, as they are now. */
  range({ gte, lt }: BytesRange): (readonly [key: Uint8Array, value: Uint8Array])[] {
    const start = keyToString(gte);
    const end = keyToString(lt);
    const found: (readonly [Uint8Array, Uint8Array])[] = [];
    for (const name of [...this.#shelves.keys()].sort()) {
      if (name < start.charAt(0) || name > end.charAt(0)) continue;
      const shelf = this.#shelves.get(name);
      if (shelf === undefined) continue;
      shelf.sorted ??= [...shelf.entries.keys()].sort();
      for (const key of shelf.sorted) {
        if (key < start) continue;
        if (key >= end) break;
        const value = shelf.entries.get(key);
        if (value !== undefined) found.push([keyToBytes(key), value]);
      }
    }
    return found;
  }

  get size(): number {
    let size = 0;
    for (const { entries } of this.#shelves.values()) size += entries.size;
    return size;
  }
}
