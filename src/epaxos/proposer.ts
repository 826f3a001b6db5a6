/**
 * From operations to instances: which operations may be proposed now, and how they are batched.
 *
 * R7.7: a coordinator with enough open instances on a key holds what arrives for that key and proposes it
 * together next. "Open" lasts until the instance is executed here, so that only so many instances a key
 * and coordinator are ever on their way: components of the execution graph cannot keep growing, and
 * contention turns into larger batches.
 */
import type { Limits } from './options.ts';
import { type InstanceId, type InstanceKey, instanceKey, type Operation } from './types.ts';

/** An operation on its way, from `add` until it is executed, in one instance or another, or withdrawn. */
interface Proposal {
  readonly operation: Operation;
  /** Waiting to be proposed; in an open instance; or taken back, and to be passed over wherever it is found. */
  stage: 'waiting' | 'proposed' | 'withdrawn';
}

/** A key that own open instances touch, or that operations wait for. */
interface KeyState {
  readonly key: string;
  /** Own open instances that only read it, and that write it. */
  reads: number;
  writes: number;
  /** What waits for these, in order of arrival; null for nothing. Some may have been withdrawn. */
  held: Proposal[] | null;
  /** With so many of them it is time to look which were withdrawn. */
  heldLimit: number;
  /** The batch of this turn that touches it, and its place among the batch's keys. */
  batch: Batch | null;
  place: number;
}

/** So many are not worth a look. */
const FEW = 64;

/** What makes one instance: its command, and what the proposer must remember of it until it is executed. */
export interface Batch {
  readonly command: { readonly operations: Operation[] };
  readonly proposals: Proposal[];
  /** What it touches, each key once, and whether it writes the key. */
  readonly keys: KeyState[];
  readonly writes: boolean[];
  bytes: number;
}

export class Proposer {
  readonly limits: Limits;
  /** Everything on its way. What is withdrawn leaves this at once, and the lists below in time. */
  readonly proposals = new Map<Operation, Proposal>();
  /** What to look at first: held back before, or proposed in vain. */
  again: Proposal[] = [];
  /** What has arrived since. */
  arrived: Proposal[] = [];
  /** How many operations are not proposed yet, and their bytes. */
  waiting = 0;
  heldBytes = 0;
  readonly keys = new Map<string, KeyState>();
  readonly open = new Map<InstanceKey, Batch>();

  constructor(limits: Limits) {
    this.limits = limits;
  }

  /** False if the queue is full; then nothing was done. */
  add(operation: Operation): boolean {
    const { heldOperations, heldBytes } = this.limits;
    if (this.waiting >= heldOperations || this.heldBytes + operation.bytes.length > heldBytes) return false;
    const proposal: Proposal = { operation, stage: 'waiting' };
    this.proposals.set(operation, proposal);
    this.wait(proposal);
    this.arrived.push(proposal);
    // While nothing can be proposed, what was withdrawn must not pile up.
    if (this.arrived.length > 2 * this.waiting + FEW) this.arrived = this.arrived.filter(isWaiting);
    return true;
  }

  /**
   * Takes an operation back. True if it was not proposed yet: then it never will be. False if it is in an
   * instance already, which may yet commit; should it become a no-op, the operation is not proposed again.
   */
  withdraw(operation: Operation): boolean {
    const proposal = this.proposals.get(operation);
    if (proposal === undefined) return false;
    this.proposals.delete(operation);
    const wasWaiting = isWaiting(proposal);
    if (wasWaiting) this.leave(proposal);
    proposal.stage = 'withdrawn';
    return wasWaiting;
  }

