/**
 * From operations to instances: which operations may be proposed now, and how they are batched.
 *
 * R7.7: a coordinator with an open instance on a key holds what arrives for that key and proposes it
 * together: when an instance that touches the key is executed, or at a tick if there are not too many open.
 * "Open" lasts until the instance is executed here. One goes for one that comes, so that only so many instances a key
 * and coordinator are ever on their way: components of the execution graph cannot keep growing, and
 * contention turns into larger batches.
 *
 * R7.9: an operation that touches everything is an instance by itself, at once: it waits for no key, and none for it.
 */
import { assert } from '../../util/assert.ts';
import type { InterferenceIndex, Touches } from '../conflicts/interference.ts';
import type { KeyEntry } from '../conflicts/key-entry.ts';
import { EVERYTHING, isWide, type Operation } from '../model/operation.ts';
import type { Limits } from '../model/options.ts';
import { type InstanceId, type InstanceKey, instanceKey } from '../model/types.ts';

/**
 * An operation on its way, from `add` until it is executed, in one instance or another, or withdrawn. Made by whoever
 * proposes it, and to be kept there: it is what the operation is taken back by.
 */
export class Proposal<T extends Operation = Operation> {
  readonly operation: T;
  /**
   * Not handed over; waiting to be proposed; in an instance; or taken back, and to be passed over wherever it is found. Only
   * the proposer changes it.
   */
  stage: 'new' | 'waiting' | 'proposed' | 'withdrawn' = 'new';
  /** It was held, until it could go beside what is open: it need not wait again. */
  hasWaited = false;

  constructor(operation: T) {
    this.operation = operation;
  }
}

/** What the proposer keeps of a key, in the key's entry: own open instances that touch it, and what waits for them. */
export interface OwnUse {
  /** Own open instances that only read it, and that write it. While there are any, the index keeps the entry. */
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

/** So long does what arrives wait at the most for more to propose it with. */
const GATHERING_TICKS = 2;

/** What makes one instance: its command, and what the proposer must remember of it until it is executed. */
export interface Batch {
  readonly operations: Operation[];
  readonly proposals: Proposal[];
  /** What the command touches, in its order: the index need not look it up again. */
  readonly touches: Touches;
  bytes: number;
}

export class Proposer {
  readonly limits: Limits;
  /** Whose entries hold what is known here of a key; an operation's keys are looked up once. */
  readonly index: InterferenceIndex;
  /** What to look at first: operations on several keys that were held back. What is withdrawn leaves these lists in time. */
  first: Proposal[] = [];
  /** Then: others that were held back, or proposed in vain. */
  again: Proposal[] = [];
  /** What has arrived since. */
  arrived: Proposal[] = [];
  /** How many operations are not proposed yet, and their bytes. */
  waiting = 0;
  heldBytes = 0;
  readonly open = new Map<InstanceKey, Batch>();
  /** Operations in open instances. */
  underWay = 0;
  /** Ticks since batches were taken. */
  ticks = 0;
  /** Keys that operations wait for. */
  readonly heldKeys = new Set<string>();

  constructor(limits: Limits, index: InterferenceIndex) {
    this.limits = limits;
    this.index = index;
  }

