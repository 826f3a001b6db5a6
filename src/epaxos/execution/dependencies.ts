/**
 * The edges of the execution graph (R7.1, R7.2), enumerated for the executor out of the interference
 * index: what a committed instance must wait for, one thing at a time.
 */
import { assert } from '../../util/assert.ts';
import type { ReplicaState } from '../agreement/state.ts';
import { READ, type Touches, WRITE } from '../conflicts/interference.ts';
import type { KeyEntry } from '../conflicts/key-entry.ts';
import { isCommitted } from '../model/instance-space.ts';
import {
  type Attributes,
  type Deps,
  type InstanceKey,
  type InstanceRecord,
  instanceKey,
  instanceOfKey,
  type ReplicaId,
  type Slot,
  Status,
} from '../model/types.ts';
import type { Dependency, DependencySource, Exploration } from './execution.ts';
import { finishRead } from './read-barrier.ts';
import { keyOf, NO_REPLICA } from './reads.ts';

const DONE: Dependency = 0;
const NOTHING: Touches = { entries: [], writes: [], ofOperations: [] };

/**
 * Why not every dependency is an edge. Say w depends on x, a write, and on y, which lies below x in the
 * same row and touches the same key. Then x interferes with y, and since a coordinator never forgets its own instances
 * (R6.3), or names those that it may have forgotten (R6.4), y is in x's deps: whoever has an edge to x reaches y through
 * it. So a walk down a row stops at the first write that is committed as a command, and the graph stays small though deps
 * are closed downwards. If that write is executed, so is y.
 *
 * R7.10: a wide command walks down whole rows, and may stop only at a write of everything: a write of a key does not
 * interfere with all that lies below it. Whoever touches keys walks down what touches everything as if it were one more key of
 * theirs, of which they read or write what they read or write of any key.
 */
export class Dependencies implements DependencySource {
  readonly state: ReplicaState;

  constructor(state: ReplicaState) {
    this.state = state;
  }

  executed(key: InstanceKey): void {
    if (isRead(key)) finishRead(this.state, key);
    else this.state.markExecuted(this.committedRecord(key));
  }

  seq(key: InstanceKey): number {
    return isRead(key) ? 0 : this.committedRecord(key).attributes.seq;
  }

  /**
   * Place 0 asks whether all of deps is known; place p > 0 is one (key, row), where everything is the last key. The offset
   * says how far the walk down that row has come.
   */
  next(exploration: Exploration): Dependency {
    const { touches, deps } = this.waiter(exploration.key);
    const { index: known, space } = this.state;
    const { rows } = space;
    if (this.isExecuted(deps)) return DONE;
    if (exploration.place === 0) {
      const unknown = this.firstUnknown(deps);
      if (unknown !== null) return -unknown;
      exploration.place = 1;
    }
    if (known.isWide(touches)) return this.nextOfAll(exploration, touches, deps);
    const keys = touches.entries.length;
    const wide = known.wide();
    let rowIndex = (exploration.place - 1) % rows.length;
    for (
      let index = (exploration.place - 1 - rowIndex) / rows.length;
      index < (wide === null ? keys : keys + 1);
      index += 1
    ) {
      const entry = index < keys ? touches.entries[index] : wide;
      assert(entry !== undefined && entry !== null, 'the place is inside the command');
      const writes = index < keys ? touches.writes[index] === true : touches.writes.includes(true);
      const access = writes ? WRITE : READ;
      const last = entry.lastInterfering(access);
      for (; rowIndex < rows.length; rowIndex += 1, exploration.offset = 0) {
        if ((last[rowIndex] ?? 0) <= (rows[rowIndex]?.executed ?? 0)) continue; // then deps need not be looked at
        const top = deps[rowIndex] ?? 0;
        const found = this.walkDown(entry, { access, replica: rowIndex + 1, upTo: top - exploration.offset });
        if (found === null) continue;
        const { slot } = found.id;
        exploration.place = index * rows.length + rowIndex + 1;
        if (!isCommitted(found)) return -instanceKey(found.id);
        if (entry.isWrittenBy(rowIndex + 1, slot)) {
          exploration.place += 1; // nothing below it matters
          exploration.offset = 0;
        } else {
          exploration.offset = top - slot + 1;
        }
        return instanceKey(found.id);
      }
      rowIndex = 0;
    }
    return DONE;
  }

