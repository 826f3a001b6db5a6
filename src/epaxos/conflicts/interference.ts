/**
 * Which commands interfere, and the index that tells it fast (protocol.md section 2). For each key the
 * index keeps, row by row, the slots of the commands that touch it. From that come a replica's
 * contribution to an instance's attributes (R2.3) and the edges of the execution graph (R7.1).
 */
import { assert } from '../../util/assert.ts';
import type { Command } from '../model/command.ts';
import { noDeps, raiseDeps } from '../model/deps.ts';
import type { SlotRange } from '../model/messages.ts';
import { EVERYTHING } from '../model/operation.ts';
import {
  type Attributes,
  type Deps,
  type InstanceId,
  type InstanceKey,
  instanceKey,
  instanceOfKey,
  MAX_NUMBER,
  type Slot,
} from '../model/types.ts';
import { type Addition, KeyEntry } from './key-entry.ts';
import { KeyTable } from './key-table.ts';

/** The two kinds of access, without a key. */
export const READ = { writes: false };
export const WRITE = { writes: true };

/**
 * What a command touches: entries of the index, each once, in the command's order; and whether it writes the key. Of a wide
 * command it is one entry, that of everything.
 */
export interface Touches {
  readonly entries: KeyEntry[];
  readonly writes: boolean[];
  /** Of each operation the entry of its key, or of the first of its keys. None once that was handed over with its execution. */
  ofOperations: KeyEntry[];
}

const NO_ENTRIES: KeyEntry[] = [];

/** The next seq: higher, unless a peer that was mistaken again and again has brought it to the highest there is (R3.13). */
function after(seq: number): number {
  return Math.min(seq + 1, MAX_NUMBER);
}

export class InterferenceIndex {
  readonly keys: KeyTable;
  /** What touches everything (R2.8); to be had from {@link wide}, which brings it up to date. */
  readonly everything: KeyEntry;
  /** How many wide commands are known and not forgotten. While there are none, nobody need look at `everything`. */
  wideCommands = 0;
  /** By row: the highest slot of a command that writes anything. */
  readonly lastWrite: Slot[];
  /** The highest seq ever known of any command, and of any that writes anything. */
  accessSeq = 0;
  writeSeq = 0;
  /** Of every instance whose command is known. */
  readonly touches = new Map<InstanceKey, Touches>();
  /** R2.7: what was forgotten before every replica had executed it; every contribution is merged with it. */
  floor: Deps;
  /** What some command touches, as it was found last. Null once anything is forgotten, since entries go with that. */
  found: { readonly command: Command; readonly touches: Touches } | null = null;
  /** Numbers the commands that were looked at. */
  visits = 0;

  constructor(replicas: number) {
    this.keys = new KeyTable(replicas);
    this.everything = new KeyEntry(EVERYTHING, replicas);
    this.lastWrite = new Array<Slot>(replicas).fill(0);
    this.floor = noDeps(replicas);
  }

  /**
   * Forgets an executed instance and all before it in its row; what may be forgotten, and when, is decided in
   * pruning.ts (R2.7).
   */
  forget(id: InstanceId): void {
    const key = instanceKey(id);
    const touches = this.touches.get(key);
    if (touches !== undefined && this.isWide(touches)) this.wideCommands -= 1;
    this.keys.forget(id, touches?.entries.length ?? 0);
    this.touches.delete(key);
    this.found = null;
  }

  /** Hands over, once, the entry of each operation's key of a known instance. */
  takeOfOperations(id: InstanceId): readonly KeyEntry[] {
    const touches = this.touches.get(instanceKey(id));
    assert(touches !== undefined, 'what a known command touches');
    const { ofOperations } = touches;
    touches.ofOperations = NO_ENTRIES;
    return ofOperations;
  }

  /** True if that is what a wide command touches. */
  isWide({ entries }: Touches): boolean {
    return entries[0] === this.everything;
  }

