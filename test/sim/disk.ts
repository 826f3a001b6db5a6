/**
 * One replica's simulated disk, synchronous: the contract of the storage port, with virtual time left to
 * its user. A batch is under way, then written, then, with the next sync, durable. A crash keeps what is
 * durable and the first few of the batches after it, for a log loses its end.
 */
import type { InstanceId, InstanceRecord } from '../../src/epaxos/index.ts';
import { assert } from '../../src/util/assert.ts';
import type { DurableState } from './checkers/durability.ts';
import { type DiskBatch, type DiskContents, DiskState } from './disk-state.ts';
import { type Snapshot, type SnapshotChunk, type Staged, stage } from './snapshot.ts';

export class Disk implements DurableState {
  readonly #durable: DiskState;
  readonly #unsynced: DiskBatch[] = [];
  #underWay: DiskBatch | null = null;
  /** What is written of a peer's snapshot. */
  #staged: Staged | null = null;

  /** @param options.encoded whether records are held as bytes, and read back from them */
  constructor(options: { readonly replicas: number; readonly encoded: boolean }) {
    this.#durable = new DiskState(options);
  }

  /** Batches that a crash may lose. */
  get unsynced(): number {
    return this.#unsynced.length + (this.#underWay === null ? 0 : 1);
  }

  /** What is there of a peer's snapshot; null for nothing. */
  get staged(): Staged | null {
    return this.#staged;
  }

  /** Begins to write a batch. One at a time. */
  begin(batch: DiskBatch): void {
    assert(this.#underWay === null, 'one write at a time');
    this.#underWay = batch;
  }

  /** The batch under way is written; with `sync` it is durable, with all before it. */
  complete(options: { readonly sync: boolean }): void {
    assert(this.#underWay !== null, 'a write is under way');
    this.#unsynced.push(this.#underWay);
    this.#underWay = null;
    if (options.sync) this.#keep(this.#unsynced.length);
  }

  /** Writes a chunk of a peer's snapshot, not synced, beside whatever batch is under way. */
  stage(chunk: SnapshotChunk): void {
    this.#setStaged(stage(this.#staged, chunk));
  }

  /** Drops what is there of a peer's snapshot; not synced. */
  clearStaged(): void {
    this.#setStaged(null);
  }

  /**
   * Begins to put the complete snapshot in the place of the state. False: it does not fit, and is dropped.
   * @param options.anyhow whether it is put there also if it does not fit
   */
  beginInstallation(options: { readonly anyhow: boolean } = { anyhow: false }): boolean {
    assert(this.#staged?.complete === true, 'a complete snapshot is installed');
    if (options.anyhow || this.#written().fits(this.#staged)) {
      this.begin({ installed: this.#staged });
      return true;
    }
    this.clearStaged();
    return false;
  }

  /** The process ends. Of the batches that are not durable, the one under way last, the first `kept` survive. */
  crash(kept: number): void {
    if (this.#underWay !== null) this.#unsynced.push(this.#underWay);
    this.#underWay = null;
    this.#keep(kept);
    this.#unsynced.length = 0;
    this.#staged = this.#durable.staged;
  }

  /** The record that no crash can take any more; undefined if there is none. */
  durableRecord(id: InstanceId): InstanceRecord | undefined {
    return this.#durable.record(id);
  }

  /** The last slot of the own row that is reserved, whatever crash comes. */
  get durablyReserved(): number {
    return this.#durable.reserved;
  }

  /** True if the effects of the instance are on disk, and marked. */
  isDurablyExecuted(id: InstanceId): boolean {
    return this.#durable.isExecuted(id);
  }

  /** True if the record was removed for good after its execution. */
  isPruned(id: InstanceId): boolean {
    return this.#durable.isPruned(id);
  }

  /** What a new process reads; nothing may be unsynced. */
  load(): DiskContents {
    assert(this.unsynced === 0, 'read after a crash, or a sync');
    return this.#durable.contents();
  }

  /** All that is written now, for a peer; what is under way is not in it. */
  snapshot(name: Pick<Snapshot, 'id' | 'source'>): Snapshot {
    return this.#written().snapshot(name);
  }

  #written(): DiskState {
    const state = this.#durable.copy();
    for (const batch of this.#unsynced) state.apply(batch);
    return state;
  }

  #setStaged(staged: Staged | null): void {
    this.#staged = staged;
    this.#unsynced.push({ staged });
  }

  #keep(count: number): void {
    for (const batch of this.#unsynced.splice(0, count)) this.#durable.apply(batch);
    if (this.#unsynced.length === 0) this.#staged = this.#durable.staged;
  }
}