  /** The next instance of a row that the access must wait for; null if there is none. */
  private walkDown(
    entry: KeyEntry,
    place: {
      readonly access: { readonly writes: boolean };
      readonly replica: ReplicaId;
      readonly upTo: Slot;
    },
  ): InstanceRecord | null {
    const { access, replica } = place;
    const row = this.state.space.row(replica);
    let slot = entry.interfering(access, place);
    for (; slot > row.executed; slot = entry.interfering(access, { replica, upTo: slot - 1 })) {
      const record = row.records.get(slot);
      assert(record !== undefined, 'the index knows only instances that have a record');
      if (!isCommitted(record)) return record;
      if (record.noOp) continue;
      if (record.status !== Status.executed) return record;
      if (entry.isWrittenBy(replica, slot)) return null;
    }
    return null;
  }

  /** The same for a wide command, all of whose deps are known. A place is a row. */
  private nextOfAll(exploration: Exploration, { writes }: Touches, deps: Deps): Dependency {
    const { space, index } = this.state;
    for (
      let rowIndex = exploration.place - 1;
      rowIndex < space.rows.length;
      rowIndex += 1, exploration.offset = 0
    ) {
      const top = deps[rowIndex] ?? 0;
      const upTo = top - exploration.offset;
      const found = this.walkDownAll({ writesAll: writes[0] === true, replica: rowIndex + 1, upTo });
      if (found === null) continue;
      const { slot } = found.id;
      exploration.place = rowIndex + 1;
      if (!isCommitted(found)) return -instanceKey(found.id);
      if (index.everything.isWrittenBy(rowIndex + 1, slot)) {
        exploration.place += 1; // nothing below it matters
        exploration.offset = 0;
      } else {
        exploration.offset = top - slot + 1;
      }
      return instanceKey(found.id);
    }
    return DONE;
  }

  /** The next instance of a row that a wide command must wait for; null if there is none. */
  private walkDownAll(place: {
    readonly writesAll: boolean;
    readonly replica: ReplicaId;
    readonly upTo: Slot;
  }): InstanceRecord | null {
    const { writesAll, replica, upTo } = place;
    const { space, index } = this.state;
    const row = space.row(replica);
    for (let slot = upTo; slot > row.executed; slot -= 1) {
      const touches = index.touches.get(instanceKey({ replica, slot }));
      if (touches === undefined || !(writesAll || touches.writes.includes(true))) continue;
      const record = row.records.get(slot);
      assert(record !== undefined, 'the index knows only instances that have a record');
      if (!isCommitted(record)) return record;
      if (record.noOp) continue;
      if (record.status !== Status.executed) return record;
      if (index.everything.isWrittenBy(replica, slot)) return null;
    }
    return null;
  }

  private isExecuted(deps: Deps): boolean {
    const { rows } = this.state.space;
    for (let rowIndex = 0; rowIndex < rows.length; rowIndex += 1) {
      if ((deps[rowIndex] ?? 0) > (rows[rowIndex]?.executed ?? 0)) return false;
    }
    return true;
  }

  /** The first slot in deps of which no command is known (R7.2); the latest slot alone is not enough. */
  private firstUnknown(deps: Deps): InstanceKey | null {
    const { rows } = this.state.space;
    for (let rowIndex = 0; rowIndex < rows.length; rowIndex += 1) {
      const row = rows[rowIndex];
      const top = deps[rowIndex] ?? 0;
      if (row === undefined || top <= row.known) continue;
      row.awaited = Math.max(row.awaited, top);
      return instanceKey({ replica: rowIndex + 1, slot: row.known + 1 });
    }
    return null;
  }

  /** Who waits: a committed instance, or a read (R8.1). */
  private waiter(key: InstanceKey): { readonly touches: Touches; readonly deps: Deps } {
    const { index, reads } = this.state;
    const read = reads.nodes.get(key);
    if (read !== undefined) {
      const entry = index.find(keyOf(read));
      return {
        touches: entry === undefined ? NOTHING : { ...NOTHING, entries: [entry], writes: [false] },
        deps: read.deps,
      };
    }
    const touches = index.touches.get(key);
    assert(touches !== undefined, 'what is committed as a command is known');
    return { touches, deps: this.committedRecord(key).attributes.deps };
  }

  private committedRecord(key: InstanceKey): CommittedCommand {
    const record = this.state.space.get(instanceOfKey(key));
    assert(isCommittedCommand(record), 'only instances committed with a command are ordered');
    return record;
  }
}

function isRead(key: InstanceKey): boolean {
  return instanceOfKey(key).replica === NO_REPLICA;
}

type CommittedCommand = InstanceRecord & {
  readonly command: NonNullable<InstanceRecord['command']>;
  readonly attributes: Attributes;
};

function isCommittedCommand(record: InstanceRecord): record is CommittedCommand {
  return isCommitted(record) && !record.noOp && record.command !== null && record.attributes !== null;
}