  /** What is known to touch everything; null for nothing. */
  wide(): KeyEntry | null {
    return this.wideCommands === 0 ? null : this.keys.upToDate(this.everything);
  }

  /** A command counts from the moment it is known, whatever becomes of its instance (R2.4). To be told once. */
  learn(id: Addition, command: Command): void {
    const touches = this.touchesOf(command);
    this.found = null;
    const { entries, writes } = touches;
    let isWrite = false;
    for (let place = 0; place < entries.length; place += 1) {
      const writesIt = writes[place] === true;
      isWrite ||= writesIt;
      entries[place]?.add(id, writesIt ? WRITE : READ);
    }
    if (isWrite && id.slot > (this.lastWrite[id.replica - 1] ?? 0)) this.lastWrite[id.replica - 1] = id.slot;
    if (this.isWide(touches)) this.wideCommands += 1;
    this.keys.learned(id, entries.length);
    this.touches.set(instanceKey(id), touches);
  }

  /** Notes a seq that the command of a known instance has had. What was known once is never lowered again. */
  raiseSeq(id: InstanceId, seq: number): void {
    const touches = this.touches.get(instanceKey(id));
    assert(touches !== undefined, 'only a known command has a seq');
    const { entries, writes } = touches;
    if (seq > this.accessSeq) this.accessSeq = seq;
    for (let place = 0; place < entries.length; place += 1) {
      const entry = entries[place];
      if (entry === undefined) continue;
      if (seq > entry.accessSeq) entry.accessSeq = seq;
      if (writes[place] !== true) continue;
      if (seq > entry.writeSeq) entry.writeSeq = seq;
      if (seq > this.writeSeq) this.writeSeq = seq;
    }
  }

  /**
   * This replica's contribution for a command that is not in the index yet (R2.3): for each row the
   * highest slot that interferes, and at least the floor; and a seq above any that an interfering command ever had.
   */
  contribution(command: Command): Attributes {
    const touches = this.touchesOf(command);
    const { entries, writes } = touches;
    const deps: Slot[] = [...this.floor];
    if (this.isWide(touches)) return this.wideContribution(deps, writes[0] === true ? WRITE : READ);
    const wide = this.wide();
    let seq = 0;
    for (let place = 0; place < entries.length; place += 1) {
      const entry = entries[place];
      if (entry === undefined) continue;
      const access = writes[place] === true ? WRITE : READ;
      seq = Math.max(seq, entry.interferingSeq(access));
      raiseDeps(deps, entry.lastInterfering(access));
      if (wide === null) continue;
      seq = Math.max(seq, wide.interferingSeq(access));
      raiseDeps(deps, wide.lastInterfering(access));
    }
    return { seq: after(seq), deps };
  }

  /** The contribution for a command that touches everything (R2.8). */
  private wideContribution(floor: Slot[], { writes }: { readonly writes: boolean }): Attributes {
    const last = writes ? this.keys.highest : this.lastWrite;
    const { forgotten } = this.keys;
    raiseDeps(
      floor,
      last.map((slot, rowIndex) => (slot > (forgotten[rowIndex] ?? 0) ? slot : 0)),
    );
    return { seq: after(writes ? this.accessSeq : this.writeSeq), deps: floor };
  }

  /**
   * What a read of the key depends on (R2.3, R2.8): for each row the highest slot that writes it, or everything, and at least
   * the floor.
   */
  writersOf(key: string): Deps {
    const entry = this.keys.find(key);
    const wide = this.wide();
    if (entry === undefined && wide === null) return this.floor;
    const deps: Slot[] = [...this.floor];
    if (entry !== undefined) raiseDeps(deps, entry.lastWrite);
    if (wide !== null) raiseDeps(deps, wide.lastWrite);
    return deps;
  }

  /** What is known of a key, or of what touches everything; undefined for nothing. */
  find(key: string): KeyEntry | undefined {
    return key === EVERYTHING ? (this.wide() ?? undefined) : this.keys.find(key);
  }

