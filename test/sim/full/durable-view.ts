/** What a volume holds whatever crash comes, in the words of the checkers. */

import type { InstanceId, InstanceRecord, Slot } from '../../../src/epaxos/index.ts';
import type { StampedRow } from '../../../src/kv/index.ts';
import {
  executedKey,
  PRUNED_KEY,
  parseRowKey,
  RESERVATION_KEY,
  ROW_RANGE,
  recordKey,
} from '../../../src/storage/keys.ts';
import { decodeReservation } from '../../../src/storage/reservation-codec.ts';
import { decodeRow } from '../../../src/storage/row-codec.ts';
import { decodeRecordApart, keyToString } from '../../../src/wire/index.ts';
import { decodePruned } from '../../../src/wire/peer/pruned.ts';
import type { DurableState } from '../checkers/durability.ts';
import type { SortedBytes } from './sorted-bytes.ts';
import type { Volume } from './volume.ts';

/** At the end of every value (src/storage/level-reader.ts). */
const CHECKSUM_BYTES = 4;

const PRUNED = keyToString(PRUNED_KEY);
const RESERVATION = keyToString(RESERVATION_KEY);

export function unsealed(value: Uint8Array): Uint8Array {
  return value.subarray(0, value.length - CHECKSUM_BYTES);
}

export class DurableView implements DurableState {
  readonly #volume: Volume;
  readonly #replicas: number;
  readonly #records = new WeakMap<Uint8Array, Omit<InstanceRecord, 'command'>>();
  #pruned: { readonly bytes: Uint8Array; readonly upTo: readonly Slot[] } | null = null;

  /** @param replicas N */
  constructor(volume: Volume, replicas: number) {
    this.#volume = volume;
    this.#replicas = replicas;
  }

  durableRecord(id: InstanceId): Omit<InstanceRecord, 'command'> | undefined {
    const bytes = this.#volume.durable.get(keyToString(recordKey(id)));
    if (bytes === undefined) return undefined;
    let record = this.#records.get(bytes);
    if (record === undefined) {
      record = decodeRecordApart(unsealed(bytes), { replicas: this.#replicas }).state;
      this.#records.set(bytes, record);
    }
    return record;
  }

  isDurablyExecuted(id: InstanceId): boolean {
    return this.#volume.durable.get(keyToString(executedKey(id))) !== undefined;
  }

  isPruned({ replica, slot }: InstanceId): boolean {
    const bytes = this.#volume.durable.get(PRUNED);
    if (bytes === undefined) return false;
    if (this.#pruned?.bytes !== bytes) {
      this.#pruned = { bytes, upTo: decodePruned(unsealed(bytes), { replicas: this.#replicas }).pruned };
    }
    return slot <= (this.#pruned.upTo[replica - 1] ?? 0);
  }

  get durablyReserved(): Slot {
    const bytes = this.#volume.durable.get(RESERVATION);
    return bytes === undefined ? 0 : decodeReservation(unsealed(bytes));
  }
}

/** The table in a store. */
export function rowsIn(contents: SortedBytes): Map<string, StampedRow> {
  const range = { gte: ROW_RANGE.start, lt: ROW_RANGE.end };
  return new Map(
    contents
      .range(range)
      .map(([key, value]) => [parseRowKey(key) ?? '', decodeRow(unsealed(value))] as const),
  );
}
