/**
 * What one process does, told to the checkers: from what its core hands out, what its state machine answers, what leaves, and
 * what its store becomes. The production loop knows nothing of it.
 */

import {
  Command,
  type Envelope,
  formatInstance,
  type InstanceId,
  type InstanceRecord,
  type Ready,
  type Replica,
  type ReplicaId,
} from '../../../src/epaxos/index.ts';
import { covers } from '../../../src/epaxos/model/deps.ts';
import { KvError } from '../../../src/errors.ts';
import {
  asKvOperation,
  type KvOperation,
  KvState,
  type OperationResult,
  type Sessions,
} from '../../../src/kv/index.ts';
import type { Core, NodeOptions, RestoredReplica, SnapshotLimits } from '../../../src/node/index.ts';
import { EncodedStorage } from '../../../src/storage/encoded-storage.ts';
import {
  INSTANCE_RANGE,
  PRUNED_KEY,
  parseInstanceKey,
  STAGED_RANGE,
  STAGING_KEY,
} from '../../../src/storage/keys.ts';
import { decodeStaging, Phase } from '../../../src/storage/staging-state.ts';
import type { Effects, SnapshotView } from '../../../src/storage/storage.ts';
import { keyToString, type SnapshotChunk } from '../../../src/wire/index.ts';
import { decodePruned } from '../../../src/wire/peer/pruned.ts';
import type { Executed } from '../checkers/effects.ts';
import { demand, demandAtMost } from '../checkers/violation.ts';
import type { Observers } from '../observers.ts';
import { countPruning, type Statistics } from '../statistics.ts';
import { type DurableView, rowsIn, unsealed } from './durable-view.ts';
import type { Change, SortedBytes } from './sorted-bytes.ts';
import type { Lineage, Volume } from './volume.ts';
import { checkOpen, WatchedCore } from './watched-core.ts';

/** Where nobody waits for a multi-get its rows are not read. */
const NOT_READ: OperationResult = { version: 0, value: null, previousVersion: 0 };

const PRUNED = keyToString(PRUNED_KEY);
const STAGING = keyToString(STAGING_KEY);
/** The first byte of the keys of a snapshot's entries. */
const STAGED = keyToString(STAGED_RANGE.start);
/** The first byte of the keys of instances. */
const INSTANCE = '\u0001';

/** By the answers that they are given: who watches a state machine. */
const watchers = new WeakMap<Sessions, Watcher>();

const apply = KvState.prototype.apply;
KvState.prototype.apply = function watched(this: KvState, operation, at): OperationResult {
  const watcher = watchers.get(this.sessions);
  try {
    const result = apply.call(this, operation, at);
    watcher?.applied(operation, result);
    return result;
  } catch (error) {
    if (error instanceof KvError) watcher?.applied(operation, { refused: error.code });
    throw error;
  }
};

/** What a snapshot stands for. */
interface KnownSnapshot {
  /** How many executions of its source. */
  readonly executions: number;
  /** Whether its source had executed an instance. */
  readonly has: (id: InstanceId) => boolean;
}

/** Snapshots by their id. Of a whole world. */
export type KnownSnapshots = Map<string, KnownSnapshot>;

export interface WatcherOptions {
  readonly id: ReplicaId;
  /** N. */
  readonly replicas: number;
  readonly volume: Volume;
  readonly disk: DurableView;
  readonly observers: Observers;
  readonly statistics: Statistics;
  readonly snapshots: KnownSnapshots;
  /** Does something that may find a violation; the process goes on, the world does not. */
  readonly guard: (check: () => void) => void;
  readonly limits: NodeOptions['limits'];
  readonly snapshotLimits: SnapshotLimits;
  /** What a batch does to the copy of a snapshot was begun just now: a crash may come at this very moment. */
  readonly onStaging: () => void;
  readonly print: (line: string) => void;
  readonly note: (what: string, ...details: (number | string)[]) => void;
}

export class Watcher {
  /** The core that runs now; null before the first. */
  core: Replica | null = null;
  readonly #options: WatcherOptions;
  /** What was taken and may not have been seen to have happened yet. */
  #ready: Ready | null = null;
  #hasHappened = true;
  #results = new Map<KvOperation, Executed>();
  #operations: (readonly KvOperation[])[] = [];
  #opened: KnownSnapshot | null = null;

  constructor(options: WatcherOptions) {
    this.#options = options;
  }