  /**
   * Every known instance that is not in `deps` and whose command interferes with `command`; each once, by row and slot. Goes
   * through all that each of these instances touches, for of a key not all is kept that touches it.
   */
  interferingOutside(deps: Deps, command: Command): InstanceId[] {
    const all = command.accesses;
    const ofAll = all.some(({ writes }) => writes) ? WRITE : READ;
    const isWide = all[0]?.key === EVERYTHING;
    const accesses = new Map<KeyEntry, { readonly writes: boolean }>([[this.everything, ofAll]]);
    for (const access of all) {
      const entry = this.find(access.key);
      if (entry !== undefined) accesses.set(entry, access);
    }
    const interferes = ({ entries, writes }: Touches) =>
      entries.some((entry, place) => {
        const access = isWide ? ofAll : accesses.get(entry);
        return access !== undefined && (access.writes || writes[place] === true);
      });
    const { highest, forgotten } = this.keys;
    return deps.flatMap((floor, rowIndex) => {
      const found: InstanceId[] = [];
      const range = {
        replica: rowIndex + 1,
        from: Math.max(floor, forgotten[rowIndex] ?? 0) + 1,
        to: highest[rowIndex] ?? 0,
      };
      for (const slot of this.knownSlots(range)) {
        const id = { replica: rowIndex + 1, slot };
        const touches = this.touches.get(instanceKey(id));
        if (touches !== undefined && interferes(touches)) found.push(id);
      }
      return found;
    });
  }

  /** The slots of a range of which something may be known, ascending: no more than are known in all, however long the range. */
  private *knownSlots({ replica, from, to }: SlotRange): Iterable<Slot> {
    if (to - from < this.touches.size) {
      for (let slot = from; slot <= to; slot += 1) yield slot;
      return;
    }
    const ids = [...this.touches.keys()].map(instanceOfKey);
    const known = ids.filter((id) => id.replica === replica && id.slot >= from && id.slot <= to);
    yield* known.map(({ slot }) => slot).sort((one, other) => one - other);
  }

  /** The entry of a key, made if there is none, or of everything. To be used before anything is forgotten. */
  enter(key: string): KeyEntry {
    return key === EVERYTHING ? this.keys.upToDate(this.everything) : this.keys.enter(key);
  }

  /** Takes over what a command touches from whoever has just found it out with `enter`. */
  expect(command: Command, touches: Touches): void {
    this.found = { command, touches };
  }

  /** What a command touches, to be used at once: if it is learned next, nothing needs to be looked up again. */
  private touchesOf(command: Command): Touches {
    if (this.found?.command !== command) this.found = { command, touches: this.visit(command) };
    return this.found.touches;
  }

  private visit(command: Command): Touches {
    this.visits += 1;
    // Nearly always each operation touches one key, and another one. Made to measure, the lists need not grow.
    const { operations } = command;
    const entries = new Array<KeyEntry>(operations.length);
    const writes = new Array<boolean>(operations.length);
    const ofOperations = new Array<KeyEntry>(operations.length);
    let count = 0;
    for (let at = 0; at < operations.length; at += 1) {
      for (const access of operations[at]?.accesses ?? []) {
        if (access.key === EVERYTHING) return this.visitEverything(command);
        const entry = this.keys.enter(access.key);
        ofOperations[at] ??= entry;
        if (entry.visit !== this.visits) {
          entry.visit = this.visits;
          entry.place = count;
          entries[count] = entry;
          writes[count] = access.writes;
          count += 1;
        } else if (access.writes) {
          writes[entry.place] = true;
        }
      }
    }
    entries.length = count;
    writes.length = count;
    return { entries, writes, ofOperations };
  }

  private visitEverything({ operations }: Command): Touches {
    const writes = operations.some(({ accesses }) => accesses.some((access) => access.writes));
    const entries = [this.enter(EVERYTHING)];
    return { entries, writes: [writes], ofOperations: entries };
  }
}
