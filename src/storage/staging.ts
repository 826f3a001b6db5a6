/**
 * Another replica's snapshot, on its way into this store (R9.7). Its entries are put down beside the
 * store's own, under keys of a kind of their own, together with a note of how far they have come. When all
 * are there they take the place of the store's own, in many batches, which a crash may cut off anywhere:
 * the note says that it was begun, and whoever opens the store begins it again. That is possible because
 * every step can be repeated, and the staged entries are dropped only when all others are done.
 */

import { type Deps, type InstanceId, type Pruned, type ReplicaId, replicaIds } from '../epaxos/index.ts';
import { assert } from '../util/assert.ts';
import { NO_BYTES } from '../util/no-bytes.ts';
import {
  commandFromWire,
  decodePruned,
  decodeRecordApart,
  encodePruned,
  encodeRecordApart,
  malformed,
  type SnapshotChunk,
  type SnapshotEntry,
} from '../wire/index.ts';
import { BatchedWriter } from './batched-writer.ts';
import type { ByteStore, ByteWrite } from './byte-store.ts';
import { assemble } from './entry-assembler.ts';
import {
  ANSWERS_RANGE,
  commandKey,
  executedKey,
  GENERATION_RANGE,
  INSTANCE_RANGE,
  innerKey,
  isRecordKey,
  kindOf,
  PIECE_RANGE,
  PRUNED_KEY,
  PRUNED_NO_OP_RANGE,
  parseInstanceKey,
  prunedNoOpKey,
  ROW_RANGE,
  recordKey,
  STAGED_RANGE,
  STAGING_KEY,
  stagedKey,
} from './keys.ts';
import { isNoOp, isRemembered, rememberedParts } from './pruned-no-ops.ts';
import { EntryChecker } from './snapshot-entries.ts';
import { decodeStaging, encodeStaging, Phase, type StagingState } from './staging-state.ts';
import type { SnapshotStaging, Staged } from './storage.ts';

const SYNC = { sync: true };
const NO_SYNC = { sync: false };

export class Staging implements SnapshotStaging {
  readonly #store: ByteStore;
  readonly #replicas: number;

  constructor(options: { readonly store: ByteStore /** N. */; readonly replicas: number }) {
    this.#store = options.store;
    this.#replicas = options.replicas;
  }

  status(): Staged | null {
    const state = this.#state();
    if (state === null || state.phase !== Phase.receiving) return null;
    const { source, id, last, part, entries, bytes, complete } = state;
    return { source, id, last, part, entries, bytes, complete };
  }

