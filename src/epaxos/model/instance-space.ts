/**
 * The two-dimensional instance space: a row a replica, a slot an instance (paper, section 4.1). It holds
 * the newest record of every instance and, for each row, how far an unbroken run of slots has come.
 */
import { assert } from '../../util/assert.ts';
import { type Deps, emptyRecord, type InstanceId, type InstanceRecord, type Slot, Status } from './types.ts';

/** True if the instance's command is known, in whatever status, or it is committed as a no-op (R7.2). */
export function isKnown(record: InstanceRecord): boolean {
  return record.command !== null || (record.status >= Status.committed && record.noOp);
}

export function isCommitted(record: InstanceRecord): boolean {
  return record.status >= Status.committed;
}

/** True if the record has left its first state in any way, so that its coordinator must not use the slot. */
export function isTouched(record: InstanceRecord): boolean {
  return record.status !== Status.none || record.ballot > 0 || record.command !== null;
}

/** One replica's row. Each watermark is the highest slot up to which every slot qualifies. */
export interface Row {
  readonly records: Map<Slot, InstanceRecord>;
  /** Every slot up to this one is executed, and its record is forgotten (R9.2). */
  pruned: Slot;
  known: Slot;
  committed: Slot;
  executed: Slot;
  /** The highest slot with a record, or reserved in an earlier run (R6.4); 0 for none. */
  highest: Slot;
  /** The highest slot that something waits for, whether anything of it is known or not (R7.2); 0 for none. */
  awaited: Slot;
}

export class InstanceSpace {
  /** By replica id − 1. */
  readonly rows: readonly Row[];

  constructor(replicas: number) {
    this.rows = Array.from({ length: replicas }, () => ({
      records: new Map<Slot, InstanceRecord>(),
      pruned: 0,
      known: 0,
      committed: 0,
      executed: 0,
      highest: 0,
      awaited: 0,
    }));
  }

  row(replica: number): Row {
    const row = this.rows[replica - 1];
    assert(row !== undefined, `no row for replica ${replica}`);
    return row;
  }

  /** The newest record; an empty one for an instance of which nothing is known. Not for a pruned one. */
  get(id: InstanceId): InstanceRecord {
    const row = this.row(id.replica);
    assert(id.slot > row.pruned, 'a pruned instance has no record');
    return row.records.get(id.slot) ?? emptyRecord(id);
  }

  /** True if the instance is committed here, or was before it was forgotten. */
  isSettled(id: InstanceId): boolean {
    return this.isPruned(id) || isCommitted(this.get(id));
  }

  isPruned(id: InstanceId): boolean {
    return id.slot <= this.row(id.replica).pruned;
  }

  /** Forgets one executed instance, the next of its row. */
  prune(id: InstanceId): void {
    const row = this.row(id.replica);
    assert(id.slot === row.pruned + 1 && id.slot <= row.executed, 'pruned in order, after execution');
    row.records.delete(id.slot);
    row.pruned = id.slot;
  }

  /** Begins the rows behind what was pruned before. The space is empty still. */
  startAfter(pruned: Deps): void {
    this.rows.forEach((row, index) => {
      const slot = pruned[index] ?? 0;
      row.pruned = slot;
      row.known = slot;
      row.committed = slot;
      row.executed = slot;
      row.highest = slot;
    });
  }

  /** Every slot of a row up to this one may have been used, also where there is no record of it (R6.4). */
  reserve({ replica, slot }: InstanceId): void {
    const row = this.row(replica);
    row.highest = Math.max(row.highest, slot);
  }

  /** Replaces the record and moves the row's watermarks. */
  put(record: InstanceRecord): void {
    const row = this.row(record.id.replica);
    row.records.set(record.id.slot, record);
    row.highest = Math.max(row.highest, record.id.slot);
    row.known = advance(row, row.known, isKnown);
    row.committed = advance(row, row.committed, isCommitted);
    row.executed = advance(row, row.executed, (each) => each.status === Status.executed);
  }

  /** For each row, the slot up to which all is committed. */
  committed(): Deps {
    return this.rows.map((row) => row.committed);
  }

  highest(): Deps {
    return this.rows.map((row) => row.highest);
  }

  pruned(): Deps {
    return this.rows.map((row) => row.pruned);
  }

  /** For each row, the slot up to which all is executed. */
  executed(): Deps {
    return this.rows.map((row) => row.executed);
  }
}

function advance(row: Row, from: Slot, qualifies: (record: InstanceRecord) => boolean): Slot {
  let slot = from;
  for (;;) {
    const next = row.records.get(slot + 1);
    if (next === undefined || !qualifies(next)) return slot;
    slot += 1;
  }
}