  /** A core begins on what the store holds: for the first time in this process, or after a snapshot was put in place. */
  restored({ core, sessions }: RestoredReplica): Core {
    const { id, volume, observers, guard, note } = this.#options;
    this.settle();
    const isFirst = this.core === null;
    this.core = core;
    watchers.set(sessions, this);
    const contents = { records: recordsOf(core), rows: rowsIn(volume.current), ...volume.lineage };
    note(isFirst ? 'starts' : 'goes on from a snapshot', contents.records.length, contents.executions);
    guard(() => (isFirst ? observers.restarted(id, contents) : observers.installed(id, contents)));
    return new WatchedCore(core, {
      onReady: (take) => this.#take(core, take),
      onDrained: ({ messages, bytes }) => {
        const { limits } = this.#options;
        const what = `waited for a turn of replica ${id}`;
        guard(() => {
          demandAtMost(messages, limits.messages, `messages ${what}`);
          demandAtMost(bytes, limits.messageBytes, `bytes in messages ${what}`);
          checkOpen(core, id);
        });
      },
      onTaken: (held) => {
        const { heldOperations } = core.state.limits;
        guard(() => demandAtMost(held, heldOperations, `operations are held at replica ${id}`));
      },
    });
  }

  #take(core: Replica, take: () => Ready): Ready {
    this.settle();
    const ready = take();
    this.#ready = ready;
    this.#hasHappened = false;
    this.#operations = ready.executions.map(({ command }) => command?.operations.map(asKvOperation) ?? []);
    if (ready.pruned !== null) countPruning(this.#options.statistics, core, ready.pruned);
    return ready;
  }

  /** A line of the loop's log; it is no part of the trace's hash. */
  log(line: string): void {
    this.#options.print(line);
  }

