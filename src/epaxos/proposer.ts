/**
 * From operations to instances: which operations may be proposed now, and how they are batched.
 *
 * R7.7: a coordinator with enough open instances on a key holds what arrives for that key and proposes it
 * together next. "Open" lasts until the instance is executed here, so that only so many instances a key
 * and coordinator are ever on their way: components of the execution graph cannot keep growing, and
 * contention turns into larger batches.
 */
import { accessesOf } from './interference.ts';
import type { Limits } from './options.ts';
import {
  type Access,
  type Command,
  type InstanceId,
  type InstanceKey,
  instanceKey,
  type Operation,
} from './types.ts';

/** How many own open instances touch a key: that only read it, and that write it. */
interface OpenKey {
  reads: number;
  writes: number;
}

/** The operations that will make one instance. */
interface Batch {
  readonly operations: Operation[];
  bytes: number;
}

export class Proposer {
  readonly limits: Limits;
  /** Operations that nothing holds back, as far as is known. */
  arrived = new Set<Operation>();
  /** By key: operations that wait for an own open instance on that key, in order of arrival. */
  readonly held = new Map<string, Set<Operation>>();
  /** Where each operation that is not proposed yet waits. */
  readonly places = new Map<Operation, Set<Operation>>();
  heldBytes = 0;
  readonly openKeys = new Map<string, OpenKey>();
  /** Own instances that are not executed yet, with what they carry. */
  readonly open = new Map<InstanceKey, Command>();
  /** Operations in open instances whose callers still wait: proposed again after a no-op (R5.8). */
  readonly awaited = new Set<Operation>();

  constructor(limits: Limits) {
    this.limits = limits;
  }

  /** False if the queue is full; then nothing was done. */
  add(operation: Operation): boolean {
    const { heldOperations, heldBytes } = this.limits;
    if (this.places.size >= heldOperations || this.heldBytes + operation.bytes.length > heldBytes)
      return false;
    this.place(operation, this.arrived);
    return true;
  }

  /**
   * Takes an operation back. True if it was not proposed yet: then it never will be. False if it is in an
   * instance already, which may yet commit; should it become a no-op, the operation is not proposed again.
   */
  withdraw(operation: Operation): boolean {
    if (this.places.has(operation)) {
      this.unplace(operation);
      return true;
    }
    this.awaited.delete(operation);
    return false;
  }

  /** True if `takeBatches` would do something. */
  get hasWork(): boolean {
    return this.arrived.size > 0 && this.open.size < this.limits.openInstances;
  }

  /** How many operations are not proposed yet. */
  get waiting(): number {
    return this.places.size;
  }

  /**
   * The commands to propose now. Operations on the same key go into the same instance or wait; the
   * rest is spread evenly, so that few operations share no fate and many share the cost of an instance.
   */
  takeBatches(): Command[] {
    if (!this.hasWork) return [];
    const { instancesPerTurn, operationsPerInstance, openInstances } = this.limits;
    const target = Math.min(operationsPerInstance, Math.ceil(this.arrived.size / instancesPerTurn));
    const batches: Batch[] = [];
    const batchOfKey = new Map<string, Batch>();
    let current: Batch | null = null;
    for (const operation of this.arrived) {
      const holder = this.holder(operation);
      if (holder !== null) {
        this.hold(operation, holder);
        continue;
      }
      const related = new Set(operation.accesses.flatMap(({ key }) => batchOfKey.get(key) ?? []));
      const [first] = related;
      let batch: Batch;
      if (first !== undefined) {
        if (related.size > 1 || !this.fits(first, operation, operationsPerInstance)) {
          const key = operation.accesses.find((access) => batchOfKey.has(access.key))?.key ?? '';
          this.hold(operation, key);
          continue;
        }
        batch = first;
      } else {
        if (current === null || !this.fits(current, operation, target)) {
          if (this.open.size + batches.length >= openInstances) break;
          current = { operations: [], bytes: 0 };
          batches.push(current);
        }
        batch = current;
      }
      this.unplace(operation);
      this.awaited.add(operation);
      batch.operations.push(operation);
      batch.bytes += operation.bytes.length;
      for (const { key } of operation.accesses) batchOfKey.set(key, batch);
    }
    return batches.map(({ operations }) => ({ operations }));
  }

  /** An own instance was opened with a command. */
  opened(id: InstanceId, command: Command): void {
    this.open.set(instanceKey(id), command);
    for (const { key, writes } of accessesOf(command)) {
      const open = this.openKeys.get(key) ?? { reads: 0, writes: 0 };
      if (writes) open.writes += 1;
      else open.reads += 1;
      this.openKeys.set(key, open);
    }
  }

  /**
   * An own instance was executed, or became a no-op: what it held back may go on. With `again` its own
   * operations are proposed again first (R5.8), save those whose callers gave up.
   * @returns true if operations are proposed again
   */
  closed(id: InstanceId, options: { readonly again: boolean }): boolean {
    const command = this.open.get(instanceKey(id));
    if (command === undefined) return false;
    this.open.delete(instanceKey(id));
    const released: Operation[] = [];
    for (const operation of command.operations) {
      if (this.awaited.delete(operation) && options.again) released.push(operation);
    }
    const again = released.length > 0;
    for (const access of accessesOf(command)) {
      this.release(access);
      released.push(...(this.held.get(access.key) ?? []));
      this.held.delete(access.key);
    }
    if (released.length > 0) this.moveToFront(released);
    return again;
  }

  private release({ key, writes }: Access): void {
    const open = this.openKeys.get(key);
    if (open === undefined) return;
    if (writes) open.writes -= 1;
    else open.reads -= 1;
    if (open.reads + open.writes === 0) this.openKeys.delete(key);
  }

  /** The key for which an operation must wait; null if it may be proposed. */
  private holder(operation: Operation): string | null {
    for (const { key, writes } of operation.accesses) {
      const { reads, writes: writers } = this.openKeys.get(key) ?? { reads: 0, writes: 0 };
      const interfering = writes ? reads + writers : writers;
      if (interfering >= this.limits.interferingInstances) return key;
      // Whoever waits for the key came first: a stream of reads must not starve a write.
      if (this.held.has(key)) return key;
    }
    return null;
  }

  private fits(batch: Batch, operation: Operation, operations: number): boolean {
    return (
      batch.operations.length < operations &&
      batch.bytes + operation.bytes.length <= this.limits.bytesPerInstance
    );
  }

  private hold(operation: Operation, key: string): void {
    let waiting = this.held.get(key);
    if (waiting === undefined) {
      waiting = new Set();
      this.held.set(key, waiting);
    }
    this.unplace(operation);
    this.place(operation, waiting);
  }

  private moveToFront(operations: readonly Operation[]): void {
    const later = this.arrived;
    this.arrived = new Set();
    for (const operation of operations) {
      this.unplace(operation);
      this.place(operation, this.arrived);
    }
    for (const operation of later) {
      this.places.set(operation, this.arrived);
      this.arrived.add(operation);
    }
  }

  private place(operation: Operation, place: Set<Operation>): void {
    place.add(operation);
    this.places.set(operation, place);
    this.heldBytes += operation.bytes.length;
  }

  private unplace(operation: Operation): void {
    const place = this.places.get(operation);
    if (place === undefined) return;
    place.delete(operation);
    this.places.delete(operation);
    this.heldBytes -= operation.bytes.length;
  }
}
