/**
 * From operations to instances: which operations may be proposed now, and how they are batched.
 *
 * R7.7: a coordinator with enough open instances on a key holds what arrives for that key and proposes it
 * together next. "Open" lasts until the instance is executed here, so that only so many instances a key
 * and coordinator are ever on their way: components of the execution graph cannot keep growing, and
 * contention turns into larger batches.
 */
import type { Limits } from './options.ts';
import { type Command, type InstanceId, type InstanceKey, instanceKey, type Operation } from './types.ts';

/** A key that own open instances touch, or that operations wait for. */
interface KeyState {
  readonly key: string;
  /** Own open instances that only read it, and that write it. */
  reads: number;
  writes: number;
  /** Operations that wait for these, in order of arrival; null for none. Some may have been withdrawn. */
  held: Operation[] | null;
  /** With so many of them it is time to look which were withdrawn. */
  heldLimit: number;
  /** The batch of this turn that touches it. */
  batch: Batch | null;
  /** Whether that batch writes it. */
  written: boolean;
}

/** So many are not worth a look. */
const FEW = 64;

/** The command that will make one instance. */
export interface Batch {
  readonly command: { readonly operations: Operation[] };
  /** What it touches, each key once. */
  readonly keys: KeyState[];
  bytes: number;
}

/** An own instance that is not executed yet. */
interface OpenInstance {
  readonly command: Command;
  readonly shares: readonly { readonly state: KeyState; readonly writes: boolean }[];
}

export class Proposer {
  readonly limits: Limits;
  /** Everything that is not proposed yet. What was withdrawn leaves this at once, and the lists below in time. */
  readonly unproposed = new Set<Operation>();
  /** What to look at first: held back before, or proposed in vain. */
  again: Operation[] = [];
  /** What has arrived since. */
  arrived: Operation[] = [];
  heldBytes = 0;
  readonly keys = new Map<string, KeyState>();
  readonly open = new Map<InstanceKey, OpenInstance>();
  /** Operations in open instances whose callers still wait: proposed again after a no-op (R5.8). */
  readonly awaited = new Set<Operation>();

  constructor(limits: Limits) {
    this.limits = limits;
  }

  /** False if the queue is full; then nothing was done. */
  add(operation: Operation): boolean {
    const { heldOperations, heldBytes } = this.limits;
    const bytes = operation.size;
    if (this.unproposed.size >= heldOperations || this.heldBytes + bytes > heldBytes) return false;
    this.unproposed.add(operation);
    this.heldBytes += bytes;
    this.arrived.push(operation);
    // While nothing can be proposed, what was withdrawn must not pile up.
    if (this.arrived.length > 2 * this.unproposed.size + FEW)
      this.arrived = this.arrived.filter(this.isWaiting);
    return true;
  }

  /**
   * Takes an operation back. True if it was not proposed yet: then it never will be. False if it is in an
   * instance already, which may yet commit; should it become a no-op, the operation is not proposed again.
   */
  withdraw(operation: Operation): boolean {
    if (this.leave(operation)) return true;
    this.awaited.delete(operation);
    return false;
  }

  /** True if `takeBatches` would do something. */
  get hasWork(): boolean {
    return this.arrived.length + this.again.length > 0 && this.open.size < this.limits.openInstances;
  }

  /** How many operations are not proposed yet. */
  get waiting(): number {
    return this.unproposed.size;
  }

  /**
   * What to propose now. Operations on the same key go into the same instance or wait; the rest is spread evenly
   * over as many instances as it has operations while these are few, and over the fewer the more they are: few share no
   * fate, and many share the cost of an instance.
   */
  takeBatches(): Batch[] {
    if (!this.hasWork) return [];
    const { operationsPerInstance, openInstances } = this.limits;
    const queue = this.again.length === 0 ? this.arrived : this.again.concat(this.arrived);
    this.again = [];
    this.arrived = [];
    const target = Math.min(operationsPerInstance, this.operationsEach(queue.length));
    const batches: Batch[] = [];
    let current: Batch | null = null;
    for (let index = 0; index < queue.length; index += 1) {
      const operation = queue[index];
      if (operation === undefined || !this.unproposed.has(operation)) continue; // withdrawn
      const holder = this.holder(operation);
      if (holder !== null) {
        this.hold(operation, holder);
        continue;
      }
      let batch = this.batchOf(operation);
      if (batch === null) {
        if (current === null || !this.fits(current, operation, target)) {
          if (this.open.size + batches.length >= openInstances) {
            this.arrived = queue.slice(index);
            break;
          }
          current = { command: { operations: [] }, keys: [], bytes: 0 };
          batches.push(current);
        }
        batch = current;
      }
      this.put(operation, batch);
    }
    return batches;
  }