  /** False if the queue is full; then nothing was done. @param proposal not on its way here */
  add(proposal: Proposal): boolean {
    const { heldOperations, heldBytes } = this.limits;
    if (this.waiting >= heldOperations || this.heldBytes + proposal.operation.size > heldBytes) return false;
    proposal.hasWaited = false;
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
  withdraw(proposal: Proposal): boolean {
    const wasWaiting = isWaiting(proposal);
    if (wasWaiting) this.leave(proposal);
    proposal.stage = 'withdrawn';
    return wasWaiting;
  }

  /**
   * True if `takeBatches` would do something. While few operations are under way, whatever arrives is proposed at once;
   * with many, when it is half as many as those, or has waited for two ticks: larger instances cost less.
   */
  get hasWork(): boolean {
    const count = this.arrived.length + this.again.length + this.first.length;
    if (count === 0 || this.open.size >= this.limits.openInstances) return false;
    return (
      this.underWay < this.limits.eagerOperations ||
      count >= this.underWay / 2 ||
      this.ticks >= GATHERING_TICKS
    );
  }

  /**
   * What to propose now. Operations on the same key go into the same instance or wait; the rest is spread evenly
   * over as many instances as it has operations while these are few, and over the fewer the more they are: few share no
   * fate, and many share the cost of an instance.
   */
  takeBatches(): Batch[] {
    if (!this.hasWork) return [];
    const { operationsPerInstance, openInstances } = this.limits;
    const hasOlder = this.first.length + this.again.length > 0;
    const queue = hasOlder ? this.first.concat(this.again, this.arrived) : this.arrived;
    this.ticks = 0;
    this.first = [];
    this.again = [];
    this.arrived = [];
    const target = Math.min(operationsPerInstance, this.operationsEach(queue.length));
    const batches: Batch[] = [];
    let current: Batch | null = null;
    for (let index = 0; index < queue.length; index += 1) {
      const proposal = queue[index];
      if (proposal === undefined || !isWaiting(proposal)) continue; // withdrawn
      const { operation } = proposal;
      if (isWide(operation)) {
        if (this.open.size + batches.length >= openInstances) {
          this.arrived = queue.slice(index);
          break;
        }
        batches.push(this.alone(proposal));
        continue;
      }
      const entries = operation.accesses.map(({ key }) => this.index.enter(key));
      const holder = this.holder(proposal, entries);
      if (holder !== null) {
        this.hold(proposal, holder);
        continue;
      }
      let batch = batchOf(entries);
      if (batch === null) {
        if (current === null || !this.fits(current, operation, target)) {
          if (this.open.size + batches.length >= openInstances) {
            this.arrived = queue.slice(index);
            break;
          }
          current = {
            operations: [],
            proposals: [],
            touches: { entries: [], writes: [] },
            bytes: 0,
          };
          batches.push(current);
        }
        batch = current;
      }
      this.put(proposal, batch, entries);
    }
    return batches;
  }

  /** A unit of time has passed: what has gathered for a key may go into another instance beside the open one. */
  tick(): void {
    this.ticks += 1;
    for (const key of this.heldKeys) {
      const own = ownUse(this.index.find(key));
      if (own.writes < this.limits.interferingInstances) this.release(key, own);
    }
  }

  /** What waits for a key need not wait any more. */
  private release(key: string, own: OwnUse): void {
    if (own.held === null) return;
    for (const proposal of own.held) {
      proposal.hasWaited = true;
      (proposal.operation.accesses.length > 1 ? this.first : this.again).push(proposal);
    }
    own.held = null;
    own.heldLimit = 0;
    this.heldKeys.delete(key);
  }

  /** An own instance was opened with a batch. To be told before the next batches are taken. */
  opened(id: InstanceId, batch: Batch): void {
    const { entries, writes } = batch.touches;
    for (let place = 0; place < entries.length; place += 1) {
      const own = ownUse(entries[place]);
      if (writes[place] === true) own.writes += 1;
      else own.reads += 1;
      own.batch = null;
    }
    this.open.set(instanceKey(id), batch);
    this.underWay += batch.proposals.length;
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
    this.underWay -= batch.proposals.length;
    const again = options.again ? batch.proposals.filter(({ stage }) => stage !== 'withdrawn') : [];
    for (const proposal of again) {
      this.wait(proposal);
      this.again.push(proposal);
    }
    const { entries, writes } = batch.touches;
    for (let place = 0; place < entries.length; place += 1) {
      const own = ownUse(entries[place]);
      if (writes[place] === true) own.writes -= 1;
      else own.reads -= 1;
      this.release(entries[place]?.key ?? '', own);
    }
    return again.length > 0;
  }

  /** How many operations go into each instance of a turn that has so many of them. */
  private operationsEach(count: number): number {
    const { instancesPerTurn } = this.limits;
    if (count <= instancesPerTurn) return 1;
    return Math.ceil(count / Math.max(1, Math.floor(instancesPerTurn ** 2 / count)));
  }

  /**
   * Of an operation's keys one that it must wait for; null if it may be proposed. It waits for one of its keys, once: never
   * might several be free at the same time, and a write might never find all reads of its key executed.
   */
  private holder({ operation, hasWaited }: Proposal, entries: readonly KeyEntry[]): KeyEntry | null {
    for (let index = 0; index < entries.length; index += 1) {
      const entry = entries[index];
      if (entry === undefined || entry.own === null) continue;
      const { reads, writes, held, batch } = entry.own;
      const interfering = operation.accesses[index]?.writes ? reads + writes : writes;
      // Whoever waits for the key came first: a stream of reads must not starve a write.
      if (!hasWaited && (held !== null || interfering > 0)) return entry;
      if (batch !== null && !this.joins(batch, operation, entries)) return entry;
    }
    return null;
  }

  private hold(proposal: Proposal, entry: KeyEntry): void {
    const own = ownUse(entry);
    this.heldKeys.add(entry.key);
    own.held ??= [];
    own.held.push(proposal);
    if (own.held.length < Math.max(own.heldLimit, FEW)) return;
    own.held = own.held.filter(isWaiting);
    own.heldLimit = 2 * own.held.length;
  }

  /** R7.9: the batch of an operation that touches everything. */
  private alone(proposal: Proposal): Batch {
    const { operation } = proposal;
    this.leave(proposal);
    proposal.stage = 'proposed';
    return {
      operations: [operation],
      proposals: [proposal],
      touches: {
        entries: [this.index.enter(EVERYTHING)],
        writes: [operation.accesses[0]?.writes === true],
      },
      bytes: operation.size,
    };
  }

  /** Whether an operation can go into a batch that touches one of its keys: it has room, and there is no other such. */
  private joins(batch: Batch, operation: Operation, entries: readonly KeyEntry[]): boolean {
    if (!this.fits(batch, operation, this.limits.operationsPerInstance)) return false;
    return entries.every(({ own }) => (own?.batch ?? batch) === batch);
  }

  private put(proposal: Proposal, batch: Batch, entries: readonly KeyEntry[]): void {
    const { operation } = proposal;
    const { touches } = batch;
    this.leave(proposal);
    proposal.stage = 'proposed';
    batch.proposals.push(proposal);
    batch.operations.push(operation);
    batch.bytes += operation.size;
    for (let index = 0; index < entries.length; index += 1) {
      const entry = entries[index];
      const own = ownUse(entry);
      const writes = operation.accesses[index]?.writes === true;
      if (entry !== undefined && own.batch === null) {
        own.batch = batch;
        own.place = touches.entries.length;
        touches.entries.push(entry);
        touches.writes.push(writes);
      } else if (writes) {
        touches.writes[own.place] = true;
      }
    }
  }

  private fits(batch: Batch, operation: Operation, operations: number): boolean {
    return (
      batch.operations.length < operations && batch.bytes + operation.size <= this.limits.bytesPerInstance
    );
  }

  /** The proposal is to be proposed, for the first time or again. */
  private wait(proposal: Proposal): void {
    proposal.stage = 'waiting';
    this.waiting += 1;
    this.heldBytes += proposal.operation.size;
  }

  /** It is proposed now, or withdrawn. */
  private leave({ operation }: Proposal): void {
    this.waiting -= 1;
    this.heldBytes -= operation.size;
  }
}

function isWaiting({ stage }: Proposal): boolean {
  return stage === 'waiting';
}

function ownUse(entry: KeyEntry | undefined): OwnUse {
  assert(entry !== undefined, 'a place among the keys of a batch');
  entry.own ??= { reads: 0, writes: 0, held: null, heldLimit: 0, batch: null, place: 0 };
  return entry.own;
}

/** The batch of this turn that touches one of these keys; null if there is none. */
function batchOf(entries: readonly KeyEntry[]): Batch | null {
  for (const { own } of entries) if (own !== null && own.batch !== null) return own.batch;
  return null;
}
