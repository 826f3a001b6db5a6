/** The words of the state machine: requests, rows, and what executing an operation answers. */
import type { InstanceId, KeyHandle } from '../epaxos/index.ts';

/**
 * Names one request for ever, whatever replica it is sent to and however often (R7.6).
 * A client draws its id at random once and counts its requests from 1.
 */
export interface RequestId {
  /** 16 random bytes as a binary string. */
  readonly client: string;
  /** ≥ 1, each number used for one request only. */
  readonly sequence: number;
  /**
   * ≥ 1: the generation in which the request was first sent (R7.12). A retry keeps it. 0 for what leaves no answer
   * behind: reads, and what is unrecorded; a write that is recorded has no effect with it.
   */
  readonly generation: number;
}

/** A key's row in the table. */
export interface Row {
  readonly value: Uint8Array;
  /** 1 for the put that created the key, plus one for every put since; starts over after a delete. */
  readonly version: number;
}

/** A row as the table has it. */
export interface StampedRow extends Row {
  /** Which write made it. */
  readonly stamp: Stamp;
}

/**
 * Names one executed operation: the instance that it is in, and its place among the operations of that command. The same
 * on every replica, and never used twice.
 */
export interface Stamp {
  /** Of the instance, ≥ 1. */
  readonly epoch: number;
  readonly id: InstanceId;
  /** ≥ 0. */
  readonly place: number;
}

/**
 * An operation's turn to be executed: the stamp of what it writes, and its key, or the first of its keys, if that is at
 * hand. It is for this moment: nobody keeps it.
 */
export interface Turn extends Stamp {
  readonly handle?: KeyHandle | undefined;
}

/** What executing one operation answers. */
export interface OperationResult {
  /**
   * put: the key's version after it. get: the version read, 0 if the key does not exist.
   * delete: the version that was removed, 0 if there was none. multi-get and advance: 0.
   */
  readonly version: number;
  /**
   * get: the row's value. put and delete: the value before, only if asked for. Null where there was no row, and for a
   * multi-get and an advance.
   */
  readonly value: Uint8Array | null;
  /** put and delete with `returnPrevious`: the version before, 0 if there was no row; otherwise 0. */
  readonly previousVersion: number;
  /** multi-get only: the row of each key, in the order of the keys; null where there is none. */
  readonly rows?: readonly (Row | null)[];
}
