/**
 * What a snapshot for another replica holds (R9.3): the table, the generation and its answers, and the records and commands of
 * executed
 * instances. Of instances that are not executed here nothing is told: the other replica fetches or
 * recovers those as usual. Marks are left out, as every record in it is of an executed instance.
 */

import { formatInstance, type Pruned } from '../epaxos/index.ts';
import { FIRST_GENERATION } from '../kv/index.ts';
import { assert } from '../util/assert.ts';
import { decodePruned, type SnapshotEntry } from '../wire/index.ts';
import type { ByteReader } from './byte-store.ts';
import { decodeGeneration } from './generation-codec.ts';
import {
  after,
  answersFrom,
  GENERATION_KEY,
  GENERATION_RANGE,
  INSTANCE_RANGE,
  PRUNED_KEY,
  parseInstanceKey,
  ROW_RANGE,
} from './keys.ts';
import type { SnapshotView } from './storage.ts';

export class StoredSnapshot implements SnapshotView {
  readonly pruned: Pruned;
  readonly #reader: ByteReader;

  constructor(options: { readonly reader: ByteReader /** N. */; readonly replicas: number }) {
    const { reader, replicas } = options;
    const bytes = reader.get(PRUNED_KEY);
    const none = new Array<number>(replicas).fill(0);
    this.pruned = bytes === undefined ? { pruned: none, floor: none } : decodePruned(bytes, { replicas });
    this.#reader = reader;
  }

  async *entries(last: Uint8Array | null): AsyncIterable<SnapshotEntry> {
    const start = last === null ? INSTANCE_RANGE.start : after(last);
    yield* this.#executedRecords(start);
    const generation = this.#reader.get(GENERATION_KEY);
    const oldest = generation === undefined ? FIRST_GENERATION : decodeGeneration(generation) - 1;
    for (const range of [answersFrom(oldest), ROW_RANGE, GENERATION_RANGE]) {
      if (Buffer.compare(start, range.end) >= 0) continue;
      const from = Buffer.compare(start, range.start) > 0 ? start : range.start;
      for await (const [key, value] of this.#reader.entries({ start: from, end: range.end })) {
        yield { key, value };
      }
    }
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }

  async *#executedRecords(start: Uint8Array): AsyncIterable<SnapshotEntry> {
    if (Buffer.compare(start, INSTANCE_RANGE.end) >= 0) return;
    // The record is held back until it is known whether its mark follows; the command comes behind that. Whoever goes on
    // behind a record meets the mark first, too.
    let record: SnapshotEntry | null = null;
    let executed = '';
    for await (const [key, value] of this.#reader.entries({ start, end: INSTANCE_RANGE.end })) {
      const place = parseInstanceKey(key);
      assert(place !== undefined, 'an instance');
      if (place.part === 'record') {
        record = { key, value };
      } else if (place.part === 'executed') {
        executed = formatInstance(place.id);
        if (record !== null) yield record;
        record = null;
      } else if (formatInstance(place.id) === executed) {
        yield { key, value };
      }
    }
  }
}
