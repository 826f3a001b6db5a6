/** Checks of what arrives from outside, at the boundary: after them the rest of the program may trust it. */
import { FIRST_EPOCH, type ReplicaId, type Slot } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';

/** What a decoder must know of the cluster to judge what it reads. */
export interface DecodeContext {
  /** N. */
  readonly replicas: number;
}

/** The highest slot there can be: keys of instances (epaxos/types.ts) are exact up to it. */
export const MAX_SLOT = 2 ** 50 - 1;

/** The error for bytes that say something impossible. */
export function malformed(reason: string): KvError {
  return new KvError('invalidArgument', reason);
}

/** Whether {@link checkCount} lets it pass. */
export function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Whether {@link checkSlot} lets it pass. */
export function isSlot(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= MAX_SLOT;
}

/** @throws KvError invalidArgument unless `value` is an integer from 0 to 2^53 − 1 */
export function checkCount(value: number, what: string): number {
  if (!isCount(value)) {
    throw malformed(`${what} is ${value}, not an integer from 0 to 2^53 - 1`);
  }
  return value;
}

/** @throws KvError invalidArgument unless `value` is an integer from 1 to {@link MAX_SLOT} */
export function checkSlot(value: number, what: string): Slot {
  if (!isSlot(value)) {
    throw malformed(`${what} is ${value}, not an integer from 1 to 2^50 - 1`);
  }
  return value;
}

/** As {@link checkSlot}, with 0 allowed too: "none", in a vector. */
export function checkSlotOrNone(value: number, what: string): Slot {
  return value === 0 ? value : checkSlot(value, what);
}

/** @throws KvError invalidArgument unless `value` is a replica of the cluster, 1 to N */
export function checkReplica(value: number, context: DecodeContext): ReplicaId {
  if (!Number.isInteger(value) || value < 1 || value > context.replicas) {
    throw malformed(`replica ${value} is not one of 1 to ${context.replicas}`);
  }
  return value;
}

/**
 * What a peer says is of one epoch; there is but one as yet.
 * @throws KvError invalidArgument for another one, or none
 */
export function checkEpoch(epoch: unknown): void {
  if (epoch !== FIRST_EPOCH) throw malformed(`it is of epoch ${epoch}, not of epoch ${FIRST_EPOCH}`);
}
