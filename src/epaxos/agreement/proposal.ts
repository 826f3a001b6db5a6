import type { Operation } from '../model/operation.ts';

/**
 * An operation on its way, from `propose` until it is executed, in one instance or another, or withdrawn. Made by whoever
 * proposes it, and to be kept there: it is what the operation is taken back by.
 */
export class Proposal<T extends Operation = Operation> {
  readonly operation: T;
  /**
   * Not handed over; held, to be proposed; in an instance; or taken back, and to be passed over wherever it is found. Only
   * the proposer changes it.
   */
  stage: 'new' | 'held' | 'proposed' | 'withdrawn' = 'new';
  /** It was held for a key, until it could go beside what is open: it need not be again. */
  hasWaited = false;

  constructor(operation: T) {
    this.operation = operation;
  }
}
