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
import type { KeyEntry, OwnUse } from '../conflicts/key-entry.ts';
import { EVERYTHING, isWide, type Operation } from '../model/operation.ts';
import type { Limits } from '../model/options.ts';
import { type InstanceId, type InstanceKey, instanceKey } from '../model/types.ts';
import type { Proposal } from './proposal.ts';

/** So many proposals are not worth a look which of them were withdrawn. */
const FEW_PROPOSALS = 64;

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
  /** How many operations are held, to be proposed, and their bytes. */
  waitingOperations = 0;
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
    if (this.waitingOperations >= heldOperations || this.heldBytes + proposal.operation.size > heldBytes)
      return false;
    proposal.hasWaited = false;
    this.hold(proposal);
    this.arrived.push(proposal);
    // While nothing can be proposed, what was withdrawn must not pile up.
    if (this.arrived.length > 2 * this.waitingOperations + FEW_PROPOSALS)
      this.arrived = this.arrived.filter(isHeld);
    return true;
  }

  /**
   * Takes an operation back. True if it was not proposed yet: then it never will be. False if it is in an
   * instance already, which may yet commit; should it become a no-op, the operation is not proposed again.
   */
  withdraw(proposal: Proposal): boolean {
    const wasHeld = isHeld(proposal);
    if (wasHeld) this.leave(proposal);
    proposal.stage = 'withdrawn';
    return wasHeld;
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
    const only: KeyEntry[] = [];
    /** The batch that is being filled. */
    let current = -1;
    for (let index = 0; index < queue.length; index += 1) {
      const proposal = queue[index];
      if (proposal === undefined || !isHeld(proposal)) continue; // withdrawn
      const { operation } = proposal;
      if (isWide(operation)) {
        if (this.open.size + batches.length >= openInstances) {
          this.arrived = queue.slice(index);
          break;
        }
        batches.push(this.alone(proposal));
        continue;
      }
      const entries = this.entriesOf(operation, only);
      const holder = this.holder(proposal, entries, batches);
      if (holder !== null) {
        this.holdFor(holder, proposal);
        continue;
      }
      let place = batchOf(entries);
      if (place === null) {
        const batch = batches[current];
        if (batch === undefined || !this.fits(batch, operation, target)) {
          if (this.open.size + batches.length >= openInstances) {
            this.arrived = queue.slice(index);
            break;
          }
          current = batches.length;
          batches.push({
            operations: [],
            proposals: [],
            touches: { entries: [], writes: [], ofOperations: [] },
            bytes: 0,
          });
        }
        place = current;
      }
      this.put(proposal, entries, { batches, place });
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
      this.hold(proposal);
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

  /** The entries of an operation's keys, in their order. @param only the list of it, if there is one: made once for many */
  private entriesOf({ accesses }: Operation, only: KeyEntry[]): readonly KeyEntry[] {
    const [access] = accesses;
    if (access === undefined || accesses.length > 1) return accesses.map(({ key }) => this.index.enter(key));
    only[0] = this.index.enter(access.key);
    return only;
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
  private holder(
    { operation, hasWaited }: Proposal,
    entries: readonly KeyEntry[],
    batches: readonly Batch[],
  ): KeyEntry | null {
    for (let index = 0; index < entries.length; index += 1) {
      const entry = entries[index];
      if (entry === undefined || entry.own === null) continue;
      const { reads, writes, held, batch } = entry.own;
      const interfering = operation.accesses[index]?.writes ? reads + writes : writes;
      // Whoever waits for the key came first: a stream of reads must not starve a write.
      if (!hasWaited && (held !== null || interfering > 0)) return entry;
      if (batch !== null && !this.joins({ batches, place: batch }, operation, entries)) return entry;
    }
    return null;
  }

  private holdFor(entry: KeyEntry, proposal: Proposal): void {
    const own = ownUse(entry);
    this.heldKeys.add(entry.key);
    own.held ??= [];
    own.held.push(proposal);
    if (own.held.length < Math.max(own.heldLimit, FEW_PROPOSALS)) return;
    own.held = own.held.filter(isHeld);
    own.heldLimit = 2 * own.held.length;
  }

  /** R7.9: the batch of an operation that touches everything. */
  private alone(proposal: Proposal): Batch {
    const { operation } = proposal;
    this.leave(proposal);
    proposal.stage = 'proposed';
    const entries = [this.index.enter(EVERYTHING)];
    return {
      operations: [operation],
      proposals: [proposal],
      touches: { entries, writes: [operation.accesses[0]?.writes === true], ofOperations: entries },
      bytes: operation.size,
    };
  }

  /** Whether an operation can go into a batch that touches one of its keys: it has room, and there is no other such. */
  private joins(
    { batches, place }: { readonly batches: readonly Batch[]; readonly place: number },
    operation: Operation,
    entries: readonly KeyEntry[],
  ): boolean {
    const batch = batches[place];
    if (batch === undefined || !this.fits(batch, operation, this.limits.operationsPerInstance)) return false;
    return entries.every(({ own }) => (own?.batch ?? place) === place);
  }

  private put(
    proposal: Proposal,
    entries: readonly KeyEntry[],
    { batches, place }: { readonly batches: readonly Batch[]; readonly place: number },
  ): void {
    const { operation } = proposal;
    const batch = batches[place];
    assert(batch !== undefined, 'a batch of this turn');
    const { touches } = batch;
    this.leave(proposal);
    proposal.stage = 'proposed';
    batch.proposals.push(proposal);
    batch.operations.push(operation);
    batch.bytes += operation.size;
    const [first] = entries;
    if (first !== undefined) touches.ofOperations.push(first);
    for (let index = 0; index < entries.length; index += 1) {
      const entry = entries[index];
      const own = ownUse(entry);
      const writes = operation.accesses[index]?.writes === true;
      if (entry !== undefined && own.batch === null) {
        own.batch = place;
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
  private hold(proposal: Proposal): void {
    proposal.stage = 'held';
    this.waitingOperations += 1;
    this.heldBytes += proposal.operation.size;
  }

  /** It is proposed now, or withdrawn. */
  private leave({ operation }: Proposal): void {
    this.waitingOperations -= 1;
    this.heldBytes -= operation.size;
  }
}

function isHeld({ stage }: Proposal): boolean {
  return stage === 'held';
}

function ownUse(entry: KeyEntry | undefined): OwnUse {
  assert(entry !== undefined, 'a place among the keys of a batch');
  entry.own ??= { reads: 0, writes: 0, held: null, heldLimit: 0, batch: null, place: 0 };
  return entry.own;
}

/** Which batch of this turn touches one of these keys; null if none does. */
function batchOf(entries: readonly KeyEntry[]): number | null {
  for (const { own } of entries) if (own !== null && own.batch !== null) return own.batch;
  return null;
}
