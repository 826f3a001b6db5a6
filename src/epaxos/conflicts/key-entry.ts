/**
 * What the interference index knows of one key. Nearly always somebody asks for the newest slots, and mostly there are
 * no others: only where there are any do they take room.
 */
import type { Proposal } from '../agreement/proposal.ts';
import type { KeyHandle } from '../model/ready.ts';
import type { Deps, InstanceId, ReplicaId, Slot } from '../model/types.ts';

/** A slot that touches the key, as one number in the order of slots: twice the slot, plus one if it writes the key. */
type Touch = number;

/** What the proposer keeps of a key, in the key's entry: own open instances that touch it, and what waits for them. */
export interface OwnUse {
  /** Own open instances that only read it, and that write it. While there are any, the index keeps the entry. */
  reads: number;
  writes: number;
  /** What waits for these, in order of arrival; null for nothing. Some may have been withdrawn. */
  held: Proposal[] | null;
  /** With so many of them it is time to look which were withdrawn. */
  heldLimit: number;
  /** Which of the batches of this turn touches it, from 0 on, and its place among the batch's keys; null for none. */
  batch: number | null;
  place: number;
}

/** An instance whose command touches keys. */
export interface Addition extends InstanceId {
  /** Of this row nobody asks any more for slots up to this one, but for the highest that touches a key; 0 for none. */
  readonly settled: Slot;
}

export class KeyEntry implements KeyHandle {
  readonly key: string;
  /**
   * By row: the highest slot that touches the key, and the highest that writes it; 0 for none. They are one list as long
   * as nothing but writes has touched it: of most keys, and what is looked up for every operation is better small.
   */
  readonly lastAccess: Slot[];
  lastWrite: Slot[];
  /** By row: what touches the key below the highest slot that does, ascending, each once; null for nothing, or none at all. */
  earlier: (Touch[] | null)[] | null = null;
  /** The highest seq known of any command that touches the key, and of any that writes it. */
  accessSeq = 0;
  writeSeq = 0;
  /** How much had been forgotten when that was last taken out here (key-table.ts). */
  epoch = 0;
  /** Which command was looked at last of those that touch the key, and the key's place among all it touches. */
  visit = 0;
  place = 0;
  /** What the proposer keeps of the key; null if it never had to do with it. */
  own: OwnUse | null = null;
  attachment: object | null = null;

  constructor(key: string, replicas: number) {
    this.key = key;
    this.lastAccess = new Array<Slot>(replicas).fill(0);
    this.lastWrite = this.lastAccess;
  }

  /** By row: the highest slot that interferes with an access. */
  lastInterfering(access: { readonly writes: boolean }): readonly Slot[] {
    return access.writes ? this.lastAccess : this.lastWrite;
  }

  /** The highest seq known of what interferes with an access. */
  interferingSeq(access: { readonly writes: boolean }): number {
    return access.writes ? this.accessSeq : this.writeSeq;
  }

  /** The command of an instance touches the key. To be told once for each instance. */
  add({ replica, slot, settled }: Addition, access: { readonly writes: boolean }): void {
    const rowIndex = replica - 1;
    if (!access.writes && this.lastWrite === this.lastAccess) this.lastWrite = [...this.lastAccess];
    const last = this.lastAccess[rowIndex] ?? 0;
    if (slot > last) {
      if (last > settled) this.addEarlier(rowIndex, touch(last, last === this.lastWrite[rowIndex]));
      else this.setEarlier(rowIndex, null);
      this.lastAccess[rowIndex] = slot;
    } else {
      this.addEarlier(rowIndex, touch(slot, access.writes));
    }
    if (access.writes && slot > (this.lastWrite[rowIndex] ?? 0)) this.lastWrite[rowIndex] = slot;
  }

  /** The highest slot ≤ `upTo` of a row that interferes with an access; 0 for none. */
  interfering(
    access: { readonly writes: boolean },
    place: { readonly replica: ReplicaId; readonly upTo: Slot },
  ): Slot {
    const rowIndex = place.replica - 1;
    const last = this.lastInterfering(access)[rowIndex] ?? 0;
    if (last <= place.upTo) return last;
    const earlier = this.earlier?.[rowIndex] ?? [];
    for (let index = countUpTo(earlier, place.upTo) - 1; index >= 0; index -= 1) {
      const found = earlier[index] ?? 0;
      if (access.writes || found % 2 === 1) return Math.floor(found / 2);
    }
    return 0;
  }

  /** True if the known command of an instance writes the key. */
  isWrittenBy(replica: ReplicaId, slot: Slot): boolean {
    return this.interfering({ writes: false }, { replica, upTo: slot }) === slot;
  }

  /** Forgets every slot up to `bounds`, and the seqs if none is left. */
  dropUpTo(bounds: Deps): void {
    let isEmpty = true;
    for (let rowIndex = 0; rowIndex < bounds.length; rowIndex += 1) {
      const bound = bounds[rowIndex] ?? 0;
      if ((this.lastWrite[rowIndex] ?? 0) <= bound) this.lastWrite[rowIndex] = 0;
      if ((this.lastAccess[rowIndex] ?? 0) > bound) {
        isEmpty = false;
        this.dropEarlier(rowIndex, bound);
      } else {
        this.lastAccess[rowIndex] = 0;
        this.setEarlier(rowIndex, null);
      }
    }
    if (!isEmpty) return;
    this.accessSeq = 0;
    this.writeSeq = 0;
  }

  private addEarlier(rowIndex: number, added: Touch): void {
    const earlier = this.earlier?.[rowIndex] ?? null;
    if (earlier === null) this.setEarlier(rowIndex, [added]);
    else if ((earlier.at(-1) ?? 0) < added) earlier.push(added);
    else earlier.splice(countUpTo(earlier, Math.floor(added / 2)), 0, added);
  }

  private setEarlier(rowIndex: number, touches: Touch[] | null): void {
    if (this.earlier === null) {
      if (touches === null) return;
      this.earlier = this.lastAccess.map(() => null);
    }
    this.earlier[rowIndex] = touches;
    if (touches === null && this.earlier.every((each) => each === null)) this.earlier = null;
  }

  private dropEarlier(rowIndex: number, bound: Slot): void {
    const earlier = this.earlier?.[rowIndex] ?? null;
    if (earlier === null) return;
    const count = countUpTo(earlier, bound);
    if (count === earlier.length) {
      this.setEarlier(rowIndex, null);
    } else if (count > 0) {
      earlier.copyWithin(0, count);
      earlier.length -= count;
    }
  }
}

function touch(slot: Slot, writes: boolean): Touch {
  return 2 * slot + (writes ? 1 : 0);
}

/** How many of the touches, which are ascending, are of slots ≤ `bound`. */
function countUpTo(touches: readonly Touch[], bound: Slot): number {
  let low = 0;
  let high = touches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((touches[middle] ?? 0) <= 2 * bound + 1) low = middle + 1;
    else high = middle;
  }
  return low;
}
