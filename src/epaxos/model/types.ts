/**
 * The words of the protocol as types (protocol.md section 1): replicas, instances, ballots, statuses,
 * commands, and the record of an instance. All of them are immutable values: a record that was handed
 * out is never changed afterwards, so a store may keep it without copying.
 */

import type { Command } from './command.ts';

/** A replica: an integer from 1 to N. */
export type ReplicaId = number;

/** A place in a replica's row: an integer ≥ 1, used in order, once. 0 in a vector means "none". */
export type Slot = number;

/** Instance (q, i): slot i of replica q's row; q is its initial coordinator. */
export interface InstanceId {
  readonly replica: ReplicaId;
  readonly slot: Slot;
}

/** 0, or k·N + r, owned by replica r (ballot.ts). */
export type Ballot = number;

/** No seq and no ballot is believed to be higher (R3.13): what is computed from them stays exact. */
export const MAX_NUMBER = 2 ** 52;

/**
 * How far an instance has come at one replica. Numbers, so that "at least committed" is a comparison.
 * Invariant: a status never goes back, except that an accept at a higher ballot replaces one at a lower.
 */
export const Status = { none: 0, preAccepted: 1, accepted: 2, committed: 3, executed: 4 } as const;
export type Status = (typeof Status)[keyof typeof Status];

/** A dependency vector of N slots: (q, i) is in it exactly when i ≤ deps[q − 1] (R2.2). */
export type Deps = readonly Slot[];

/** What is agreed on beside the command itself. */
export interface Attributes {
  /** Breaks ties inside a strongly connected component; ≥ 1 for a command, 0 for a no-op. */
  readonly seq: number;
  readonly deps: Deps;
}

/** Everything one replica knows of one instance: what is stored, and what a PrepareReply carries. */
export interface InstanceRecord {
  readonly id: InstanceId;
  readonly status: Status;
  /** The promise: nothing at a lower ballot is taken any more. */
  readonly ballot: Ballot;
  /** The ballot at which `noOp` and `attributes` were last pre-accepted or accepted. */
  readonly acceptedBallot: Ballot;
  /**
   * The command proposed in this slot, as soon as any message told it. It is kept, and counts for
   * interference, even when the instance ends as a no-op (R2.4).
   */
  readonly command: Command | null;
  /** True if the value accepted or committed here is the no-op instead of `command`. */
  readonly noOp: boolean;
  /** The current attributes; null as long as the status is none. */
  readonly attributes: Attributes | null;
  /** The attributes that the initial coordinator proposed, where known; recovery decides by them. */
  readonly initial: Attributes | null;
  /** N = 3: the follower whose reply alone decides the fast path (R4.1); null elsewhere or unknown. */
  readonly follower: ReplicaId | null;
}

const REPLICA_FACTOR = 8; // N ≤ 7, so three bits name the replica

/**
 * The epoch in which a cluster begins, and so far the only one: instances, and all that is said and stored of them, are of an
 * epoch.
 */
export const FIRST_EPOCH = 1;

/** An instance id as one number, for use as a key of a Map. Slots up to 2^50 stay exact. */
export type InstanceKey = number;

export function instanceKey(id: InstanceId): InstanceKey {
  return id.slot * REPLICA_FACTOR + id.replica;
}

export function instanceOfKey(key: InstanceKey): InstanceId {
  return { replica: key % REPLICA_FACTOR, slot: Math.floor(key / REPLICA_FACTOR) };
}

/** "2.17" for slot 17 of replica 2: the form used in logs, errors and tests. */
export function formatInstance(id: InstanceId): string {
  return `${id.replica}.${id.slot}`;
}

/** The record of an instance of which nothing is known yet. */
export function emptyRecord(id: InstanceId): InstanceRecord {
  return {
    id,
    status: Status.none,
    ballot: 0,
    acceptedBallot: 0,
    command: null,
    noOp: false,
    attributes: null,
    initial: null,
    follower: null,
  };
}
