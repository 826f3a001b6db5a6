/**
 * The same order of interfering commands on every replica, also across restarts: the writes of a key form one
 * sequence, and each read of it stands after the same number of writes everywhere. What touches everything (R2.8) is one more
 * key, of which every command is a read at the least; and it has its place among the writes of every key. What a crash
 * undid is executed again; nothing is executed twice on the same table.
 */
import {
  type Command,
  EVERYTHING,
  formatInstance,
  type InstanceKey,
  instanceOfKey,
  type ReplicaId,
} from '../../../src/epaxos/index.ts';
import { demand } from './violation.ts';

/** The keys a command touches; true where it writes. */
export function accessesByKey(command: Command): Map<string, boolean> {
  const accesses = new Map<string, boolean>();
  for (const operation of command.operations) {
    for (const { key, writes } of operation.accesses) {
      accesses.set(key, writes || (accesses.get(key) ?? false));
    }
  }
  return accesses;
}

interface Executed {
  readonly instance: InstanceKey;
  /** The keys that it writes. */
  readonly written: readonly string[];
  readonly isNoOp: boolean;
}

/** One replica's executions that led to its present table, also those that a snapshot stands for. */
interface Lineage {
  readonly log: Executed[];
  readonly executed: Set<InstanceKey>;
  /** By key: how many commands that write it were executed. */
  readonly writes: Map<string, number>;
}

/** What all replicas must agree on for one key. */
interface KeyOrder {
  readonly writes: InstanceKey[];
  /** By command that only reads: after how many writes. */
  readonly reads: Map<InstanceKey, number>;
}

export class ExecutionOrder {
  readonly #lineages: Lineage[];
  /** By snapshot: the sender's executions that it stands for. */
  readonly #snapshots = new Map<string, readonly Executed[]>();
  readonly #keys = new Map<string, KeyOrder>();
  /** By instance that touches everything: by key, how many writes were before it. */
  readonly #wide = new Map<InstanceKey, ReadonlyMap<string, number>>();
  readonly #executors = new Map<InstanceKey, number>();
  readonly #everywhereAt = new Map<InstanceKey, number>();
  /** Instances that some replica has executed at some time. */
  readonly ever = new Set<InstanceKey>();

  constructor(replicas: number) {
    this.#lineages = Array.from({ length: replicas }, noLineage);
  }

  /**
   * A replica writes the effects of an instance; `command` null for a no-op.
   * @throws Violation exactlyOnce, order
   */
  executed(
    replica: ReplicaId,
    instance: InstanceKey,
    execution: { readonly command: Command | null; readonly at: number },
  ): void {
    const lineage = this.#lineage(replica);
    demand(
      !lineage.executed.has(instance),
      'exactlyOnce',
      () => `replica ${replica} executed ${formatInstance(instanceOfKey(instance))} twice`,
    );
    const written: string[] = [];
    const accesses =
      execution.command === null ? new Map<string, boolean>() : accessesByKey(execution.command);
    if (accesses.has(EVERYTHING)) this.#placeWide(replica, instance, lineage.writes);
    else if (accesses.size > 0) accesses.set(EVERYTHING, false);
    for (const [key, writes] of accesses) {
      const before = lineage.writes.get(key) ?? 0;
      this.#place({ replica, instance, key, writes, before });
      if (!writes) continue;
      written.push(key);
      lineage.writes.set(key, before + 1);
    }
    lineage.log.push({ instance, written, isNoOp: execution.command === null });
    lineage.executed.add(instance);
    this.ever.add(instance);
    this.#gained(instance, execution.at);
  }

  /** A replica has opened a snapshot that stands for its first `executions` executions. */
  opened(
    replica: ReplicaId,
    { snapshot, executions }: { readonly snapshot: string; readonly executions: number },
  ): void {
    this.#snapshots.set(snapshot, this.#lineage(replica).log.slice(0, executions));
  }

