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
  /** The round that it is in, and its position there; null before and after. */
  round: BarrierRound | null;
  position: number;
  /** What it is called in the executor, while it waits for its deps to be executed; null before. */
  node: InstanceKey | null;
}

/** Reads that share a round trip. */
export interface BarrierRound {
  readonly sequence: number;
  /** The keys asked for. An answer has deps for each, in this order. */
  readonly keys: readonly string[];
  /** By position among the keys; null where nobody waits any more. */
  readonly reads: (PendingRead | null)[];
  /** How many are wanted still; at least one while the round is under way. */
  wanted: number;
  readonly answered: Set<ReplicaId>;
  retryAt: number;
  retryTicks: number;
}

/** Everything about the reads of this replica. A read that is withdrawn leaves all of it (R8.7). */
export class Reads {
  /** Every read under way. */
  readonly wanted = new Map<Operation, PendingRead>();
  /** Those not asked for yet, in the order in which they came. */
  readonly arrived = new Set<PendingRead>();
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

  /** Takes those that are to be asked for next, the oldest first. @param most how many at most */
  take(most: number): PendingRead[] {
    if (this.arrived.size <= most) {
      const all = [...this.arrived];
      this.arrived.clear();
      return all;
    }
    const taken: PendingRead[] = [];
    for (const read of this.arrived) {
      if (taken.length === most) break;
      this.arrived.delete(read);
      taken.push(read);
    }
    return taken;
  }
}

/** The key that a read touches. */
export function keyOf({ operation }: PendingRead): string {
  return operation.accesses[0]?.key ?? '';
}
