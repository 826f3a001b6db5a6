/**
 * One replica's simulated disk, synchronous: the contract of the storage port, with virtual time left to
 * its user. A batch is under way, then written, then, with the next sync, durable. A crash keeps what is
 * durable and the first few of the batches after it, for a log loses its end.
 */
import { decodeRecord, encodeRecord } from '../../src/codec/index.ts';
import {
  type InstanceId,
  type InstanceKey,
  type InstanceRecord,
  instanceKey,
  type Pruned,
  Status,
} from '../../src/epaxos/index.ts';
import type { RecordedAnswer, Row } from '../../src/kv/index.ts';
import type { RowWrite } from '../../src/storage/index.ts';
import { assert } from '../../src/util/assert.ts';
import type { DurableState } from './checkers/durability.ts';

/** One atomic batch; whatever of it there is. */
export interface DiskBatch {
  readonly records?: readonly InstanceRecord[];
  readonly rows?: readonly RowWrite[];
  readonly answers?: readonly RecordedAnswer[];
  readonly executed?: readonly InstanceId[];
  readonly pruned?: Pruned | null;
}

/** What a replica finds when it starts. */
export interface DiskContents {
  readonly records: readonly InstanceRecord[];
  readonly rows: ReadonlyMap<string, Row>;
  readonly answers: readonly RecordedAnswer[];
  readonly pruned: Pruned | null;
  /** How many instances were ever marked executed in what is there: where its lineage goes on. */
  readonly executions: number;
}

/** A record as it was written, and the bytes that stand for it where the disk holds bytes. */
interface Stored {
  readonly record: InstanceRecord;
  readonly bytes: Uint8Array | null;
}

export class Disk implements DurableState {
  readonly #replicas: number;
  readonly #encoded: boolean;
  readonly #records = new Map<InstanceKey, Stored>();
  readonly #executed = new Set<InstanceKey>();
  readonly #rows = new Map<string, Row>();
  readonly #answers: RecordedAnswer[] = [];
  #pruned: Pruned | null = null;
  #executions = 0;
  readonly #unsynced: { readonly batch: DiskBatch; readonly stored: readonly Stored[] }[] = [];
  #underWay: { readonly batch: DiskBatch; readonly stored: readonly Stored[] } | null = null;

  /** @param options.encoded whether records are held as bytes, and read back from them */
  constructor(options: { readonly replicas: number; readonly encoded: boolean }) {
    this.#replicas = options.replicas;
    this.#encoded = options.encoded;
  }

  /** Batches that a crash may lose. */
  get unsynced(): number {
    return this.#unsynced.length + (this.#underWay === null ? 0 : 1);
  }

  /** Begins to write a batch. One at a time. */
  begin(batch: DiskBatch): void {
    assert(this.#underWay === null, 'one write at a time');
    const stored = (batch.records ?? []).map((record) => ({
      record,
      bytes: this.#encoded ? encodeRecord(record) : null,
    }));
    this.#underWay = { batch, stored };
  }

  /** The batch under way is written; with `sync` it is durable, with all before it. */
  complete(options: { readonly sync: boolean }): void {
    assert(this.#underWay !== null, 'a write is under way');
    this.#unsynced.push(this.#underWay);
    this.#underWay = null;
    if (options.sync) this.#keep(this.#unsynced.length);
  }

  /** The process ends. Of the batches that are not durable, the one under way last, the first `kept` survive. */
  crash(kept: number): void {
    if (this.#underWay !== null) this.#unsynced.push(this.#underWay);
    this.#underWay = null;
    this.#keep(kept);
    this.#unsynced.length = 0;
  }

  /** The record that no crash can take any more; undefined if there is none. */
  durableRecord(id: InstanceId): InstanceRecord | undefined {
    return this.#records.get(instanceKey(id))?.record;
  }

  /** True if the effects of the instance are on disk, and marked. */
  isDurablyExecuted(id: InstanceId): boolean {
    return this.#executed.has(instanceKey(id));
  }

  /** True if the record was removed for good after its execution. */
  isPruned(id: InstanceId): boolean {
    return id.slot <= (this.#pruned?.pruned[id.replica - 1] ?? 0);
  }

  /** What a new process reads; nothing may be unsynced. Records by row and then by slot. */
  load(): DiskContents {
    assert(this.unsynced === 0, 'read after a crash');
    const records = [...this.#records].map(([key, { record, bytes }]) => {
      const read = bytes === null ? record : decodeRecord(bytes, { replicas: this.#replicas });
      return this.#executed.has(key) ? { ...read, status: Status.executed } : read;
    });
    records.sort((one, other) => one.id.replica - other.id.replica || one.id.slot - other.id.slot);
    return {
      records,
      rows: new Map(this.#rows),
      answers: [...this.#answers],
      pruned: this.#pruned,
      executions: this.#executions,
    };
  }

  #keep(count: number): void {
    for (const { batch, stored } of this.#unsynced.splice(0, count)) {
      for (const each of stored) this.#records.set(instanceKey(each.record.id), each);
      for (const { key, row } of batch.rows ?? []) {
        if (row === null) this.#rows.delete(key);
        else this.#rows.set(key, row);
      }
      this.#answers.push(...(batch.answers ?? []));
      for (const id of batch.executed ?? []) this.#executed.add(instanceKey(id));
      this.#executions += batch.executed?.length ?? 0;
      if (batch.pruned) this.#prune(batch.pruned);
    }
  }

  #prune(pruned: Pruned): void {
    for (const [row, upTo] of pruned.pruned.entries()) {
      for (let slot = (this.#pruned?.pruned[row] ?? 0) + 1; slot <= upTo; slot += 1) {
        const key = instanceKey({ replica: row + 1, slot });
        this.#records.delete(key);
        this.#executed.delete(key);
      }
    }
    this.#pruned = pruned;
  }
}
