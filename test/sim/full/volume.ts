/**
 * What a machine's disk holds of a LevelDB database, and what a crash of the machine leaves of it. Batches are
 * appended to a log. A batch that is synced is on disk with all before it in the same log. When what was logged fills
 * the write buffer, the log is closed as it is, without a sync, and a new one is begun; some time later a table was made of
 * what is in the closed one, which then is on disk as a whole. So a crash takes an end of each log, and after a change
 * of the log may take a batch and leave later ones.
 */
import type { Prng } from '../../../src/util/prng.ts';
import type { Loss } from '../faults.ts';
import { type Change, SortedBytes } from './sorted-bytes.ts';

/** What the checkers want to know of the state that batches made. */
export interface Lineage {
  /** How many instances were ever marked executed in it, those of an installed snapshot's sender included. */
  readonly executions: number;
  /** The snapshot that was put in place last; null for none. */
  readonly installed: string | null;
}

export interface Batch {
  readonly changes: readonly Change[];
  readonly bytes: number;
  /** Of the state once this batch is in it. */
  readonly lineage: Lineage;
}

/** One log file. The first `synced` of its batches are on disk. */
interface Log {
  readonly batches: Batch[];
  bytes: number;
  synced: number;
}

const NO_LINEAGE: Lineage = { executions: 0, installed: null };

/** What LevelDB spends on a batch and on an entry, about. */
const BATCH_OVERHEAD_BYTES = 20;
const ENTRY_OVERHEAD_BYTES = 16;

export interface VolumeOptions {
  /** What fills a log. */
  readonly writeBufferBytes: number;
}

export class Volume {
  /** What a process reads: all that was written. */
  current = new SortedBytes();
  lineage: Lineage = NO_LINEAGE;
  /** What no crash can take any more. */
  #durable = new SortedBytes();
  /** Everything in tables. */
  #tables = new SortedBytes();
  #tablesLineage: Lineage = NO_LINEAGE;
  #closed: Log | null = null;
  #log: Log = { batches: [], bytes: 0, synced: 0 };
  /** The number of the log, which each change of it raises. */
  logNumber = 1;
  /** Handed over to the disk, and not written yet. */
  #underWay: Batch | null = null;
  readonly #options: VolumeOptions;

  constructor(options: VolumeOptions) {
    this.#options = options;
  }

  get writeBufferBytes(): number {
    return this.#options.writeBufferBytes;
  }

  get durable(): SortedBytes {
    return this.#durable;
  }

  /** Batches that a crash may take. */
  get unsynced(): number {
    return (this.#closed === null ? 0 : unsyncedOf(this.#closed)) + unsyncedOf(this.#log);
  }

  begin(batch: Batch): void {
    this.#underWay = batch;
  }

  /**
   * The batch under way is written; with `sync` the log is on disk.
   * @returns true if the log was changed before it: then {@link compacted} is to be called after some time
   */
  complete(options: { readonly sync: boolean }): boolean {
    const batch = this.#underWay;
    if (batch === null) return false;
    this.#underWay = null;
    let changed = false;
    if (this.#isFull) {
      this.compacted(); // LevelDB waits for the table of the log before the last
      this.#closed = this.#log;
      this.#log = { batches: [], bytes: 0, synced: 0 };
      this.logNumber += 1;
      changed = true;
    }
    this.#log.batches.push(batch);
    this.#log.bytes += batch.bytes;
    this.current.apply(batch.changes);
    this.lineage = batch.lineage;
    if (options.sync) {
      for (const each of this.#log.batches.slice(this.#log.synced)) this.#durable.apply(each.changes);
      this.#log.synced = this.#log.batches.length;
    }
    return changed;
  }

  get #isFull(): boolean {
    return this.#log.bytes > this.#options.writeBufferBytes;
  }

  /** A table was made of the closed log. */
  compacted(): void {
    const closed = this.#closed;
    if (closed === null) return;
    this.#closed = null;
    for (const { changes, lineage } of closed.batches) {
      this.#tables.apply(changes);
      this.#tablesLineage = lineage;
    }
    if (unsyncedOf(closed) === 0) return;
    this.#durable = this.#tables.copy();
    for (const { changes } of this.#log.batches.slice(0, this.#log.synced)) this.#durable.apply(changes);
  }

  /** The database is closed in order. Whoever opens it begins with a new log, and what the old ones held is in tables (LevelDB). */
  closed(): void {
    this.compacted();
    this.#closed = this.#log;
    this.#log = { batches: [], bytes: 0, synced: 0 };
    this.logNumber += 1;
    this.compacted();
  }

  /** The machine dies, and comes back with this. @returns how many batches were lost */
  crash(loss: Loss, prng: Prng): number {
    const logs = this.#left(loss, prng);
    const before = (this.#closed?.batches.length ?? 0) + this.#log.batches.length;
    this.#underWay = null;
    this.#closed = null;
    this.#log = { batches: [], bytes: 0, synced: 0 };
    let kept = 0;
    for (const batch of logs) {
      this.#tables.apply(batch.changes);
      this.#tablesLineage = batch.lineage;
      kept += 1;
    }
    this.current = this.#tables.copy();
    this.#durable = this.#tables.copy();
    this.lineage = this.#tablesLineage;
    return Math.max(0, before - kept);
  }

  /** What a crash now would leave, on a disk of its own. */
  image(loss: Loss, prng: Prng): Volume {
    const image = new Volume(this.#options);
    image.#tables = this.#tables.copy();
    image.#tablesLineage = this.#tablesLineage;
    for (const batch of this.#left(loss, prng)) {
      image.#tables.apply(batch.changes);
      image.#tablesLineage = batch.lineage;
    }
    image.current = image.#tables.copy();
    image.#durable = image.#tables.copy();
    image.lineage = image.#tablesLineage;
    return image;
  }

  /** The batches in the logs that a crash leaves. */
  #left(loss: Loss, prng: Prng): Batch[] {
    const current: Log =
      this.#underWay === null ? this.#log : { ...this.#log, batches: [...this.#log.batches, this.#underWay] };
    return [this.#closed, current].flatMap((log) => {
      if (log === null) return [];
      const unsynced = unsyncedOf(log);
      const some = loss === 'some' ? prng.integer(0, unsynced) : unsynced;
      return log.batches.slice(0, log.synced + (loss === 'everything' ? 0 : some));
    });
  }
}

function unsyncedOf({ batches, synced }: Log): number {
  return batches.length - synced;
}

/** What a batch of these changes takes of the write buffer. */
export function bytesOf(changes: readonly Change[]): number {
  return changes.reduce(
    (sum, [key, value]) => sum + key.length + (value?.length ?? 0) + ENTRY_OVERHEAD_BYTES,
    BATCH_OVERHEAD_BYTES,
  );
}
