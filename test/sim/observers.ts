/** All checkers of a world together: what replicas and clients do is told here, and each looks at its part of it. */
import type {
  Execution,
  InstanceRecord,
  Message,
  Ready,
  ReplicaId,
  TraceEvent,
} from '../../src/epaxos/index.ts';
import { instanceKey } from '../../src/epaxos/index.ts';
import type { Row } from '../../src/kv/index.ts';
import { requestKey } from './calls.ts';
import { Agreement } from './checkers/agreement.ts';
import { Durability, type DurableState, isUnsynced } from './checkers/durability.ts';
import { Effects, type Executed, isSameResult, isSameRow } from './checkers/effects.ts';
import { ExecutionOrder } from './checkers/execution-order.ts';
import { checkLinearizability } from './checkers/linearizability.ts';
import { checkSerializability } from './checkers/serializability.ts';
import { StatusOrder } from './checkers/status.ts';
import { type Check, demand, Violation } from './checkers/violation.ts';
import { checkVisibility } from './checkers/visibility.ts';
import type { DiskContents } from './disk-state.ts';
import type { History } from './history.ts';
import type { Snapshot } from './snapshot.ts';
import type { Statistics } from './statistics.ts';

/** What a replica begins with, as far as it is looked at here. */
export type Begun = Pick<DiskContents, 'records' | 'rows' | 'installed' | 'executions'>;

export interface ExecutedBatch {
  readonly executions: readonly Execution[];
  /** One for each operation of the executions, in their order. */
  readonly results: readonly Executed[];
  readonly rows: ReadonlyMap<string, Row | null>;
}

export class Observers {
  readonly #agreement = new Agreement();
  readonly #status: StatusOrder;
  readonly #order: ExecutionOrder;
  readonly #effects: Effects;
  readonly #durability: Durability;
  readonly #statistics: Statistics;
  readonly #ignored: ReadonlySet<Check>;
  readonly #disks: () => readonly DurableState[];
  /** By replica: the snapshot that it installed last. */
  readonly #installed = new Map<ReplicaId, string>();
  #clock = 0;

  /**
   * @param world.disks of all replicas, in order
   * @param world.ignored checks that are left out, to see that others find the same fault
   */
  constructor(
    replicas: number,
    world: {
      readonly statistics: Statistics;
      readonly disks: () => readonly DurableState[];
      readonly ignored: readonly Check[];
    },
  ) {
    this.#status = new StatusOrder(replicas);
    this.#order = new ExecutionOrder(replicas);
    this.#effects = new Effects(replicas);
    this.#durability = new Durability(replicas);
    this.#statistics = world.statistics;
    this.#disks = world.disks;
    this.#ignored = new Set(world.ignored);
  }

  /** A replica has written records. */
  written(replica: ReplicaId, records: readonly InstanceRecord[]): void {
    for (const record of records) {
      this.#clock += 1;
      this.#guard(() => this.#status.observe(replica, record));
      this.#guard(() => this.#agreement.observe(replica, record, this.#clock));
    }
  }

  /** A replica has written all that its turn wants written, and sends. */
  sending(replica: ReplicaId, message: Message, disk: DurableState): void {
    this.#guard(() => this.#durability.sending(replica, message, disk));
  }

  /** The same moment: what a replica has come to, and will be seen to have come to. */
  happened(replica: ReplicaId, { events, records }: Pick<Ready, 'events' | 'records'>): void {
    const disks = this.#disks();
    for (const event of events) {
      this.#count(event);
      this.#guard(() => this.#durability.committed(replica, event, { records, disks }));
      if (isUnsynced(event, disks[replica - 1])) this.#statistics.commitsUnsynced += 1;
    }
  }

  /** A replica writes effects. */
  executed(replica: ReplicaId, batch: ExecutedBatch): void {
    for (const { id, command } of batch.executions) {
      this.#clock += 1;
      const instance = instanceKey(id);
      this.#statistics.executions += 1;
      this.#guard(() => this.#order.executed(replica, instance, { command, at: this.#clock }));
    }
    this.#guard(() => this.#effects.executed(replica, batch));
  }

  /** A replica has opened a snapshot for a peer. */
  opened(replica: ReplicaId, { id, executions }: Pick<Snapshot, 'id' | 'executions'>): void {
    this.#order.opened(replica, { snapshot: id, executions });
    this.#effects.opened(replica, { snapshot: id, executions });
  }

  /** A replica has put a snapshot in the place of its state, and its disk holds this now. */
  installed(replica: ReplicaId, contents: Begun): void {
    this.#install(replica, contents);
    this.#begun(replica, contents);
  }

