/**
 * The protocol's messages: one discriminated union. Who sent a message is not part of it; the
 * transport knows. Every handler tolerates a message that is late, repeated, reordered or about an
 * instance it never saw.
 */

import type { Command } from './command.ts';
import type { Attributes, Ballot, Deps, InstanceId, InstanceRecord, ReplicaId, Slot } from './types.ts';

/**
 * Elements of one list in a message, at most: keys of a read and the deps of its answer, ranges of a Fetch, contradictions.
 * Who has more to say sends several, or says that there is more (R3.14).
 */
export const MAX_LISTED = 4_096;

/** The initial coordinator proposes a command at ballot 0 (R3.1, R4.1). */
export interface PreAccept {
  readonly type: 'preAccept';
  readonly id: InstanceId;
  readonly command: Command;
  readonly attributes: Attributes;
  /** N = 3: the designated follower; null for N ≥ 5. */
  readonly follower: ReplicaId | null;
  /** N = 3: whether the other follower is to answer at once as well (R4.5). */
  readonly prompt: boolean;
}

/** A follower's merged attributes (R3.2). A PreAccept that is not taken is not answered. */
export interface PreAcceptReply {
  readonly type: 'preAcceptReply';
  readonly id: InstanceId;
  readonly attributes: Attributes;
}

/** A value for the instance at a ballot (R3.6). */
export interface Accept {
  readonly type: 'accept';
  readonly id: InstanceId;
  readonly ballot: Ballot;
  /** Null is the no-op; `'sent'` the command of the PreAccept, for those who have answered that. */
  readonly command: Command | 'sent' | null;
  readonly attributes: Attributes;
}

export interface AcceptReply {
  readonly type: 'acceptReply';
  readonly id: InstanceId;
  /** The ballot of the Accept that is answered. */
  readonly ballot: Ballot;
  /** The ballot promised here; higher than `ballot` exactly when the Accept was refused. */
  readonly promised: Ballot;
}

/** The final value; taken at any time, never answered (R3.7). */
export interface Commit {
  readonly type: 'commit';
  readonly id: InstanceId;
  /**
   * Null is the no-op. `'sent'`: the command that was sent with the PreAccept or Accept at ballot 0; who did not get that
   * fetches this one. A slot never holds another command (R6.3).
   */
  readonly command: Command | 'sent' | null;
  readonly attributes: Attributes;
}

/** Recovery asks for a promise at `ballot` and for all that is known of the instance (R5.1). */
export interface Prepare {
  readonly type: 'prepare';
  readonly id: InstanceId;
  readonly ballot: Ballot;
}

export interface PrepareReply {
  readonly type: 'prepareReply';
  /** The ballot of the Prepare that is answered. */
  readonly ballot: Ballot;
  /** `record.ballot` is the promise; higher than `ballot` exactly when the Prepare was refused. */
  readonly record: InstanceRecord;
}

/** N ≥ 5: may the initial attributes still be committed? (R5.6) */
export interface Validate {
  readonly type: 'validate';
  readonly id: InstanceId;
  readonly ballot: Ballot;
  readonly command: Command;
  readonly attributes: Attributes;
}

/** One instance that contradicts the attributes being validated. */
export interface Contradiction {
  readonly id: InstanceId;
  readonly committed: boolean;
}

export interface ValidateReply {
  readonly type: 'validateReply';
  readonly id: InstanceId;
  readonly ballot: Ballot;
  /** Higher than `ballot` exactly when the Validate was refused; then `contradictions` is empty. */
  readonly promised: Ballot;
  /** One that is committed, if there is any; otherwise of each row those with the lowest slots (R5.10). */
  readonly contradictions: readonly Contradiction[];
  /** Whether some were left out. */
  readonly more: boolean;
}

/** N ≥ 5: "I recover `id` and wait; `matching` members of my quorum hold its initial attributes" (R5.6, R5.7). */
export interface Waiting {
  readonly type: 'waiting';
  readonly id: InstanceId;
  readonly matching: number;
}

/** Slots `from` to `to`, both included, of one row. */
export interface SlotRange {
  readonly replica: ReplicaId;
  readonly from: Slot;
  readonly to: Slot;
}

/** "Send me a Commit for each of these that you know to be committed" (R7.2, R9.1). */
export interface Fetch {
  readonly type: 'fetch';
  readonly ranges: readonly SlotRange[];
}

/** How far the sender has come, by row (R9.1). */
export interface Watermarks {
  readonly type: 'watermarks';
  /** The slot up to which all is committed. */
  readonly committed: Deps;
  /** The slot up to which all is executed, with effects that no crash can undo. */
  readonly executed: Deps;
  /** The highest slot of which anything is known. */
  readonly highest: Deps;
  /** The slot up to which the sender has forgotten all: it can only be had in a snapshot. */
  readonly pruned: Deps;
}

/** "What would you depend on if you read these keys now?" (R8.1) */
export interface ReadRequest {
  readonly type: 'readRequest';
  /** Chosen by the sender, to tell the answers apart. */
  readonly sequence: number;
  /** As binary strings; at least one. */
  readonly keys: readonly string[];
}

export interface ReadReply {
  readonly type: 'readReply';
  readonly sequence: number;
  /** One vector for each key, in the order asked. */
  readonly deps: readonly Deps[];
}

export type Message =
  | PreAccept
  | PreAcceptReply
  | Accept
  | AcceptReply
  | Commit
  | Prepare
  | PrepareReply
  | Validate
  | ValidateReply
  | Waiting
  | Fetch
  | Watermarks
  | ReadRequest
  | ReadReply;

export type MessageType = Message['type'];

/** A message and the peer it goes to; never the sender itself. */
export interface Envelope {
  readonly to: ReplicaId;
  readonly message: Message;
}