  /**
   * A replica has executed now what a snapshot stands for, in the sender's order, and the no-ops that it had executed
   * before, which are nowhere in that order.
   * @param now.executions how many that are, as its store has it
   * @throws Violation durability if that is less than before
   */
  install(
    replica: ReplicaId,
    snapshot: string,
    now: { readonly at: number; readonly executions: number },
  ): void {
    const { at, executions } = now;
    const log = this.#snapshots.get(snapshot);
    if (log === undefined) throw new RangeError(`no snapshot ${snapshot}`);
    const before = this.#lineage(replica);
    const after = noLineage();
    for (const executed of log) {
      after.log.push(executed);
      after.executed.add(executed.instance);
      for (const key of executed.written) after.writes.set(key, (after.writes.get(key) ?? 0) + 1);
      if (!before.executed.has(executed.instance)) this.#gained(executed.instance, at);
    }
    const missing = before.log.filter(({ instance }) => !after.executed.has(instance));
    for (const noOp of missing.filter(({ isNoOp }) => isNoOp)) {
      after.log.push(noOp);
      after.executed.add(noOp.instance);
    }
    const lost = missing.filter(({ isNoOp }) => !isNoOp);
    for (const { instance } of lost) this.#lost(instance);
    this.#lineages[replica - 1] = after;
    const [first] = lost;
    const name = formatInstance(instanceOfKey(first?.instance ?? 0));
    demand(
      first === undefined,
      'durability',
      () => `replica ${replica} had executed ${name}; snapshot ${snapshot} has not`,
    );
    demand(
      after.log.length === executions,
      'durability',
      () =>
        `replica ${replica} has executed ${after.log.length} instances after it installed snapshot ${snapshot};` +
        ` its store marks ${executions}`,
    );
  }

  /**
   * A replica was restarted; the effects of its first `executions` executions are still there.
   * @returns how many are not
   */
  rewind(replica: ReplicaId, executions: number): number {
    const lineage = this.#lineage(replica);
    const undone = lineage.log.splice(executions);
    for (const { instance, written } of undone) {
      lineage.executed.delete(instance);
      for (const key of written) lineage.writes.set(key, (lineage.writes.get(key) ?? 0) - 1);
      this.#lost(instance);
    }
    return undone.length;
  }

  /** When every replica had executed an instance; Infinity if some has not. */
  everywhereAt(instance: InstanceKey): number {
    return this.#everywhereAt.get(instance) ?? Number.POSITIVE_INFINITY;
  }

  #gained(instance: InstanceKey, at: number): void {
    const executors = (this.#executors.get(instance) ?? 0) + 1;
    this.#executors.set(instance, executors);
    if (executors === this.#lineages.length) this.#everywhereAt.set(instance, at);
  }

  #lost(instance: InstanceKey): void {
    this.#executors.set(instance, (this.#executors.get(instance) ?? 0) - 1);
    this.#everywhereAt.delete(instance);
  }

  #place(access: {
    readonly replica: ReplicaId;
    readonly instance: InstanceKey;
    readonly key: string;
    readonly writes: boolean;
    readonly before: number;
  }): void {
    const { replica, instance, key, writes, before } = access;
    const name = () => `replica ${replica} executed ${formatInstance(instanceOfKey(instance))} on ${key}`;
    const order = this.#order(key);
    if (writes) {
      const expected = order.writes[before] ?? instance;
      order.writes[before] = expected;
      demand(
        expected === instance,
        'order',
        () => `${name()} as write ${before}; elsewhere that was ${formatInstance(instanceOfKey(expected))}`,
      );
    } else {
      const expected = order.reads.get(instance) ?? before;
      order.reads.set(instance, expected);
      demand(
        expected === before,
        'order',
        () => `${name()} after ${before} writes; elsewhere it came after ${expected}`,
      );
    }
  }

  #placeWide(replica: ReplicaId, instance: InstanceKey, writes: ReadonlyMap<string, number>): void {
    const expected = this.#wide.get(instance);
    if (expected === undefined) this.#wide.set(instance, new Map(writes));
    for (const key of expected === undefined ? [] : new Set([...expected.keys(), ...writes.keys()])) {
      demand(
        (expected?.get(key) ?? 0) === (writes.get(key) ?? 0),
        'order',
        () =>
          `replica ${replica} executed ${formatInstance(instanceOfKey(instance))}, which touches everything, after` +
          ` ${writes.get(key)} writes of ${key}; elsewhere it came after ${expected?.get(key)}`,
      );
    }
  }

  #order(key: string): KeyOrder {
    let order = this.#keys.get(key);
    if (order === undefined) {
      order = { writes: [], reads: new Map() };
      this.#keys.set(key, order);
    }
    return order;
  }

  #lineage(replica: ReplicaId): Lineage {
    const lineage = this.#lineages[replica - 1];
    if (lineage === undefined) throw new RangeError(`no replica ${replica}`);
    return lineage;
  }
}

function noLineage(): Lineage {
  return { log: [], executed: new Set(), writes: new Map() };
}