  /** A replica starts again with what its disk holds. */
  restarted(replica: ReplicaId, contents: Begun): void {
    // The crash may have come in the middle of an installation.
    if (contents.installed !== (this.#installed.get(replica) ?? null)) this.#install(replica, contents);
    this.#begun(replica, contents);
  }

  #install(replica: ReplicaId, { installed: snapshot, executions }: Begun): void {
    if (snapshot === null) throw new RangeError(`replica ${replica} has lost a snapshot that was in place`);
    this.#clock += 1;
    this.#installed.set(replica, snapshot);
    this.#statistics.snapshotsInstalled += 1;
    this.#guard(() => this.#order.install(replica, snapshot, { at: this.#clock, executions }));
    this.#effects.install(replica, snapshot, executions);
    this.#durability.installed(replica);
  }

  #begun(replica: ReplicaId, contents: Begun): void {
    this.#status.restart(replica, contents.records);
    for (const record of contents.records) {
      this.#clock += 1;
      this.#guard(() => this.#agreement.observe(replica, record, this.#clock));
    }
    this.#statistics.repeatedExecutions += this.#order.rewind(replica, contents.executions);
    this.#effects.rewind(replica, contents.executions);
    this.checkTable(replica, contents.rows);
  }

  /** @throws Violation effects if a replica's table is not what its executions make */
  checkTable(replica: ReplicaId, rows: ReadonlyMap<string, Row>): void {
    this.#guard(() => this.#compareTable(replica, rows));
  }

  #compareTable(replica: ReplicaId, rows: ReadonlyMap<string, Row>): void {
    const expected = this.#effects.table(replica);
    for (const key of new Set([...rows.keys(), ...expected.keys()])) {
      demand(
        isSameRow(rows.get(key), expected.get(key)),
        'effects',
        () =>
          `replica ${replica} has version ${rows.get(key)?.version} of ${key}, not ${expected.get(key)?.version}`,
      );
    }
  }

  /** In which generation a replica's executions must have brought it. */
  generation(replica: ReplicaId): number {
    return this.#effects.generation(replica);
  }

  /**
   * What can only be judged when everything has come to rest.
   * @param replica one that has executed everything
   * @throws Violation
   */
  finish(history: History, replica: ReplicaId = 1): void {
    for (const { record } of this.#agreement.committed.values()) if (record.noOp) this.#statistics.noOps += 1;
    this.#guard(() =>
      checkVisibility(this.#agreement.committed, (instance) => this.#order.everywhereAt(instance)),
    );
    this.#guard(() => this.#checkOutcomes(history));
    this.#guard(() => this.#checkLinearizability(history));
    this.#guard(() => this.#checkSerializability(history, replica));
  }

  #checkOutcomes(history: History): void {
    for (const { request, result } of history.acknowledged()) {
      const kept = this.#effects.answers.get(request);
      demand(
        kept !== undefined && isSameResult(kept, result),
        'acknowledged',
        () => `request ${request} was answered with version ${result.version}; executed: ${kept?.version}`,
      );
    }
    for (const { operation, outcome } of history.entries) {
      if (outcome !== 'notApplied') continue;
      const request = requestKey(operation.request);
      demand(
        !this.#effects.requests.has(request),
        'notApplied',
        () => `request ${request} was executed though its client was told that it never would be`,
      );
    }
  }

  #checkLinearizability(history: History): void {
    const verdict = checkLinearizability(history.operations());
    if (verdict.type === 'undecided') this.#statistics.undecidedKeys += verdict.keys.length;
    if (verdict.type !== 'violated') return;
    const { key, stuckAt } = verdict;
    const value = stuckAt?.result?.value ?? '-';
    throw new Violation(
      'linearizability',
      `no order of the operations on ${key} explains ${stuckAt?.kind} of version ${stuckAt?.result?.version}` +
        ` (value ${value}), begun at ${stuckAt?.invokedAt} and answered at ${stuckAt?.answeredAt}`,
    );
  }

  #checkSerializability(history: History, replica: ReplicaId): void {
    const verdict = checkSerializability(history.transactions(this.#effects.writes(replica)));
    if (verdict.type === 'violated') throw new Violation('serializability', verdict.reason);
  }

  #count(event: TraceEvent): void {
    const statistics = this.#statistics;
    if (event.type === 'recoveryStarted') statistics.recoveries += 1;
    else if (event.type === 'reproposed') statistics.reproposed += 1;
    else if (event.type === 'committed') {
      if (event.path === 'fast') statistics.commitsFast += 1;
      else if (event.path === 'slow') statistics.commitsSlow += 1;
      else if (event.path === 'recovery') statistics.commitsRecovery += 1;
      else statistics.commitsLearned += 1;
    }
  }

  #guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation) || !this.#ignored.has(error.check)) throw error;
    }
  }
}
