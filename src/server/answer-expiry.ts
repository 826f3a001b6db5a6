/**
 * Which recorded answers are no longer needed (R7.6). An answer may be dropped here once every copy of its
 * request that will ever be proposed has been executed here: whoever else has dropped it or not, none can
 * be met again.
 *
 * Answers are put into buckets by the time of their execution. No copy is proposed later than the longest
 * time a request may wait; when a bucket is older than that twice over, every replica is waited for until
 * it tells the highest slots that it knows (its watermarks): any copy is in one of these. Once all of them
 * are executed here, the bucket is dropped.
 *
 * Time is the time that this process was running: while it stood still it heard nothing of the copies.
 */
import type { Deps, ReplicaId } from '../epaxos/index.ts';
import type { AnswerId } from '../kv/index.ts';
import { TIMEOUTS } from './kv-service.ts';

export interface AnswerExpiryLimits {
  /** How old an answer is at the least when it is dropped; see {@link DEFAULT_ANSWER_EXPIRY}. */
  readonly retentionMs: number;
  /** Answers of so long a time share a bucket. */
  readonly bucketMs: number;
  /** A step from one tick to the next counts as no longer than this: what is more, the process stood still. */
  readonly longestStepMs: number;
  /** With more answers than these, replicas that have been silent are not waited for. */
  readonly answers: number;
  /** A replica that has told nothing for so long is silent. */
  readonly silentMs: number;
  /** Answers dropped in one turn. */
  readonly perTurn: number;
}

export const DEFAULT_ANSWER_EXPIRY: AnswerExpiryLimits = {
  // A copy is proposed at most `maxMs` after the request first came; as much again for word of it to arrive.
  retentionMs: 2 * TIMEOUTS.maxMs + 30_000,
  bucketMs: 5_000,
  longestStepMs: 2_000,
  answers: 2_000_000,
  silentMs: 30_000,
  perTurn: 4_096,
};

/** Answers that were executed in the same few seconds. */
interface Bucket {
  readonly openedMs: number;
  readonly ids: AnswerId[];
}

/** Finding out what must be executed before the oldest buckets can go. */
interface Settling {
  readonly buckets: number;
  readonly sinceMs: number;
  /** The highest slots that were known to those who have told. */
  upTo: Deps;
  readonly awaited: Set<ReplicaId>;
}

export class AnswerExpiry {
  readonly #peers: readonly ReplicaId[];
  readonly #limits: AnswerExpiryLimits;
  /** Oldest first. */
  readonly #buckets: Bucket[] = [];
  #settling: Settling | null = null;
  /** May be dropped now; from `#taken` on. */
  #due: AnswerId[] = [];
  #taken = 0;
  #kept = 0;
  #lastTickMs: number;
  #runningMs = 0;

  constructor(options: {
    /** Every other replica. */
    readonly peers: readonly ReplicaId[];
    readonly limits: AnswerExpiryLimits;
    readonly nowMs: number;
  }) {
    this.#peers = options.peers;
    this.#limits = options.limits;
    this.#lastTickMs = options.nowMs;
  }

  /** Answers that were recorded just now, or that a store held: these count as new. */
  add(ids: readonly AnswerId[]): void {
    if (ids.length === 0) return;
    let bucket = this.#buckets.at(-1);
    if (bucket === undefined || this.#runningMs - bucket.openedMs >= this.#limits.bucketMs) {
      bucket = { openedMs: this.#runningMs, ids: [] };
      this.#buckets.push(bucket);
    }
    for (const id of ids) bucket.ids.push(id);
    this.#kept += ids.length;
  }

  /** A peer has told the highest slots that it knows. */
  heard(peer: ReplicaId, highest: Deps): void {
    if (this.#settling === null) return;
    this.#settling.upTo = maximum(this.#settling.upTo, highest);
    this.#settling.awaited.delete(peer);
  }

  /**
   * To be called with every tick.
   * @param at.highest the highest slots known here @param at.executed up to where all is executed here
   */
  tick(at: { readonly nowMs: number; readonly highest: Deps; readonly executed: Deps }): void {
    this.#runningMs += Math.min(at.nowMs - this.#lastTickMs, this.#limits.longestStepMs);
    this.#lastTickMs = at.nowMs;
    this.#settling ??= this.#settle(at.highest);
    const settling = this.#settling;
    if (settling === null) return;
    const isPatient =
      this.#kept <= this.#limits.answers || this.#runningMs - settling.sinceMs < this.#limits.silentMs;
    if (isPatient && settling.awaited.size > 0) return;
    if (!settling.upTo.every((slot, row) => slot <= (at.executed[row] ?? 0))) return;
    for (const { ids } of this.#buckets.splice(0, settling.buckets)) this.#due = this.#due.concat(ids);
    this.#settling = null;
  }

  /** The next answers to drop, at most as many as one turn takes. They are not named again. */
  take(): readonly AnswerId[] {
    const ids = this.#due.slice(this.#taken, this.#taken + this.#limits.perTurn);
    this.#taken += ids.length;
    this.#kept -= ids.length;
    if (this.#taken === this.#due.length) {
      this.#due = [];
      this.#taken = 0;
    }
    return ids;
  }

  /** True if {@link take} has something to give. */
  get hasDue(): boolean {
    return this.#due.length > 0;
  }

  #settle(highest: Deps): Settling | null {
    const { retentionMs, bucketMs } = this.#limits;
    const isOld = ({ openedMs }: Bucket) => this.#runningMs - openedMs - bucketMs >= retentionMs;
    const firstYoung = this.#buckets.findIndex((bucket) => !isOld(bucket));
    const buckets = firstYoung === -1 ? this.#buckets.length : firstYoung;
    if (buckets === 0) return null;
    return { buckets, sinceMs: this.#runningMs, upTo: highest, awaited: new Set(this.#peers) };
  }
}

function maximum(left: Deps, right: Deps): Deps {
  return left.map((slot, row) => Math.max(slot, right[row] ?? 0));
}
