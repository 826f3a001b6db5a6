/**
 * What a replica keeps of everything that does not get on by itself: which instances it waits for, since when, and when the next
 * step is due; in which rows it is behind; and how far the others have come. What is done about it is in stalls.ts,
 * suspicion.ts, catch-up.ts and pruning.ts. All of it is volatile.
 */
import type { Watermarks } from '../model/messages.ts';
import type { Ballot, Deps, InstanceKey, ReplicaId, Slot } from '../model/types.ts';

/** One instance that something waits for. */
export interface Stall {
  /** The tick at which the next step is taken. */
  dueAt: number;
  /** True once the peers were asked for it: the next step is to recover it. */
  asked: boolean;
  refusals: number;
  /** The highest ballot that a refusal told. */
  highestBallot: Ballot;
  /** The last tick at which it was still needed. */
  neededAt: number;
}

/** A row of which a peer has told that it has more commits. */
export interface Lag {
  /** The slot up to which somebody has everything committed. */
  target: Slot;
  readonly noticedAt: number;
  /** The tick at which this replica last got on in this row, or asked. */
  since: number;
  /** How far it was then. */
  committed: Slot;
  /** What was asked for last; null if nothing was yet. */
  asked: { readonly source: ReplicaId; readonly from: Slot; readonly upTo: Slot } | null;
  /** How often it was asked for since anything came. */
  asks: number;
}

/** What a peer last told of itself. */
export interface Report extends Watermarks {
  /** The tick at which it came. */
  readonly at: number;
  /** How far it is behind; null if no farther than others have to keep anything for it. */
  readonly backlog: Backlog | null;
}

/** R9.13: how a replica gets on that has much left to execute of what is executed here. */
export interface Backlog {
  /** How many instances that were at the most since then. */
  readonly most: number;
  /** The tick at which it last was seen to have got on, or was left out. */
  readonly since: number;
  /** For how many ticks from then on it is waited for. */
  readonly patienceTicks: number;
  /** Whether the next plan is made without it. */
  readonly isLeftOut: boolean;
}

/** To forget up to `upTo`, with a floor, once everything up to `settled` is committed here. */
export interface PrunePlan {
  /** The peers whose word it rests on. */
  readonly counted: readonly ReplicaId[];
  readonly upTo: Deps;
  readonly settled: Deps;
}

export class Progress {
  /** What something waits for, and when the next step is due. */
  readonly stalls = new Map<InstanceKey, Stall>();
  /** Own instances that are not committed and that no own round is settling. */
  readonly unsettled = new Set<InstanceKey>();
  /** By replica: rows in which a peer is known to have more commits. */
  readonly lags = new Map<ReplicaId, Lag>();
  /** What each peer last told of itself. */
  readonly reports = new Map<ReplicaId, Report>();
  prunePlan: PrunePlan | null = null;
  readonly farSeqs = new FarNumbers();
  readonly farBallots = new FarNumbers();
}

/** Seqs, or ballots, that were not believed of one peer alone (R3.13). */
export class FarNumbers {
  /** By peer: the highest that it has told. */
  readonly told = new Map<ReplicaId, number>();
  /** As if one so high were known; and the tick in which it was raised last. */
  believed = 0;
  raisedAt = 0;
}
