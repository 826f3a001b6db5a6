/**
 * Which commands interfere, and the index that tells it fast (protocol.md section 2). For each key the
 * index keeps, row by row, the slots of the commands that touch it. From that come a replica's
 * contribution to an instance's attributes (R2.3) and the edges of the execution graph (R7.1).
 */
import { assert } from '../util/assert.ts';
import { noDeps } from './deps.ts';
import { KeyEntry } from './key-entry.ts';
import {
  type Access,
  type Attributes,
  type Command,
  type Deps,
  type InstanceId,
  type InstanceKey,
  instanceKey,
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

/** What the command of a known instance touches: entries of the index, each once, and whether it writes the key. */
export interface Touches {
  readonly entries: KeyEntry[];
  readonly writes: boolean[];
}

export class InterferenceIndex {
  readonly replicas: number;
  readonly keys = new Map<string, KeyEntry>();
  /** Of every instance whose command is known. */
  readonly touches = new Map<InstanceKey, Touches>();
  /** R2.7: what was forgotten before every replica had executed it; every contribution is merged with it. */
  floor: Deps;
  /** The command that was asked about last, and what was found, access by access: mostly it is learned next. */
  asked: { readonly command: Command; readonly found: readonly (KeyEntry | undefined)[] } | null = null;

  constructor(replicas: number) {
    this.replicas = replicas;
    this.floor = noDeps(replicas);
  }

  /** Forgets an executed instance; what may be forgotten, and when, is decided in pruning.ts (R2.7). */
  forget(id: InstanceId): void {
    const touches = this.touches.get(instanceKey(id));
    if (touches === undefined) return;
    this.touches.delete(instanceKey(id));
    for (const entry of touches.entries) {
      entry.dropUpTo(id.replica, id.slot);
      if (entry.isEmpty) this.keys.delete(entry.key);
    }
  }

  /** A command counts from the moment it is known, whatever becomes of its instance (R2.4). To be told once. */
  learn(id: InstanceId, command: Command): void {
    const key = instanceKey(id);
    const found = this.asked?.command === command ? this.asked.found : [];
    this.asked = null;
    const touches: Touches = { entries: [], writes: [] };
    let number = 0;
    for (const { accesses } of command.operations) {
      for (const access of accesses) {
        const entry = found[number] ?? this.entry(access.key);
        number += 1;
        if (entry.learner !== key) {
          entry.learner = key;
          entry.place = touches.entries.length;
          touches.entries.push(entry);
          touches.writes.push(access.writes);
        } else if (access.writes) {
          touches.writes[entry.place] = true;
        }
      }
    }
    touches.entries.forEach((entry, place) => {
      entry.add(id.replica, id.slot, { writes: touches.writes[place] === true });
    });
    this.touches.set(key, touches);
  }

  /** Notes a seq that the command of a known instance has had. What was known once is never lowered again. */
  raiseSeq(id: InstanceId, seq: number): void {
    const touches = this.touches.get(instanceKey(id));
    assert(touches !== undefined, 'only a known command has a seq');
    touches.entries.forEach((entry, place) => {
      if (seq > entry.accessSeq) entry.accessSeq = seq;
      if (seq > entry.writeSeq && touches.writes[place] === true) entry.writeSeq = seq;
    });
  }

  /**
   * This replica's contribution for a command that is not in the index yet (R2.3): for each row the
   * highest slot that interferes, and at least the floor; and a seq above any that an interfering command ever had.
   */
  contribution(command: Command): Attributes {
    const deps: Slot[] = [...this.floor];
    let seq = 0;
    const found: (KeyEntry | undefined)[] = [];
    for (const { accesses } of command.operations) {
      for (const access of accesses) {
        const entry = this.keys.get(access.key);
        found.push(entry);
        if (entry === undefined) continue;
        seq = Math.max(seq, access.writes ? entry.accessSeq : entry.writeSeq);
        const last = entry.lastInterfering(access);
        for (let row = 0; row < deps.length; row += 1) {
          const slot = last[row] ?? 0;
          if (slot > (deps[row] ?? 0)) deps[row] = slot;
        }
      }
    }
    this.asked = { command, found };
    return { seq: seq + 1, deps };
  }

  /** What a read of the key depends on (R2.3): for each row the highest slot that writes it, and at least the floor. */
  writersOf(key: string): Deps {
    const entry = this.keys.get(key);
    if (entry === undefined) return this.floor;
    return this.floor.map((slot, row) => Math.max(slot, entry.lastWrite[row] ?? 0));
  }

  /** What is known of a key; undefined for nothing. */
  find(key: string): KeyEntry | undefined {
    return this.keys.get(key);
  }

  /** Every known instance that is not in `deps` and whose command interferes with `command`; each once. */
  interferingOutside(deps: Deps, command: Command): InstanceId[] {
    const found = new Map<InstanceKey, InstanceId>();
    for (const access of accessesOf(command)) {
      const entry = this.keys.get(access.key);
      if (entry === undefined) continue;
      deps.forEach((floor, row) => {
        const replica = row + 1;
        let slot = entry.interfering(access, { replica, upTo: Number.MAX_SAFE_INTEGER });
        for (; slot > floor; slot = entry.interfering(access, { replica, upTo: slot - 1 })) {
          found.set(instanceKey({ replica, slot }), { replica, slot });
        }
      });
    }
    return [...found.values()];
  }

  private entry(key: string): KeyEntry {
    let entry = this.keys.get(key);
    if (entry === undefined) {
      entry = new KeyEntry(key, this.replicas);
      this.keys.set(key, entry);
    }
    return entry;
  }
}