  async add(source: ReplicaId, chunk: SnapshotChunk): Promise<void> {
    let state = this.#state();
    if (state !== null && (state.id !== chunk.id || state.source !== source)) {
      await this.clear();
      state = null;
    }
    if (state?.complete) throw malformed('a snapshot has chunks behind its last one');
    const begun = state ?? beginning(source, chunk);
    const { whole, writes, part } = assemble(this.#store, begun.part, chunk);
    const checker = this.#checkerAfter(begun);
    for (const entry of whole) checker.check(entry);
    if (chunk.done) checker.end();
    for (const { key, value } of whole) writes.push({ key: stagedKey(key), value });
    const next: StagingState = {
      ...begun,
      last: whole.at(-1)?.key ?? begun.last,
      part,
      entries: begun.entries + whole.length,
      bytes: chunk.entries.reduce((sum, { key, value }) => sum + key.length + value.length, begun.bytes),
      complete: chunk.done,
    };
    await this.#store.write([...writes, noteOf(next)], NO_SYNC);
  }

  /** Checks what comes behind the entries that are here. */
  #checkerAfter({ last, pruned }: StagingState): EntryChecker {
    const value = isRecordKey(last) ? this.#store.get(stagedKey(last)) : NO_BYTES;
    assert(value !== undefined, 'the last entry is staged');
    return new EntryChecker({ last: { key: last, value }, pruned, replicas: this.#replicas });
  }

  /** Whether the table is half replaced, or was left so by a crash. */
  get isInstalling(): boolean {
    return this.#state()?.phase === Phase.installing;
  }

  async clear(): Promise<void> {
    const state = this.#state();
    if (state === null) return;
    await this.#store.write([noteOf({ ...state, phase: Phase.clearing })], NO_SYNC);
    await this.#drop();
  }

  async install(): Promise<boolean> {
    const state = this.#state();
    assert(state?.complete && state.phase === Phase.receiving, 'a complete snapshot is installed');
    if (!(await this.#hasWhatIsExecuted(state))) {
      await this.clear();
      return false;
    }
    const installing = { ...state, phase: Phase.installing };
    await this.#store.write([noteOf(installing)], SYNC);
    await this.#replace(installing);
    return true;
  }

  /** Finishes what a crash cut off: the installation from its beginning, or the dropping. */
  async recover(): Promise<void> {
    const state = this.#state();
    if (state?.phase === Phase.installing) await this.#replace(state);
    if (state?.phase === Phase.clearing) await this.#drop();
  }

  /**
   * Whether every instance that was executed here is executed in the snapshot, too. The peers were told that it
   * is: they may have forgotten it, and propose what comes after it without naming it (R2.7). So it must not be taken
   * back. A no-op changes nothing and comes before nothing, so it can stay executed in whatever state there is.
   */
  async #hasWhatIsExecuted(state: StagingState): Promise<boolean> {
    const own = this.#pruned()?.pruned;
    for (const replica of replicaIds(this.#replicas)) {
      const last = own?.[replica - 1] ?? 0;
      for (let slot = (state.pruned.pruned[replica - 1] ?? 0) + 1; slot <= last; slot += 1) {
        const id = { replica, slot };
        if (!this.#isExecutedIn(state, id) && !isRemembered(this.#store, id)) return false;
      }
    }
    for await (const key of this.#store.keys(INSTANCE_RANGE)) {
      const place = instanceOf(key);
      if (place.part !== 'executed' || this.#isExecutedIn(state, place.id)) continue;
      if (!isNoOp(this.#store, place.id, this.#replicas)) return false;
    }
    return true;
  }

  #isExecutedIn({ pruned }: StagingState, id: InstanceId): boolean {
    return includesInstance(pruned.pruned, id) || this.#store.get(stagedKey(recordKey(id))) !== undefined;
  }

  /** Every step of it can be repeated, in this order, whatever a crash left. */
  async #replace(state: StagingState): Promise<void> {
    const writer = new BatchedWriter(this.#store);
    for (const range of [ANSWERS_RANGE, ROW_RANGE, GENERATION_RANGE]) {
      for await (const key of this.#store.keys(range)) await writer.add({ key, value: null });
    }
    await this.#dropPruned(state, writer);
    for await (const [staged, value] of this.#store.entries(STAGED_RANGE)) {
      const key = innerKey(staged);
      const place = kindOf(key) === 'instance' ? instanceOf(key) : null;
      if (place?.part !== 'record') {
        await writer.add({ key, value });
        continue;
      }
      for (const write of this.#withOwnCommand(place.id, { key, value })) await writer.add(write);
      await writer.add({ key: executedKey(place.id), value: NO_BYTES });
    }
    await this.#restoreNoOps(state, writer);
    await writer.flush();
    const pruned = this.#prunedAfter(state);
    const done = noteOf({ ...state, phase: Phase.clearing });
    await this.#store.write([{ key: PRUNED_KEY, value: encodePruned(pruned) }, done], SYNC);
    await this.#drop();
  }

  /**
   * A record of the snapshot, which knows a command if this replica does. Of an instance that ended as a no-op the sender may
   * never have learned it; here it is not forgotten, and goes on counting (R2.4).
   */
  #withOwnCommand(id: InstanceId, record: SnapshotEntry): readonly ByteWrite[] {
    const key = commandKey(id);
    const own = this.#store.get(key) ?? this.#store.get(prunedNoOpKey(key));
    if (own === undefined) return [record];
    const { state, hasCommand } = decodeRecordApart(record.value, { replicas: this.#replicas });
    if (hasCommand) return [record];
    const whole = encodeRecordApart({ ...state, command: commandFromWire(own) });
    return [
      { key: record.key, value: whole },
      { key, value: own },
    ];
  }

  /** What was pruned here and is not in the snapshot, which is pruned less far. */
  async #restoreNoOps(state: StagingState, writer: BatchedWriter): Promise<void> {
    for await (const { id, key, value } of rememberedParts(this.#store)) {
      if (this.#isExecutedIn(state, id)) continue;
      await writer.add({ key, value });
      await writer.add({ key: executedKey(id), value: NO_BYTES });
    }
  }

  /** Removes the records that the sender has pruned, with their marks. */
  async #dropPruned({ pruned }: StagingState, writer: BatchedWriter): Promise<void> {
    for await (const key of this.#store.keys(INSTANCE_RANGE)) {
      if (includesInstance(pruned.pruned, instanceOf(key).id)) await writer.add({ key, value: null });
    }
  }

  /**
   * It is pruned as far as the snapshot is: what was pruned here beyond that is in the snapshot again. The
   * floor is never lowered: this replica may have forgotten instances that the sender still knows of (R2.7).
   */
  #prunedAfter({ pruned }: StagingState): Pruned {
    const own = this.#pruned();
    const floor = pruned.floor.map((slot, index) => Math.max(slot, own?.floor[index] ?? 0));
    return { pruned: pruned.pruned, floor };
  }

  /** Removes all entries, and at last the note. */
  async #drop(): Promise<void> {
    const writer = new BatchedWriter(this.#store);
    for (const range of [PIECE_RANGE, PRUNED_NO_OP_RANGE, STAGED_RANGE]) {
      for await (const key of this.#store.keys(range)) await writer.add({ key, value: null });
    }
    await writer.add({ key: STAGING_KEY, value: null });
    await writer.flush();
  }

  #state(): StagingState | null {
    const bytes = this.#store.get(STAGING_KEY);
    return bytes === undefined ? null : decodeStaging(bytes, { replicas: this.#replicas });
  }

  #pruned(): Pruned | null {
    const bytes = this.#store.get(PRUNED_KEY);
    return bytes === undefined ? null : decodePruned(bytes, { replicas: this.#replicas });
  }
}

function instanceOf(key: Uint8Array): NonNullable<ReturnType<typeof parseInstanceKey>> {
  const place = parseInstanceKey(key);
  assert(place !== undefined, 'an instance');
  return place;
}

function includesInstance(deps: Deps, { replica, slot }: InstanceId): boolean {
  return slot <= (deps[replica - 1] ?? 0);
}

function beginning(source: ReplicaId, { id, pruned }: SnapshotChunk): StagingState {
  return {
    phase: Phase.receiving,
    source,
    id,
    pruned,
    last: NO_BYTES,
    part: null,
    entries: 0,
    bytes: 0,
    complete: false,
  };
}

function noteOf(state: StagingState): ByteWrite {
  return { key: STAGING_KEY, value: encodeStaging(state) };
}
