/**
 * The entries of the interference index by key, without those that everything known of was forgotten.
 *
 * An operation touches its key once when it is learned; to go through the keys again when its instance is forgotten
 * would cost as much once more. So forgetting only moves a bound:
 * - an entry drops what lies below the bound when it is looked up the next time;
 * - keys that nobody touches any more go together, in two generations: when the younger has grown well beyond
 *   what is retained, it becomes the older, and whatever is touched after that is entered into a new one. So the older
 *   holds, and its keys alone, only slots that were known when it became the older. Once these are forgotten, it is
 *   dropped as a whole.
 */
import { covers } from '../model/deps.ts';
import type { Deps, InstanceId, Slot } from '../model/types.ts';
import { KeyEntry } from './key-entry.ts';

/** So many keys more than needed are not worth a generation. */
const SPARE_KEYS = 1_024;

export class KeyTable {
  /** Every key of which something is known is in one of these. One in both has the same entry there. */
  younger = new Map<string, KeyEntry>();
  older = new Map<string, KeyEntry>();
  /** Invariant: of a key that is in the older alone, no slot beyond these is known. */
  olderUpTo: Deps;
  /** By row: the highest slot that was learned. */
  readonly highest: Slot[];
  /** By row: every slot up to this one is forgotten. */
  readonly forgotten: Slot[];
  /** How often something was forgotten. */
  epoch = 0;
  /** How many touches of keys were learned and not forgotten; so many keys at most have something known of them. */
  retained = 0;

  constructor(replicas: number) {
    this.olderUpTo = new Array<Slot>(replicas).fill(0);
    this.highest = new Array<Slot>(replicas).fill(0);
    this.forgotten = new Array<Slot>(replicas).fill(0);
  }

  /** How many keys take room. */
  get size(): number {
    return this.younger.size + this.older.size;
  }

  /** What is known of a key; an entry without slots, or undefined, for nothing. */
  find(key: string): KeyEntry | undefined {
    const entry = this.younger.get(key) ?? this.older.get(key);
    if (entry !== undefined) this.refresh(entry);
    return entry;
  }

  /** The entry of a key, to which may be added before anything is forgotten. */
  enter(key: string): KeyEntry {
    let entry = this.younger.get(key);
    if (entry === undefined) {
      entry = this.older.get(key) ?? new KeyEntry(key, this.highest.length);
      this.younger.set(key, entry);
    }
    this.refresh(entry);
    return entry;
  }

  /** An instance was added to so many entries. */
  learned({ replica, slot }: InstanceId, touches: number): void {
    this.retained += touches;
    if (slot > (this.highest[replica - 1] ?? 0)) this.highest[replica - 1] = slot;
  }

  /** An instance that was added to so many entries, and all before it in its row, are forgotten. */
  forget({ replica, slot }: InstanceId, touches: number): void {
    this.retained -= touches;
    this.forgotten[replica - 1] = Math.max(slot, this.forgotten[replica - 1] ?? 0);
    this.epoch += 1;
    this.dropOlder();
    if (this.older.size > 0 || this.younger.size <= 2 * this.retained + SPARE_KEYS) return;
    this.older = this.younger;
    this.younger = new Map();
    this.olderUpTo = [...this.highest];
    this.dropOlder();
  }

  private dropOlder(): void {
    if (this.older.size > 0 && covers(this.forgotten, this.olderUpTo)) this.older = new Map();
  }

  /** The entry, without what is forgotten. To be used before anything more is. */
  upToDate(entry: KeyEntry): KeyEntry {
    this.refresh(entry);
    return entry;
  }

  private refresh(entry: KeyEntry): void {
    if (entry.epoch === this.epoch) return;
    entry.dropUpTo(this.forgotten);
    entry.epoch = this.epoch;
  }
}
