/** What is kept of the reads without an instance that are under way (R8.1); all of it is volatile. */

import type { Operation } from '../model/operation.ts';
import type { Deps, InstanceKey, ReplicaId } from '../model/types.ts';

/** The row of reads in the executor's graph: no replica has it. */
export const READ_ROW = 0;

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
  /** Those still wanted, by position among the keys. */
  readonly reads: Map<number, PendingRead>;
  readonly answered: Set<ReplicaId>;
  retryAt: number;
  retryTicks: number;
}

/** Everything about the reads of this replica. A read that is withdrawn leaves all of it. */
export class Reads {
  /** Every read under way. */
  readonly wanted = new Map<Operation, PendingRead>();
  /** Those not asked for yet. */
  readonly arrived = new Set<Operation>();
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
}

/** The key that a read touches. */
export function keyOf({ operation }: PendingRead): string {
  return operation.accesses[0]?.key ?? '';
}
