/** An ordered set of slots of one row. Appending and reading the end are the fast cases. */
import type { Slot } from './types.ts';

export class SlotList {
  /** Ascending, each once. */
  readonly slots: Slot[] = [];

  /** The highest slot; 0 for none. */
  get last(): Slot {
    return this.slots[this.slots.length - 1] ?? 0;
  }

  add(slot: Slot): void {
    if (slot > this.last) {
      this.slots.push(slot);
      return;
    }
    const index = this.countUpTo(slot);
    if (this.slots[index - 1] !== slot) this.slots.splice(index, 0, slot);
  }

  has(slot: Slot): boolean {
    return this.highestUpTo(slot) === slot;
  }

  /** The highest slot ≤ `bound`; 0 for none. */
  highestUpTo(bound: Slot): Slot {
    return this.last <= bound ? this.last : (this.slots[this.countUpTo(bound) - 1] ?? 0);
  }

  /** Removes every slot ≤ `bound`. */
  dropUpTo(bound: Slot): void {
    this.slots.splice(0, this.countUpTo(bound));
  }

  private countUpTo(bound: Slot): number {
    let low = 0;
    let high = this.slots.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.slots[middle] ?? 0) <= bound) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
