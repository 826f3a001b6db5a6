/**
 * Writes what a batch of the core says of instances. What need not be on disk before anything that follows waits for
 * the next batch that must be, or for the next tick: a crash may take it either way, and one write does for both.
 */
import { type InstanceKey, type InstanceRecord, instanceKey, type Ready } from '../epaxos/index.ts';
import type { Storage } from '../storage/index.ts';

export class RecordWriter {
  readonly #storage: Pick<Storage, 'writeRecords'>;
  /** The newest of each instance. */
  #waiting = new Map<InstanceKey, InstanceRecord>();

  constructor(storage: Pick<Storage, 'writeRecords'>) {
    this.#storage = storage;
  }

  /** True if nothing waits to be written. */
  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /**
   * Takes the records of a batch.
   * @returns settles when they are written, with all that waited, and synced where the batch asks for it; null if they
   * wait
   */
  write({ records, reserved, sync }: Pick<Ready, 'records' | 'reserved' | 'sync'>): Promise<void> | null {
    for (const record of records) this.#waiting.set(instanceKey(record.id), record);
    if (!sync) return null;
    return this.#storage.writeRecords(this.#take(), { sync, reserved });
  }

  /** Writes what waits; not synced. */
  async flush(): Promise<void> {
    if (this.#waiting.size > 0) await this.#storage.writeRecords(this.#take(), { sync: false });
  }

  #take(): InstanceRecord[] {
    const records = [...this.#waiting.values()];
    this.#waiting = new Map();
    return records;
  }
}
