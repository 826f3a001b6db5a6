/**
 * What a coordinator remembers while it waits for replies: the tallies. They are volatile; whatever must
 * survive a crash is in the instance's record. An instance has at most one round at a replica.
 * Invariant: tallies are keyed by replica, so that a repeated reply never counts twice.
 */

import type { Command } from '../model/command.ts';
import type {
  Attributes,
  Ballot,
  InstanceId,
  InstanceKey,
  InstanceRecord,
  ReplicaId,
} from '../model/types.ts';

interface RoundBase {
  readonly id: InstanceId;
  readonly startedAt: number;
  /** The tick at which unanswered requests are repeated, and the interval after that. */
  retryAt: number;
  retryTicks: number;
}

/** What such a round remembers of whom it has asked. */
interface Widening extends RoundBase {
  /** Who was asked, and at which tick first. */
  readonly askedAt: Map<ReplicaId, number>;
  /** The tick at which the rest are asked as well; null if nobody is left out, or they were. */
  widenAt: number | null;
}

/** The initial coordinator at ballot 0, waiting for PreAcceptReplies (R3.1 to R3.5, R4.1 to R4.5). */
export interface PreAcceptRound extends Widening {
  readonly type: 'preAccept';
  readonly command: Command;
  readonly initial: Attributes;
  readonly follower: ReplicaId | null;
  /** The others' merged attributes. */
  readonly replies: Map<ReplicaId, Attributes>;
  /** The tick from which a majority of replies is enough for the slow path; null before there is a majority. */
  slowAt: number | null;
  /**
   * R4.5: both followers were asked to answer at once, and until this tick the other one is waited for as well. Null: they
   * were not.
   */
  promptUntil: number | null;
  /** The tick at which the first reply came. */
  repliedAt: number | null;
}

/** Waiting for a majority to accept a value at a ballot (R3.4, R3.6). */
export interface AcceptRound extends Widening {
  readonly type: 'accept';
  readonly ballot: Ballot;
  /** Null for the no-op. */
  readonly command: Command | null;
  readonly attributes: Attributes;
  readonly accepted: Set<ReplicaId>;
  /** Ballot 0: who was sent the command, now or with the PreAccept. Empty in a recovery. */
  readonly told: Set<ReplicaId>;
  /** Ballot 0: who has answered the PreAccept, and knows the command. Empty in a recovery. */
  readonly knowing: ReadonlySet<ReplicaId>;
}

/** The rounds that may begin with some of the peers (R3.8). */
export type WideningRound = PreAcceptRound | AcceptRound;

/** Recovery, waiting for a majority's promises (R5.1). */
export interface PrepareRound extends RoundBase {
  readonly type: 'prepare';
  readonly ballot: Ballot;
  readonly replies: Map<ReplicaId, InstanceRecord>;
}

/** Recovery at N ≥ 5: may (command, initial) still be committed? (R5.6, R5.7) */
export interface ValidateRound extends RoundBase {
  readonly type: 'validate';
  readonly ballot: Ballot;
  readonly command: Command;
  readonly initial: Attributes;
  /** Q: whose promises this rests on. */
  readonly quorum: ReadonlySet<ReplicaId>;
  /** |R|: how many of Q hold the initial attributes unchanged. */
  readonly matching: number;
  readonly answered: Set<ReplicaId>;
  /** I: what contradicts, and whether some answer said that it is committed. */
  readonly contradictions: Map<InstanceKey, boolean>;
  /** Whether somebody has left out some of them (R5.10). */
  more: boolean;
  /** True once all of Q have answered and the decision must wait (R5.7). */
  isWaiting: boolean;
}

export type Round = PreAcceptRound | AcceptRound | PrepareRound | ValidateRound;
