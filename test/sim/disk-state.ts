/** What is on a simulated disk: the state that one batch after another makes. */

import {
  type InstanceId,
  type InstanceKey,
  type InstanceRecord,
  instanceKey,
  type Pruned,
  Status,
} from '../../src/epaxos/index.ts';
import type { AnswerPage, StampedRow } from '../../src/kv/index.ts';
import { decodeAnswers, encodeAnswers } from '../../src/storage/answer-codec.ts';
import { readRecord, type StoredRecord, storeRecord } from '../support/stored-record.ts';
import type { Snapshot, SnapshotEntry, Staged, StoredPage } from './snapshot.ts';
import { withWidened } from './wide.ts';

/** One atomic batch; whatever of it there is. */
export interface DiskBatch {
  readonly records?: readonly InstanceRecord[];
  readonly rows?: ReadonlyMap<string, StampedRow | null>;
  readonly pages?: readonly StoredPage[];
  readonly executed?: readonly InstanceId[];
  readonly pruned?: Pruned | null;
  /** The last slot of the own row that is reserved from now on; null for no change. */
  readonly reserved?: number | null;
  /** What is there of a peer's snapshot from now on. */
  readonly staged?: Staged | null;
  /** A complete snapshot takes the place of the state. */
  readonly installed?: Staged;
}

/** What a replica finds when it starts. */
export interface DiskContents {
  readonly records: readonly InstanceRecord[];
  readonly rows: ReadonlyMap<string, StampedRow>;
  readonly pages: readonly AnswerPage[];
  readonly pruned: Pruned | null;
  /** The last slot of the own row that is reserved; 0 for none. */
  readonly reserved: number;
  /** The snapshot that was installed last; null for none. The lineage of what is there begins with the sender's. */
  readonly installed: string | null;
  /** How many instances were ever marked executed in what is there: where its lineage goes on. */
  readonly executions: number;
}

/** A record as it was written, and the bytes that stand for it where the disk holds bytes. */
interface Stored {
  readonly record: InstanceRecord;
  readonly bytes: StoredRecord | null;
}

export class DiskState {
  pruned: Pruned | null = null;
  staged: Staged | null = null;
  reserved = 0;
  readonly #replicas: number;
  readonly #encoded: boolean;
  #records = new Map<InstanceKey, Stored>();
  #executed = new Set<InstanceKey>();
  #rows = new Map<string, StampedRow>();
  /** By client and number. */
  #pages = new Map<string, StoredPage>();
  #installed: string | null = null;
  #executions = 0;
  /** No-ops that were pruned while a snapshot was being copied. */
  #prunedNoOps = new Map<InstanceKey, Stored>();

  /** @param options.encoded whether records are held as bytes, and read back from them */
  constructor(options: { readonly replicas: number; readonly encoded: boolean }) {
    this.#replicas = options.replicas;
    this.#encoded = options.encoded;
  }