  /** An own instance was opened with a batch. To be told before the next batches are taken. */
  opened(id: InstanceId, { command, keys }: Batch): void {
    const shares = keys.map((state) => {
      const writes = state.written;
      if (writes) state.writes += 1;
      else state.reads += 1;
      state.batch = null;
      state.written = false;
      return { state, writes };
    });
    this.open.set(instanceKey(id), { command, shares });
  }

  /**
   * An own instance was executed, or became a no-op: what it held back may go on. With `again` its own
   * operations are proposed again first (R5.8), save those whose callers gave up.
   * @returns true if operations are proposed again
   */
  closed(id: InstanceId, options: { readonly again: boolean }): boolean {
    const instance = this.open.get(instanceKey(id));
    if (instance === undefined) return false;
    this.open.delete(instanceKey(id));
    let again = false;
    for (const operation of instance.command.operations) {
      if (!this.awaited.delete(operation) || !options.again) continue;
      again = true;
      this.unproposed.add(operation);
      this.heldBytes += operation.size;
      this.again.push(operation);
    }
    for (const { state, writes } of instance.shares) {
      if (writes) state.writes -= 1;
      else state.reads -= 1;
      if (state.held !== null) {
        for (const operation of state.held) this.again.push(operation);
        state.held = null;
      }
      if (state.reads + state.writes === 0) this.keys.delete(state.key);
    }
    return again;
  }

  /** How many operations go into each instance of a turn that has so many of them. */
  private operationsEach(count: number): number {
    const { instancesPerTurn } = this.limits;
    if (count <= instancesPerTurn) return 1;
    return Math.ceil(count / Math.max(1, Math.floor(instancesPerTurn ** 2 / count)));
  }

  private readonly isWaiting = (operation: Operation) => this.unproposed.has(operation);

  private hold(operation: Operation, state: KeyState): void {
    state.held ??= [];
    state.held.push(operation);
    if (state.held.length < Math.max(state.heldLimit, FEW)) return;
    state.held = state.held.filter(this.isWaiting);
    state.heldLimit = 2 * state.held.length;
  }

  /** A key that an operation must wait for; null if it may be proposed. */
  private holder(operation: Operation): KeyState | null {
    for (const { key, writes } of operation.accesses) {
      const state = this.keys.get(key);
      if (state === undefined) continue;
      const interfering = writes ? state.reads + state.writes : state.writes;
      // Whoever waits for the key came first: a stream of reads must not starve a write.
      if (state.held !== null || interfering >= this.limits.interferingInstances) return state;
      if (state.batch !== null && !this.joins(state.batch, operation)) return state;
    }
    return null;
  }

  /** Whether an operation can go into a batch that touches one of its keys: it has room, and there is no other such. */
  private joins(batch: Batch, operation: Operation): boolean {
    if (!this.fits(batch, operation, this.limits.operationsPerInstance)) return false;
    return operation.accesses.every(({ key }) => (this.keys.get(key)?.batch ?? batch) === batch);
  }

  /** The batch of this turn that touches one of the operation's keys; null if there is none. */
  private batchOf(operation: Operation): Batch | null {
    for (const { key } of operation.accesses) {
      const batch = this.keys.get(key)?.batch;
      if (batch) return batch;
    }
    return null;
  }

  private put(operation: Operation, batch: Batch): void {
    this.leave(operation);
    this.awaited.add(operation);
    batch.command.operations.push(operation);
    batch.bytes += operation.size;
    for (const { key, writes } of operation.accesses) {
      let state = this.keys.get(key);
      if (state === undefined) {
        state = { key, reads: 0, writes: 0, held: null, heldLimit: 0, batch: null, written: false };
        this.keys.set(key, state);
      }
      if (state.batch === null) {
        state.batch = batch;
        batch.keys.push(state);
      }
      state.written ||= writes;
    }
  }

  private fits(batch: Batch, operation: Operation, operations: number): boolean {
    return (
      batch.command.operations.length < operations &&
      batch.bytes + operation.size <= this.limits.bytesPerInstance
    );
  }

  /** It is proposed now, or withdrawn. False if it was not waiting. */
  private leave(operation: Operation): boolean {
    if (!this.unproposed.delete(operation)) return false;
    this.heldBytes -= operation.size;
    return true;
  }
}
