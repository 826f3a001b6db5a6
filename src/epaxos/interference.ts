/**
 * Which commands interfere, and the index that tells it fast (protocol.md section 2). For each key the
 * index keeps, row by row, the slots of the commands that touch it. From that come a replica's
 * contribution to an instance's attributes (R2.3) and the edges of the execution graph (R7.1).
 */
import { noDeps } from './deps.ts';
import { SlotList } from './slot-list.ts';
import {
  type Access,
  type Attributes,
  type Command,
  type Deps,
  type InstanceId,
  type InstanceKey,
  instanceKey,
  type ReplicaId,
  type Slot,
} from './types.ts';

const accessesByCommand = new WeakMap<Command, readonly Access[]>();

/** Every key a command touches, once each; a key that any of its operations writes is written. */
export function accessesOf(command: Command): readonly Access[] {
  const [first, ...others] = command.operations;
  if (first !== undefined && others.length === 0 && first.accesses.length === 1) return first.accesses;
  let accesses = accessesByCommand.get(command);
  if (accesses === undefined) {
    const byKey = new Map<string, Access>();
    for (const operation of command.operations) {
      for (const access of operation.accesses) {
        if (access.writes || !byKey.has(access.key)) byKey.set(access.key, access);
      }
    }
    accesses = [...byKey.values()];
    accessesByCommand.set(command, accesses);
  }
  return accesses;
}

/** R2.1: the commands touch a common key and at least one of them writes it. Symmetric. */
export function interferes(left: Command, right: Command): boolean {
  const rightAccesses = accessesOf(right);
  return accessesOf(left).some((one) =>
    rightAccesses.some((other) => one.key === other.key && (one.writes || other.writes)),
  );
}

/** What the index knows of one key. A write is an access too. */
interface KeyEntry {
  /** By row: the slots of the commands that touch the key. */
  readonly accesses: readonly SlotList[];
  /** By row: the slots of the commands that write it. */
  readonly writes: readonly SlotList[];
  /** The highest seq known of any command that touches the key. */
  accessSeq: number;
  writeSeq: number;
}

export class InterferenceIndex {
  readonly replicas: number;
  readonly keys = new Map<string, KeyEntry>();
  /** R2.7: what was forgotten before every replica had executed it; every contribution is merged with it. */
  floor: Deps;

  constructor(replicas: number) {
    this.replicas = replicas;
    this.floor = noDeps(replicas);
  }

  /** Forgets an executed instance; what may be forgotten, and when, is decided in pruning.ts (R2.7). */
  forget(id: InstanceId, command: Command): void {
    for (const { key } of accessesOf(command)) {
      const entry = this.keys.get(key);
      if (entry === undefined) continue;
      entry.accesses[id.replica - 1]?.dropUpTo(id.slot);
      entry.writes[id.replica - 1]?.dropUpTo(id.slot);
      if (entry.accesses.every((slots) => slots.last === 0)) this.keys.delete(key);
    }
  }

  /** A command counts from the moment it is known, whatever becomes of its instance (R2.4). */
  learn(id: InstanceId, command: Command): void {
    for (const { key, writes } of accessesOf(command)) {
      const entry = this.entry(key);
      entry.accesses[id.replica - 1]?.add(id.slot);
      if (writes) entry.writes[id.replica - 1]?.add(id.slot);
    }
  }

  /** Notes a seq that a known command has had. What was known once is never lowered again. */
  raiseSeq(command: Command, seq: number): void {
    for (const { key, writes } of accessesOf(command)) {
      const entry = this.entry(key);
      entry.accessSeq = Math.max(entry.accessSeq, seq);
      if (writes) entry.writeSeq = Math.max(entry.writeSeq, seq);
    }
  }

  /**
   * This replica's contribution for a command that is not in the index yet (R2.3): for each row the
   * highest slot that interferes, and a seq above any that an interfering command ever had.
   */
  contribution(command: Command): Attributes {
    const accesses = accessesOf(command);
    let highestSeq = 0;
    for (const { key, writes } of accesses) {
      const entry = this.keys.get(key);
      if (entry !== undefined) highestSeq = Math.max(highestSeq, writes ? entry.accessSeq : entry.writeSeq);
    }
    return { seq: highestSeq + 1, deps: this.depsOf(accesses) };
  }

  /** For each row the highest slot that interferes with any of the accesses, and at least the floor. */
  depsOf(accesses: readonly Access[]): Deps {
    const deps: Slot[] = [...this.floor];
    for (const { key, writes } of accesses) {
      const entry = this.keys.get(key);
      if (entry === undefined) continue;
      const rows = writes ? entry.accesses : entry.writes;
      for (let row = 0; row < rows.length; row += 1) {
        const last = rows[row]?.last ?? 0;
        if (last > (deps[row] ?? 0)) deps[row] = last;
      }
    }
    return deps;
  }

  /** What a read of the key depends on (R2.3): for each row the highest slot that writes it, and at least the floor. */
  writersOf(key: string): Deps {
    const writes = this.keys.get(key)?.writes;
    if (writes === undefined) return this.floor;
    return this.floor.map((slot, row) => Math.max(slot, writes[row]?.last ?? 0));
  }

  /**
   * The highest slot ≤ `upTo` of a row that interferes with an access; 0 for none. Walking down with it
   * enumerates all of them.
   */
  interferingSlot(access: Access, place: { readonly replica: ReplicaId; readonly upTo: Slot }): Slot {
    const entry = this.keys.get(access.key);
    const rows = access.writes ? entry?.accesses : entry?.writes;
    return rows?.[place.replica - 1]?.highestUpTo(place.upTo) ?? 0;
  }

  /** Whether the known command of an instance writes the key. */
  writesKey(id: InstanceId, key: string): boolean {
    return this.keys.get(key)?.writes[id.replica - 1]?.has(id.slot) ?? false;
  }

  /** Every known instance that is not in `deps` and whose command interferes with `command`; each once. */
  interferingOutside(deps: Deps, command: Command): InstanceId[] {
    const found = new Map<InstanceKey, InstanceId>();
    for (const access of accessesOf(command)) {
      deps.forEach((floor, row) => {
        const replica = row + 1;
        let slot = this.interferingSlot(access, { replica, upTo: Number.MAX_SAFE_INTEGER });
        for (; slot > floor; slot = this.interferingSlot(access, { replica, upTo: slot - 1 })) {
          found.set(instanceKey({ replica, slot }), { replica, slot });
        }
      });
    }
    return [...found.values()];
  }

  private entry(key: string): KeyEntry {
    let entry = this.keys.get(key);
    if (entry === undefined) {
      const lists = () => Array.from({ length: this.replicas }, () => new SlotList());
      entry = { accesses: lists(), writes: lists(), accessSeq: 0, writeSeq: 0 };
      this.keys.set(key, entry);
    }
    return entry;
  }
}
