/**
 * The two-dimensional instance space: a row a replica, a slot an instance (paper, section 4.1). It holds
 * the newest record of every instance and, for each row, how far an unbroken run of slots has come.
 */
import { assert } from '../util/assert.ts';
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
  known: Slot;
  committed: Slot;
  executed: Slot;
  /** The highest slot with a record; 0 for none. */
  highest: Slot;
}

export class InstanceSpace {
  /** By replica id − 1. */
  readonly rows: readonly Row[];

  constructor(replicas: number) {
    this.rows = Array.from({ length: replicas }, () => ({
      records: new Map<Slot, InstanceRecord>(),
      known: 0,
      committed: 0,
      executed: 0,
      highest: 0,
    }));
  }

  row(replica: number): Row {
    const row = this.rows[replica - 1];
    assert(row !== undefined, `no row for replica ${replica}`);
    return row;
  }

  /** The newest record; an empty one for an instance of which nothing is known. */
  get(id: InstanceId): InstanceRecord {
    return this.row(id.replica).records.get(id.slot) ?? emptyRecord(id);
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