  copy(): DiskState {
    const copy = new DiskState({ replicas: this.#replicas, encoded: this.#encoded });
    copy.pruned = this.pruned;
    copy.staged = this.staged;
    copy.reserved = this.reserved;
    copy.#records = new Map(this.#records);
    copy.#executed = new Set(this.#executed);
    copy.#rows = new Map(this.#rows);
    copy.#pages = new Map(this.#pages);
    copy.#installed = this.#installed;
    copy.#executions = this.#executions;
    copy.#prunedNoOps = new Map(this.#prunedNoOps);
    return copy;
  }

  apply(batch: DiskBatch): void {
    for (const record of batch.records ?? []) this.#put(record);
    for (const [key, row] of batch.rows ?? []) {
      if (row === null) this.#rows.delete(key);
      else this.#rows.set(key, row);
    }
    for (const page of batch.pages ?? []) this.#pages.set(nameOf(page), page);
    for (const id of batch.executed ?? []) this.#executed.add(instanceKey(id));
    this.#executions += batch.executed?.length ?? 0;
    if (batch.pruned) this.#prune(batch.pruned);
    this.reserved = batch.reserved ?? this.reserved;
    if (batch.staged !== undefined) this.#stage(batch.staged);
    if (batch.installed !== undefined) this.#install(batch.installed);
  }

  record(id: InstanceId): InstanceRecord | undefined {
    return this.#records.get(instanceKey(id))?.record;
  }

  isExecuted(id: InstanceId): boolean {
    return this.#executed.has(instanceKey(id));
  }

  /** True if the record was removed for good after its execution. */
  isPruned(id: InstanceId): boolean {
    return id.slot <= (this.pruned?.pruned[id.replica - 1] ?? 0);
  }

  /** What a new process reads. Records by row and then by slot. */
  contents(): DiskContents {
    return {
      records: this.#sorted().map((stored) =>
        this.#executed.has(instanceKey(stored.record.id))
          ? { ...this.#read(stored), status: Status.executed }
          : this.#read(stored),
      ),
      rows: new Map(this.#rows),
      pages: Array.from(this.#pages.values(), (page) => decodeAnswers(page, page.bytes)),
      pruned: this.pruned,
      reserved: this.reserved,
      installed: this.#installed,
      executions: this.#executions,
    };
  }

  /** What a peer that is too far behind is sent. */
  snapshot(name: Pick<Snapshot, 'id' | 'source'>): Snapshot {
    const records = this.#sorted().filter(({ record }) => this.#executed.has(instanceKey(record.id)));
    const none = new Array<number>(this.#replicas).fill(0);
    const entries: SnapshotEntry[] = [
      ...records.map((stored) => ({ type: 'record', record: this.#read(stored) }) as const),
      ...Array.from(this.#pages.values(), (page) => ({ type: 'answers', page }) as const),
      ...Array.from(this.#rows, ([key, row]) => ({ type: 'row', key, row }) as const),
    ];
    const pruned = this.pruned ?? { pruned: none, floor: none };
    return { ...name, pruned, entries, executions: this.#executions };
  }

  /**
   * True if everything that was executed here, but for no-ops, is executed in the snapshot. What was told to be executed
   * must stay so: others may have forgotten it, and propose what comes after it without naming it (R2.7).
   */
  fits(staged: Staged): boolean {
    const has = executedIn(staged);
    for (const { record } of this.#records.values()) {
      if (this.isExecuted(record.id) && !record.noOp && !has(record.id)) return false;
    }
    return (this.pruned?.pruned ?? []).every((upTo, row) => {
      for (let slot = 1; slot <= upTo; slot += 1) {
        const id = { replica: row + 1, slot };
        if (!has(id) && !this.#prunedNoOps.has(instanceKey(id))) return false;
      }
      return true;
    });
  }

  /**
   * The snapshot becomes the state. Rows and answers are exactly the sender's; executed is what was so there, and the
   * no-ops that were executed here. Records of what the sender has not executed stay, with all that was promised; those
   * that it has pruned go. The floor never sinks.
   */
  #install(staged: Staged): void {
    const { id, pruned, entries, executions } = staged;
    const has = executedIn(staged);
    const noOps = [...this.#records.values()].filter(
      ({ record }) => record.noOp && this.isExecuted(record.id),
    );
    const kept = [...noOps, ...this.#prunedNoOps.values()].filter(({ record }) => !has(record.id));
    this.#rows.clear();
    this.#pages.clear();
    this.#executed.clear();
    for (const [key, { record }] of this.#records) {
      if (record.id.slot <= (pruned.pruned[record.id.replica - 1] ?? 0)) this.#records.delete(key);
    }
    for (const entry of entries) {
      if (entry.type === 'row') this.#rows.set(entry.key, entry.row);
      else if (entry.type === 'answers') this.#pages.set(nameOf(entry.page), entry.page);
      else {
        this.#put(entry.record);
        this.#executed.add(instanceKey(entry.record.id));
      }
    }
    for (const stored of kept) {
      this.#records.set(instanceKey(stored.record.id), stored);
      this.#executed.add(instanceKey(stored.record.id));
    }
    const floor = pruned.floor.map((slot, row) => Math.max(slot, this.pruned?.floor[row] ?? 0));
    this.pruned = { pruned: pruned.pruned, floor };
    this.#stage(null);
    this.#installed = id;
    this.#executions = executions + kept.length;
  }

  #stage(staged: Staged | null): void {
    if (staged?.id !== this.staged?.id) this.#prunedNoOps.clear();
    this.staged = staged;
  }

  #put(record: InstanceRecord): void {
    const bytes = this.#encoded ? storeRecord(record) : null;
    this.#records.set(instanceKey(record.id), { record, bytes });
  }

  #read({ record, bytes }: Stored): InstanceRecord {
    return bytes === null ? record : withWidened(readRecord(bytes, { replicas: this.#replicas }));
  }

  #sorted(): Stored[] {
    return [...this.#records.values()].sort(
      ({ record: one }, { record: other }) =>
        one.id.replica - other.id.replica || one.id.slot - other.id.slot,
    );
  }

  #prune(pruned: Pruned): void {
    for (const [row, upTo] of pruned.pruned.entries()) {
      for (let slot = (this.pruned?.pruned[row] ?? 0) + 1; slot <= upTo; slot += 1) {
        const key = instanceKey({ replica: row + 1, slot });
        const stored = this.#records.get(key);
        if (this.staged !== null && stored?.record.noOp) this.#prunedNoOps.set(key, stored);
        this.#records.delete(key);
        this.#executed.delete(key);
      }
    }
    this.pruned = pruned;
  }
}

/** Tells whether the sender of a snapshot had executed an instance. */
function executedIn({ pruned, entries }: Staged): (id: InstanceId) => boolean {
  const executed = new Set<InstanceKey>();
  for (const entry of entries) if (entry.type === 'record') executed.add(instanceKey(entry.record.id));
  return (id) => id.slot <= (pruned.pruned[id.replica - 1] ?? 0) || executed.has(instanceKey(id));
}

function nameOf({ generation, client, number }: StoredPage): string {
  return `${generation}/${client}/${number}`;
}

/** A page as it is now: it goes on changing in memory. */
export function storedPage(page: AnswerPage): StoredPage {
  const { generation, client, number } = page;
  return { generation, client, number, bytes: encodeAnswers(page) };
}
