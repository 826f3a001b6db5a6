/** What is kept of the reads without an instance that are under way (R8.1); all of it is volatile. */

import type { Operation } from '../model/operation.ts';
import type { Deps, InstanceKey, ReplicaId } from '../model/types.ts';

/** In the place of a replica's id, in the names of reads in the executor's graph. */
export const NO_REPLICA = 0;

/** A read under way, from `addRead` until it is answered or withdrawn. */
export interface PendingRead {
  readonly operation: Operation;
  /** The merge of the answers so far, this replica's own included; empty before it has a round. */
  deps: Deps;
  /** The round that it is in; null before and after. */
  round: BarrierRound | null;
  /** What it is called in the executor, while it waits for its deps to be executed; null before. */
  node: InstanceKey | null;
  /** False once it is answered or withdrawn. */
  isWanted: boolean;
}

/** Reads that share a round trip. */
export interface BarrierRound {
  readonly sequence: number;
  /** The keys asked for. An answer has deps for each, in this order. */
  readonly keys: readonly string[];
  /** By position among the keys. */
  readonly reads: readonly PendingRead[];
  /** How many of them are wanted still; at least one while the round is under way. */
  wanted: number;
  readonly answered: Set<ReplicaId>;
  retryAt: number;
  retryTicks: number;
}

/** So many withdrawn reads may lie among those not asked for yet. */
const FEW_READS = 64;

/** Everything about the reads of this replica. */
export class Reads {
  /** Every read under way. */
  readonly wanted = new Map<Operation, PendingRead>();
  /** Those not asked for yet, as they came, and among them some that were withdrawn. */
  arrived: PendingRead[] = [];
  /** How many of those are wanted. */
  waiting = 0;
  nextRound: number;
  readonly rounds = new Map<number, BarrierRound>();
  nextRead = 1;
  /** Those in the executor. */
  readonly nodes = new Map<InstanceKey, PendingRead>();

  /**
   * @param firstRound another one after every restart: an answer that was under way meanwhile must not be taken for one
   * to a new round, for it does not know what was written since
   */
  constructor(firstRound: number) {
    this.nextRound = firstRound;
  }

  add(read: PendingRead): void {
    this.wanted.set(read.operation, read);
    this.arrived.push(read);
    this.waiting += 1;
  }

  /** Nobody wants a read any more that has not been asked for. */
  drop(read: PendingRead): void {
    read.isWanted = false;
    this.waiting -= 1;
    if (this.arrived.length > 2 * this.waiting + FEW_READS)
      this.arrived = this.arrived.filter(({ isWanted }) => isWanted);
  }

  /** Takes those that are to be asked for next, the oldest first. @param most how many at most */
  take(most: number): PendingRead[] {
    const taken: PendingRead[] = [];
    let count = 0;
    for (const read of this.arrived) {
      if (taken.length === most) break;
      count += 1;
      if (read.isWanted) taken.push(read);
    }
    this.arrived = this.arrived.slice(count);
    this.waiting -= taken.length;
    return taken;
  }
}

/** The key that a read touches. */
export function keyOf({ operation }: PendingRead): string {
  return operation.accesses[0]?.key ?? '';
}
