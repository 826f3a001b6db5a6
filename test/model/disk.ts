/**
 * One replica's disk: what is synced, and behind it the batches that are written but not synced, in order. A crash
 * keeps any beginning of those. It holds records, which never change, and no live state.
 */
import {
  type InstanceKey,
  type InstanceRecord,
  instanceKey,
  type Ready,
  type Slot,
  Status,
} from '../../src/epaxos/index.ts';

interface Batch {
  readonly records: readonly InstanceRecord[];
  /** Executed marks, and the effects with them; no-ops have none. */
  readonly executed: readonly { readonly key: InstanceKey; readonly hasEffect: boolean }[];
  readonly reserved: Slot | null;
}

export class Disk {
  /** Synced. */
  readonly records = new Map<InstanceKey, InstanceRecord>();
  /** Synced: the executed commands, in order. */
  log: readonly InstanceKey[] = [];
  /** Synced: the last slot of the own row that is reserved; 0 for none. */
  reserved: Slot = 0;
  unsynced: readonly Batch[] = [];

  copy(): Disk {
    const copied = new Disk();
    for (const [key, record] of this.records) copied.records.set(key, record);
    copied.log = this.log;
    copied.reserved = this.reserved;
    copied.unsynced = this.unsynced;
    return copied;
  }

  /** The records first, synced if so wanted, and then the effects, which no batch syncs by itself. */
  write({ records, reserved, sync, executions }: Ready, options: { readonly isSyncLate: boolean }): void {
    if (sync && options.isSyncLate) this.#sync();
    if (records.length > 0 || reserved !== null) {
      this.unsynced = [...this.unsynced, { records, executed: [], reserved }];
    }
    if (sync && !options.isSyncLate) this.#sync();
    if (executions.length === 0) return;
    const executed = executions.map(({ id, command }) => ({
      key: instanceKey(id),
      hasEffect: command !== null,
    }));
    this.unsynced = [...this.unsynced, { records: [], executed, reserved: null }];
  }

  /** Keeps what is synced and the first `kept` of the other batches. */
  crash(kept: number): void {
    this.unsynced = this.unsynced.slice(0, kept);
    this.#sync();
  }

  /** What is synced, in the order of instances. */
  sorted(): InstanceRecord[] {
    return [...this.records].sort(([left], [right]) => left - right).map(([, record]) => record);
  }

  #sync(): void {
    for (const { records, executed, reserved } of this.unsynced) {
      this.reserved = reserved ?? this.reserved;
      for (const record of records) this.records.set(instanceKey(record.id), record);
      for (const { key, hasEffect } of executed) {
        const record = this.records.get(key);
        if (record === undefined) throw new Error('what is executed was written as committed before');
        this.records.set(key, { ...record, status: Status.executed });
        if (hasEffect) this.log = [...this.log, key];
      }
    }
    this.unsynced = [];
  }
}