  /** True if `takeBatches` would do something. */
  get hasWork(): boolean {
    return this.arrived.length + this.again.length > 0 && this.open.size < this.limits.openInstances;
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
      const proposal = queue[index];
      if (proposal === undefined || !isWaiting(proposal)) continue; // withdrawn
      const { operation } = proposal;
      const states = operation.accesses.map(({ key }) => this.enter(key));
      const holder = this.holder(operation, states);
      if (holder !== null) {
        hold(proposal, holder);
        this.leaveIdle(states);
        continue;
      }
      let batch = batchOf(states);
      if (batch === null) {
        if (current === null || !this.fits(current, operation, target)) {
          if (this.open.size + batches.length >= openInstances) {
            this.arrived = queue.slice(index);
            this.leaveIdle(states);
            break;
          }
          current = { command: { operations: [] }, proposals: [], keys: [], writes: [], bytes: 0 };
          batches.push(current);
        }
        batch = current;
      }
      this.put(proposal, batch, states);
    }
    return batches;
  }

  /** An own instance was opened with a batch. To be told before the next batches are taken. */
  opened(id: InstanceId, batch: Batch): void {
    for (const state of batch.keys) {
      if (batch.writes[state.place] === true) state.writes += 1;
      else state.reads += 1;
      state.batch = null;
    }
    this.open.set(instanceKey(id), batch);
  }

  /**
   * An own instance was executed, or became a no-op: what it held back may go on. With `again` its own
   * operations are proposed again first (R5.8), save those whose callers gave up.
   * @returns true if operations are proposed again
   */
  closed(id: InstanceId, options: { readonly again: boolean }): boolean {
    const batch = this.open.get(instanceKey(id));
    if (batch === undefined) return false;
    this.open.delete(instanceKey(id));
    let again = false;
    for (const proposal of batch.proposals) {
      if (proposal.stage === 'withdrawn') continue;
      if (!options.again) {
        this.proposals.delete(proposal.operation);
        continue;
      }
      again = true;
      proposal.stage = 'waiting';
      this.wait(proposal);
      this.again.push(proposal);
    }
    batch.keys.forEach((state, place) => {
      if (batch.writes[place] === true) state.writes -= 1;
      else state.reads -= 1;
      if (state.held !== null) {
        for (const proposal of state.held) this.again.push(proposal);
        state.held = null;
      }
    });
    this.leaveIdle(batch.keys);
    return again;
  }

  /** How many operations go into each instance of a turn that has so many of them. */
  private operationsEach(count: number): number {
    const { instancesPerTurn } = this.limits;
    if (count <= instancesPerTurn) return 1;
    return Math.ceil(count / Math.max(1, Math.floor(instancesPerTurn ** 2 / count)));
  }

  /** Of an operation's keys one that it must wait for; null if it may be proposed. */
  private holder(operation: Operation, states: readonly KeyState[]): KeyState | null {
    for (let index = 0; index < states.length; index += 1) {
      const state = states[index];
      if (state === undefined) continue;
      const interfering = operation.accesses[index]?.writes ? state.reads + state.writes : state.writes;
      // Whoever waits for the key came first: a stream of reads must not starve a write.
      if (state.held !== null || interfering >= this.limits.interferingInstances) return state;
      if (state.batch !== null && !this.joins(state.batch, operation, states)) return state;
    }
    return null;
  }

  /** Whether an operation can go into a batch that touches one of its keys: it has room, and there is no other such. */
  private joins(batch: Batch, operation: Operation, states: readonly KeyState[]): boolean {
    if (!this.fits(batch, operation, this.limits.operationsPerInstance)) return false;
    return states.every((state) => (state.batch ?? batch) === batch);
  }

  private enter(key: string): KeyState {
    let state = this.keys.get(key);
    if (state === undefined) {
      state = { key, reads: 0, writes: 0, held: null, heldLimit: 0, batch: null, place: 0 };
      this.keys.set(key, state);
    }
    return state;
  }

  /** Forgets those keys that nothing is open on. Then nothing waits for them either. */
  private leaveIdle(states: readonly KeyState[]): void {
    for (const { key, reads, writes, batch } of states) {
      if (reads + writes === 0 && batch === null) this.keys.delete(key);
    }
  }

  private put(proposal: Proposal, batch: Batch, states: readonly KeyState[]): void {
    const { operation } = proposal;
    this.leave(proposal);
    proposal.stage = 'proposed';
    batch.proposals.push(proposal);
    batch.command.operations.push(operation);
    batch.bytes += operation.bytes.length;
    states.forEach((state, index) => {
      const writes = operation.accesses[index]?.writes === true;
      if (state.batch === null) {
        state.batch = batch;
        state.place = batch.keys.length;
        batch.keys.push(state);
        batch.writes.push(writes);
      } else if (writes) {
        batch.writes[state.place] = true;
      }
    });
  }

  private fits(batch: Batch, operation: Operation, operations: number): boolean {
    return (
      batch.command.operations.length < operations &&
      batch.bytes + operation.bytes.length <= this.limits.bytesPerInstance
    );
  }

  /** The proposal is to be proposed, for the first time or again. */
  private wait({ operation }: Proposal): void {
    this.waiting += 1;
    this.heldBytes += operation.bytes.length;
  }

  /** It is proposed now, or withdrawn. */
  private leave({ operation }: Proposal): void {
    this.waiting -= 1;
    this.heldBytes -= operation.bytes.length;
  }
}

function isWaiting({ stage }: Proposal): boolean {
  return stage === 'waiting';
}

function hold(proposal: Proposal, state: KeyState): void {
  state.held ??= [];
  state.held.push(proposal);
  if (state.held.length < Math.max(state.heldLimit, FEW)) return;
  state.held = state.held.filter(isWaiting);
  state.heldLimit = 2 * state.held.length;
}

/** The batch of this turn that touches one of these keys; null if there is none. */
function batchOf(states: readonly KeyState[]): Batch | null {
  for (const { batch } of states) if (batch !== null) return batch;
  return null;
}
