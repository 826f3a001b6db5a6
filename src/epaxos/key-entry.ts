/** What the interference index knows of one key. Asking for the newest slots is the fast case. */
import type { InstanceKey, ReplicaId, Slot } from './types.ts';

export class KeyEntry {
  readonly key: string;
  /** By row: the slots of the commands that touch the key, ascending, each once. */
  readonly slots: Slot[][];
  /** By row: those of them that only read it; null for none. */
  readonly reads: (Set<Slot> | null)[];
  /** By row: the highest slot that touches the key, and the highest that writes it; 0 for none. */
  readonly lastAccess: Slot[];
  readonly lastWrite: Slot[];
  /** The highest seq known of any command that touches the key. */
  accessSeq = 0;
  writeSeq = 0;
  /** The instance that was learned last of those that touch the key, and the key's place among all it touches. */
  learner: InstanceKey = 0;
  place = 0;

  constructor(key: string, replicas: number) {
    this.key = key;
    this.slots = Array.from({ length: replicas }, () => []);
    this.reads = new Array<Set<Slot> | null>(replicas).fill(null);
    this.lastAccess = new Array<Slot>(replicas).fill(0);
    this.lastWrite = new Array<Slot>(replicas).fill(0);
  }

  /** By row: the highest slot that interferes with an access. */
  lastInterfering(access: { readonly writes: boolean }): readonly Slot[] {
    return access.writes ? this.lastAccess : this.lastWrite;
  }

  /** True if nothing is known of the key but its seqs. */
  get isEmpty(): boolean {
    for (const slot of this.lastAccess) if (slot > 0) return false;
    return true;
  }

  /** The command of an instance touches the key. To be told once for each instance. */
  add(replica: ReplicaId, slot: Slot, options: { readonly writes: boolean }): void {
    const row = replica - 1;
    const slots = this.slots[row] ?? [];
    if (slot > (this.lastAccess[row] ?? 0)) {
      slots.push(slot);
      this.lastAccess[row] = slot;
    } else {
      slots.splice(countUpTo(slots, slot), 0, slot);
    }
    if (!options.writes) {
      const reads = this.reads[row] ?? new Set();
      this.reads[row] = reads.add(slot);
    } else if (slot > (this.lastWrite[row] ?? 0)) {
      this.lastWrite[row] = slot;
    }
  }

  /** The highest slot ≤ `upTo` of a row that interferes with an access; 0 for none. */
  interfering(
    access: { readonly writes: boolean },
    place: { readonly replica: ReplicaId; readonly upTo: Slot },
  ): Slot {
    const row = place.replica - 1;
    const last = this.lastInterfering(access)[row] ?? 0;
    if (last <= place.upTo) return last;
    const slots = this.slots[row] ?? [];
    const reads = access.writes ? null : this.reads[row];
    for (let index = countUpTo(slots, place.upTo) - 1; index >= 0; index -= 1) {
      const slot = slots[index] ?? 0;
      if (!reads?.has(slot)) return slot;
    }
    return 0;
  }

  /** True if the known command of an instance writes the key. */
  isWrittenBy(replica: ReplicaId, slot: Slot): boolean {
    return this.interfering({ writes: false }, { replica, upTo: slot }) === slot;
  }

  /** Forgets every slot ≤ `bound` of a row. */
  dropUpTo(replica: ReplicaId, bound: Slot): void {
    const row = replica - 1;
    const slots = this.slots[row] ?? [];
    const count = countUpTo(slots, bound);
    if (count === 0) return;
    const reads = this.reads[row] ?? null;
    for (const slot of slots.splice(0, count)) reads?.delete(slot);
    if (reads?.size === 0) this.reads[row] = null;
    if ((this.lastAccess[row] ?? 0) <= bound) this.lastAccess[row] = 0;
    if ((this.lastWrite[row] ?? 0) <= bound) this.lastWrite[row] = 0;
  }
}

/** How many of the slots, which are ascending, are ≤ `bound`. */
function countUpTo(slots: readonly Slot[], bound: Slot): number {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((slots[middle] ?? 0) <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
