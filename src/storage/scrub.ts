/**
 * Looking for damage before it is met (R6.14): whether `get` finds what an iterator finds, and every value has the checksum it was
 * written with. LevelDB's `get` believes a filter, its iterators look at none.
 */
import { KvError } from '../errors.ts';
import type { ByteReader, ByteStore } from './byte-store.ts';
import { ALL_KEYS, after } from './keys.ts';

/** A slice ends with the entry with which it has so much. */
export const SLICE_LIMITS = { entries: 100, bytes: 256 * 1024 } as const;

/** What was looked at in one step. */
export interface ScrubbedSlice {
  readonly entries: number;
  readonly bytes: number;
}

/**
 * Looks at all entries, a slice at each step. Nothing is held open in between; what changes meanwhile is seen once, or
 * not at all, or as it is then.
 * @throws KvError storageFailure for what is damaged
 */
export async function* scrubEntries(store: Pick<ByteStore, 'snapshot'>): AsyncIterable<ScrubbedSlice> {
  let start: Uint8Array | null = ALL_KEYS.start;
  while (start !== null) {
    const view = store.snapshot();
    let slice: ScrubbedSlice & { readonly next: Uint8Array | null };
    try {
      slice = await checkSlice(view, start);
    } finally {
      await view.close();
    }
    start = slice.next;
    yield { entries: slice.entries, bytes: slice.bytes };
  }
}

async function checkSlice(
  view: ByteReader,
  start: Uint8Array,
): Promise<ScrubbedSlice & { readonly next: Uint8Array | null }> {
  let entries = 0;
  let bytes = 0;
  for await (const [key, value] of view.entries({ start, end: ALL_KEYS.end })) {
    const found = view.get(key);
    if (found === undefined || Buffer.compare(found, value) !== 0) {
      const place = Buffer.from(key).toString('hex');
      const what = found === undefined ? 'not found' : 'found with another value';
      throw new KvError(
        'storageFailure',
        `${view.location} is damaged: entry ${place} is there, but ${what}`,
      );
    }
    entries += 1;
    bytes += key.length + value.length;
    if (entries >= SLICE_LIMITS.entries || bytes >= SLICE_LIMITS.bytes)
      return { entries, bytes, next: after(key) };
  }
  return { entries, bytes, next: null };
}