  /** Messages are about to leave. */
  sending(envelopes: readonly Envelope[]): void {
    const { id, observers, disk, guard } = this.#options;
    if (envelopes === this.#ready?.messages) this.#happened();
    guard(() => {
      for (const { message } of envelopes) observers.sending(id, message, disk);
    });
  }

  /** The state machine has executed an operation. */
  applied(operation: KvOperation, result: Executed): void {
    this.#happened();
    this.#results.set(operation, result);
  }

  /** What was taken has been done, as far as it ever will be. */
  settle(): void {
    const ready = this.#ready;
    if (ready === null) return;
    this.#happened();
    this.#ready = null;
    const { id, observers, guard, note } = this.#options;
    const { executions } = ready;
    if (executions.length === 0) return;
    for (const execution of executions) note('executes', execution.id.replica, execution.id.slot);
    const results = this.#operations.flat().map((operation) => this.#results.get(operation) ?? NOT_READ);
    this.#results.clear();
    // The operations as they were executed: a command that was let go of makes new ones of its bytes.
    const executed = executions.map((execution, index) => ({
      ...execution,
      command: execution.command === null ? null : new Command(this.#operations[index] ?? []),
    }));
    guard(() => observers.executed(id, { executions: executed, results, rows: new Map() }));
  }

  /** A snapshot was opened for a peer just now. @param open how many are */
  opened(open: number): void {
    const { id, snapshotLimits, guard } = this.#options;
    guard(() => demandAtMost(open, snapshotLimits.open, `snapshots are open at replica ${id}`));
    const { volume, replicas } = this.#options;
    const pruned = volume.current.get(PRUNED);
    const upTo = pruned === undefined ? [] : decodePruned(unsealed(pruned), { replicas }).pruned;
    const marks = new Set(executedIn(volume.current).map(formatInstance));
    this.#opened = {
      executions: volume.lineage.executions,
      has: (id) => id.slot <= (upTo[id.replica - 1] ?? 0) || marks.has(formatInstance(id)),
    };
  }

  /** A chunk of a snapshot is about to leave. */
  serving({ id: snapshot, entries }: SnapshotChunk): void {
    const { id, observers, snapshots, statistics, guard, note, snapshotLimits } = this.#options;
    const bytes = entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
    const { chunkBytes } = snapshotLimits;
    const most = Math.max(chunkBytes, (entries[0]?.key.length ?? 0) + 1); // a key is never cut
    guard(() => demandAtMost(bytes, most, `bytes are in a chunk that replica ${id} sends`));
    if (snapshots.has(snapshot) || this.#opened === null) return;
    snapshots.set(snapshot, this.#opened);
    const { executions } = this.#opened;
    this.#opened = null;
    statistics.snapshotsOffered += 1;
    note('opens a snapshot', executions);
    guard(() => observers.opened(id, { id: snapshot, executions }));
  }

  /** A chunk of a peer's snapshot could not be taken: no peer of the same version sends such a one. */
  refused(error: unknown): void {
    if (!(error instanceof KvError) || error.code !== 'invalidArgument') return;
    const { id, guard } = this.#options;
    guard(() =>
      demand(false, 'storage', () => `replica ${id} refuses a chunk of a snapshot: ${error.message}`),
    );
  }

  /** R9.8: what the floor of this replica was it stays, whatever snapshot it puts in place. */
  #checkFloor(changes: readonly Change[]): void {
    const { id, volume, guard } = this.#options;
    const before = volume.current.get(PRUNED);
    const after = changes.findLast(([key]) => key === PRUNED)?.[1] ?? null;
    if (before === undefined || after === null) return;
    const [from, to] = [before, after].map((bytes) => decodePruned(unsealed(bytes), this.#options).floor);
    guard(() =>
      demand(
        from !== undefined && to !== undefined && covers(to, from),
        'status',
        () => `the floor of replica ${id} went back from ${from} to ${to}`,
      ),
    );
  }

  /** What a batch makes of the lineage of the store. */
  lineageAfter(changes: readonly Change[], before: Lineage): Lineage {
    this.#checkFloor(changes);
    if (changes.some(([key]) => key.charAt(0) === STAGED || key === STAGING)) this.#options.onStaging();
    const installed = this.#installedBy(changes);
    if (installed !== null) return { installed, executions: this.#executionsAfter(installed) };
    let marks = 0;
    for (const [key, value] of changes) {
      if (value === null || key.charAt(0) !== INSTANCE) continue;
      if (parseInstanceKey(Buffer.from(key, 'latin1'))?.part === 'executed') marks += 1;
    }
    if (marks === 0 || this.#isInstalling()) return before;
    return { ...before, executions: before.executions + marks };
  }

  /** How many executions the store stands for once the snapshot is in place: what was executed here stays so. */
  #executionsAfter(installed: string): number {
    const { snapshots, volume } = this.#options;
    const snapshot = snapshots.get(installed);
    if (snapshot === undefined) throw new RangeError(`no snapshot ${installed}`);
    return snapshot.executions + executedIn(volume.current).filter((id) => !snapshot.has(id)).length;
  }

  /** The id of the snapshot that this batch makes the state of the store; null for none. */
  #installedBy(changes: readonly Change[]): string | null {
    let pruned: Uint8Array | null = null;
    let staging: Uint8Array | null = null;
    for (const [key, value] of changes) {
      if (key === PRUNED) pruned = value;
      if (key === STAGING) staging = value;
    }
    if (pruned === null || staging === null) return null;
    decodePruned(unsealed(pruned), this.#options);
    return decodeStaging(unsealed(staging), this.#options).id;
  }

  #isInstalling(): boolean {
    const bytes = this.#options.volume.current.get(STAGING);
    if (bytes === undefined) return false;
    return decodeStaging(unsealed(bytes), this.#options).phase === Phase.installing;
  }

  #happened(): void {
    const ready = this.#ready;
    if (this.#hasHappened || ready === null) return;
    this.#hasHappened = true;
    const { id, observers, guard } = this.#options;
    guard(() => {
      observers.written(id, ready.records);
      observers.happened(id, ready);
    });
  }
}

/** The storage port as the server has it, and a word to the watcher of what it cannot see elsewhere. */
export class WatchedStorage extends EncodedStorage {
  readonly #watcher: Watcher;
  readonly #views = new Set<SnapshotView>();

  constructor(options: ConstructorParameters<typeof EncodedStorage>[0], watcher: Watcher) {
    super(options);
    this.#watcher = watcher;
    const add = this.staging.add.bind(this.staging);
    this.staging.add = (source, chunk) =>
      add(source, chunk).catch((error: unknown) => {
        watcher.refused(error);
        throw error;
      });
  }

  override writeEffects(effects: Effects): Promise<void> {
    this.#watcher.settle();
    return super.writeEffects(effects);
  }

  override openSnapshot(): SnapshotView {
    const view = super.openSnapshot();
    this.#views.add(view);
    this.#watcher.opened(this.#views.size);
    const close = view.close.bind(view);
    view.close = () => {
      this.#views.delete(view);
      return close();
    };
    return view;
  }
}

/** The instances that are marked executed in a store. */
function executedIn(contents: SortedBytes): InstanceId[] {
  return contents.range({ gte: INSTANCE_RANGE.start, lt: INSTANCE_RANGE.end }).flatMap(([key]) => {
    const place = parseInstanceKey(key);
    return place?.part === 'executed' ? [place.id] : [];
  });
}

function recordsOf(core: Replica): InstanceRecord[] {
  return core.state.space.rows.flatMap((row) => [...row.records.values()]);
}
