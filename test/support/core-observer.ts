/**
 * Watches a cluster from outside, and fails the test at the moment when replicas disagree: two values of
 * one instance (agreement), two interfering instances of which neither is in the other's deps
 * (visibility), or two orders of interfering operations (consistency). It knows only what replicas wrote and
 * executed, and nothing that was once seen is ever taken back.
 */
import {
  type Access,
  type Command,
  EVERYTHING,
  formatInstance,
  type InstanceId,
  type InstanceRecord,
  type Pruned,
  Status,
} from '../../src/epaxos/index.ts';
import { labelOf, nameOf } from './core-operations.ts';

/** In the place of a key: any command. */
const ANY = 'any command';

export class CoreObserver {
  /** By row: up to which slot instances may have been forgotten, so that later ones need not name them (R2.7). */
  #forgotten: readonly number[] = [];
  /** What was committed anywhere, by instance. */
  readonly #decided = new Map<string, { readonly value: string; readonly record: InstanceRecord }>();
  /** By key, or everything: the records that were committed with a command that touches it; {@link ANY}: with any. */
  readonly #touching = new Map<string, InstanceRecord[]>();
  /** By key: the writes in the order in which the first replica executed them. */
  readonly #writes = new Map<string, string[]>();
  /** By key and read: the number of writes before it. */
  readonly #reads = new Map<string, number>();
  /** By command that touches everything: the number of writes of each key before it. */
  readonly #widePlaces = new Map<string, ReadonlyMap<string, number>>();

  /** A replica has written a record. */
  wrote(record: InstanceRecord): void {
    if (record.status < Status.committed) return;
    const name = formatInstance(record.id);
    const { noOp, command, attributes } = record;
    const value = `${nameOf(noOp ? null : command)} seq ${attributes?.seq} deps ${attributes?.deps}`;
    const decided = this.#decided.get(name);
    if (decided !== undefined) {
      if (decided.value !== value)
        throw new Error(`${name} is committed as ${decided.value} and as ${value}`);
      return;
    }
    this.#decided.set(name, { value, record });
    if (!noOp && command !== null) this.#requireOrder(record, command);
  }

  /** A replica has forgotten instances, which is right only after they were executed. */
  forgot({ pruned }: Pruned): void {
    this.#forgotten = pruned.map((slot, row) => Math.max(slot, this.#forgotten[row] ?? 0));
  }

  /** A replica executes a command, having executed so many writes of each key before. */
  executed(command: Command, writesBefore: ReadonlyMap<string, number>): void {
    const counts = new Map<string, number>();
    for (const operation of command.operations) {
      const label = labelOf(operation);
      for (const { key, writes } of operation.accesses) {
        const before = counts.get(key) ?? writesBefore.get(key) ?? 0;
        if (writes) {
          const order = this.#order(key);
          const known = order[before];
          if (known === undefined) order.push(label);
          else if (known !== label) throw new Error(`write ${before + 1} of ${key} is ${known} and ${label}`);
          counts.set(key, before + 1);
        } else {
          this.#read(key, label, before);
        }
        // Whoever touches a key has its place among the writes of everything.
        if (key !== EVERYTHING) this.#read(EVERYTHING, label, writesBefore.get(EVERYTHING) ?? 0);
        else this.#placeWide(label, writesBefore);
      }
    }
  }

  #read(key: string, label: string, before: number): void {
    const read = `${key} read by ${label}`;
    const known = this.#reads.get(read);
    if (known !== undefined && known !== before) {
      throw new Error(`${read} after ${known} and after ${before} writes`);
    }
    this.#reads.set(read, before);
  }

  /** Whoever touches everything has its place among the writes of every key. */
  #placeWide(label: string, writesBefore: ReadonlyMap<string, number>): void {
    const known = this.#widePlaces.get(label);
    if (known === undefined) {
      this.#widePlaces.set(label, new Map(writesBefore));
      return;
    }
    for (const key of new Set([...known.keys(), ...writesBefore.keys()])) {
      const [one, other] = [known.get(key) ?? 0, writesBefore.get(key) ?? 0];
      if (one !== other)
        throw new Error(`${label} is executed after ${one} and after ${other} writes of ${key}`);
    }
  }

  /** "a" or "no-op": what an instance was committed as; null if it was not. */
  decision(id: InstanceId): string | null {
    const record = this.#decided.get(formatInstance(id))?.record;
    return record === undefined ? null : nameOf(record.noOp ? null : record.command);
  }

  /** Visibility: of two interfering commands one is in the other's deps, unless that was forgotten. */
  #requireOrder(record: InstanceRecord, command: Command): void {
    const keys = new Set(command.operations.flatMap(({ accesses }) => accesses.map(({ key }) => key)));
    const isWide = keys.has(EVERYTHING);
    for (const key of isWide ? [ANY] : [...keys, EVERYTHING]) {
      for (const other of this.#touching.get(key) ?? []) {
        if (!this.#isForgotten(record) && !this.#isForgotten(other)) requireOrder(record, other);
      }
    }
    for (const key of [...keys, ANY]) {
      const touching = this.#touching.get(key) ?? [];
      touching.push(record);
      this.#touching.set(key, touching);
    }
  }

  #isForgotten({ id }: InstanceRecord): boolean {
    return id.slot <= (this.#forgotten[id.replica - 1] ?? 0);
  }

  #order(key: string): string[] {
    const order = this.#writes.get(key) ?? [];
    this.#writes.set(key, order);
    return order;
  }
}

function requireOrder(one: InstanceRecord, other: InstanceRecord): void {
  if (!conflict(one.command, other.command)) return;
  if (includes(one, other.id) || includes(other, one.id)) return;
  throw new Error(`${formatInstance(one.id)} and ${formatInstance(other.id)} are committed without an order`);
}

function includes({ attributes }: InstanceRecord, id: InstanceId): boolean {
  return id.slot <= (attributes?.deps[id.replica - 1] ?? 0);
}

/** Interference by the definition, without the help of the code under test (R2.1, R2.8). */
export function conflict(one: Command | null, other: Command | null): boolean {
  const accesses = (command: Command | null) => command?.operations.flatMap((each) => each.accesses) ?? [];
  return accesses(one).some((a) => accesses(other).some((b) => meet(a, b) && (a.writes || b.writes)));
}

function meet(one: Access, other: Access): boolean {
  return one.key === other.key || [one.key, other.key].includes(EVERYTHING);
}
