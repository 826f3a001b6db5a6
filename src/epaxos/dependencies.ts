/**
 * The edges of the execution graph (R7.1, R7.2), enumerated for the executor out of the interference
 * index: what a committed instance must wait for, one thing at a time.
 */
import { assert } from '../util/assert.ts';
import type { Dependency, DependencySource } from './execution.ts';
import { isCommitted } from './instance-space.ts';
import type { Touches } from './interference.ts';
import type { KeyEntry } from './key-entry.ts';
import { finishRead, READ_ROW } from './read-barrier.ts';
import type { ReplicaState } from './state.ts';
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
} from './types.ts';

/** Cursor = place · OFFSETS + offset. Place 0 asks whether all of deps is known; place p > 0 is one (access, row). */
const OFFSETS = 2 ** 32;

const DONE: Dependency = { kind: 'done' };
const READ = { writes: false };
const WRITE = { writes: true };
const NOTHING: Touches = { entries: [], writes: [] };

/**
 * Why not every dependency is an edge. Say w depends on x, a write, and on y, which lies below x in the
 * same row and touches the same key. Then x interferes with y, and since a coordinator never forgets its own instances
 * (R6.3), or names those that it may have forgotten (R6.4), y is in x's deps: whoever has an edge to x reaches y through
 * it. So a walk down a row stops at the first write that is committed as a command, and the graph stays small though deps
 * are closed downwards. If that write is executed, so is y.
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

  next(key: InstanceKey, cursor: number): Dependency {
    const { touches, deps } = this.waiter(key);
    const { rows } = this.state.space;
    if (rows.every(({ executed }, row) => (deps[row] ?? 0) <= executed)) return DONE;
    let place = Math.floor(cursor / OFFSETS);
    let offset = cursor % OFFSETS;
    if (place === 0) {
      const unknown = this.firstUnknown(deps);
      if (unknown !== null) return { kind: 'lack', key: unknown };
      place = 1;
    }
    let row = (place - 1) % rows.length;
    for (let index = Math.floor((place - 1) / rows.length); index < touches.entries.length; index += 1) {
      const entry = touches.entries[index];
      assert(entry !== undefined, 'the cursor is inside the command');
      const access = touches.writes[index] === true ? WRITE : READ;
      const last = entry.lastInterfering(access);
      for (; row < rows.length; row += 1, offset = 0) {
        if ((last[row] ?? 0) <= (rows[row]?.executed ?? 0)) continue; // then deps need not be looked at
        const top = deps[row] ?? 0;
        const found = this.walkDown(entry, { access, replica: row + 1, upTo: top - offset });
        if (found === null) continue;
        const dependency = instanceKey({ replica: row + 1, slot: found.slot });
        if (!found.committed) return { kind: 'lack', key: dependency };
        const here = index * rows.length + row + 1;
        const after = top - found.slot + 1;
        return {
          kind: 'committed',
          key: dependency,
          cursor: found.last ? (here + 1) * OFFSETS : here * OFFSETS + after,
        };
      }
      row = 0;
    }
    return DONE;
  }

  /** The next instance of a row that the access must wait for; `last` if nothing below it matters. */
  private walkDown(
    entry: KeyEntry,
    place: {
      readonly access: { readonly writes: boolean };
      readonly replica: ReplicaId;
      readonly upTo: Slot;
    },
  ): { readonly slot: Slot; readonly committed: boolean; readonly last: boolean } | null {
    const { access, replica } = place;
    const row = this.state.space.row(replica);
    let slot = entry.interfering(access, place);
    for (; slot > row.executed; slot = entry.interfering(access, { replica, upTo: slot - 1 })) {
      const record = row.records.get(slot);
      assert(record !== undefined, 'the index knows only instances that have a record');
      if (!isCommitted(record)) return { slot, committed: false, last: false };
      if (record.noOp) continue;
      const last = entry.isWrittenBy(replica, slot);
      if (record.status !== Status.executed) return { slot, committed: true, last };
      if (last) return null;
    }
    return null;
  }

  /** The first slot in deps of which no command is known (R7.2); the latest slot alone is not enough. */
  private firstUnknown(deps: Deps): InstanceKey | null {
    for (const [index, row] of this.state.space.rows.entries()) {
      if ((deps[index] ?? 0) > row.known) {
        return instanceKey({ replica: index + 1, slot: row.known + 1 });
      }
    }
    return null;
  }

  /** Who waits: a committed instance, or a read (R8.1). */
  private waiter(key: InstanceKey): { readonly touches: Touches; readonly deps: Deps } {
    const { index, reads } = this.state;
    const read = reads.waiting.get(key);
    if (read !== undefined) {
      const entry = index.find(read.operation.accesses[0]?.key ?? '');
      return {
        touches: entry === undefined ? NOTHING : { entries: [entry], writes: [false] },
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
  return instanceOfKey(key).replica === READ_ROW;
}

type CommittedCommand = InstanceRecord & {
  readonly command: NonNullable<InstanceRecord['command']>;
  readonly attributes: Attributes;
};

function isCommittedCommand(record: InstanceRecord): record is CommittedCommand {
  return isCommitted(record) && !record.noOp && record.command !== null && record.attributes !== null;
}
