/**
 * One replica's disk: records and effects, in the order in which they were written. What was not synced
 * can be lost in a crash, but only from the end; a sync keeps everything written before it. It holds values, never
 * the live state of a replica.
 */
import {
  Command,
  type Execution,
  formatInstance,
  type InstanceId,
  type InstanceRecord,
  instanceKey,
  type Pruned,
  type Ready,
  Status,
} from '../../src/epaxos/index.ts';

/** What a crash goes back to. */
interface SyncPoint {
  /** The records that were replaced since, as they were; null for those that were not there. */
  readonly replaced: Map<number, InstanceRecord | null>;
  readonly logLength: number;
  readonly pruned: Pruned | null;
  readonly reserved: number;
}

export class CoreStore {
  readonly #records = new Map<number, InstanceRecord>();
  readonly #log: Command[] = [];
  #writeCounts = new Map<string, number>();
  #pruned: Pruned | null = null;
  #reserved = 0;
  #synced: SyncPoint = { replaced: new Map(), logLength: 0, pruned: null, reserved: 0 };

  get records(): Iterable<InstanceRecord> {
    return this.#records.values();
  }

  /** What was forgotten; null for nothing yet. */
  get pruned(): Pruned | null {
    return this.#pruned;
  }

  /** The last slot of the own row that is reserved; 0 for none. */
  get reserved(): number {
    return this.#reserved;
  }

  /** The same of what a crash cannot take away. */
  get syncedReserved(): number {
    return this.#synced.reserved;
  }

  /** The commands that were executed, in order. */
  get log(): readonly Command[] {
    return this.#log;
  }

  /** How many writes of each key the log holds. */
  get writeCounts(): ReadonlyMap<string, number> {
    return this.#writeCounts;
  }

  /** What a crash cannot take away of an instance; null for nothing. */
  synced(id: InstanceId): InstanceRecord | null {
    const key = instanceKey(id);
    const replaced = this.#synced.replaced.get(key);
    return replaced === undefined ? (this.#records.get(key) ?? null) : replaced;
  }

  /** True if an instance was forgotten after its execution, and no crash brings it back. */
  isPruned({ replica, slot }: InstanceId): boolean {
    return slot <= (this.#synced.pruned?.pruned[replica - 1] ?? 0);
  }

  /** The slot of a row up to which all is executed, with effects that a crash cannot take away. */
  syncedExecuted(replica: number): number {
    let slot = this.#synced.pruned?.pruned[replica - 1] ?? 0;
    while (this.synced({ replica, slot: slot + 1 })?.status === Status.executed) slot += 1;
    return slot;
  }

  /** Writes the records of one batch, at once. */
  write({ records, reserved, sync }: Pick<Ready, 'records' | 'reserved' | 'sync'>): void {
    for (const record of records) this.#replace(instanceKey(record.id), copied(record));
    if (reserved !== null) this.#reserved = reserved;
    if (!sync) return;
    this.#synced = {
      replaced: new Map(),
      logLength: this.#log.length,
      pruned: this.#pruned,
      reserved: this.#reserved,
    };
  }

  /** Writes effects and executed marks, without waiting until they are due (R7.4). */
  apply(executions: readonly Execution[]): void {
    for (const { id, command } of executions) {
      const record = this.#records.get(instanceKey(id));
      if (record?.status !== Status.committed) {
        throw new Error(`${formatInstance(id)} is executed but not stored as committed, or executed twice`);
      }
      this.#replace(instanceKey(id), { ...record, status: Status.executed });
      if (command === null) continue;
      this.#log.push(command);
      this.#count(command);
    }
  }

  /** Removes the records that are not needed any more. */
  prune(pruned: Pruned): void {
    for (const [key, { id }] of this.#records) {
      if (id.slot <= (pruned.pruned[id.replica - 1] ?? 0)) this.#replace(key, null);
    }
    this.#pruned = pruned;
  }

  loseUnsynced(): void {
    for (const [key, record] of this.#synced.replaced) {
      if (record === null) this.#records.delete(key);
      else this.#records.set(key, record);
    }
    this.#log.length = this.#synced.logLength;
    this.#pruned = this.#synced.pruned;
    this.#reserved = this.#synced.reserved;
    this.#synced = { ...this.#synced, replaced: new Map() };
    this.#writeCounts = new Map();
    for (const command of this.#log) this.#count(command);
  }

  #replace(key: number, record: InstanceRecord | null): void {
    const { replaced } = this.#synced;
    if (!replaced.has(key)) replaced.set(key, this.#records.get(key) ?? null);
    if (record === null) this.#records.delete(key);
    else this.#records.set(key, record);
  }

  #count({ operations }: Command): void {
    for (const { key, writes } of operations.flatMap(({ accesses }) => accesses)) {
      if (writes) this.#writeCounts.set(key, (this.#writeCounts.get(key) ?? 0) + 1);
    }
  }
}

/** A copy that shares nothing with the record: whoever changes one does not change the other. */
function copied({ command, ...rest }: InstanceRecord): InstanceRecord {
  return {
    ...structuredClone(rest),
    command: command === null ? null : new Command(structuredClone(command.operations)),
  };
}
