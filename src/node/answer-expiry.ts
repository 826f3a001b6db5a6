/**
 * Which recorded answers are no longer needed (R7.6). An answer may be dropped here once every copy of its
 * request that will ever be proposed has been executed here: whoever else has dropped it or not, none can
 * be met again.
 *
 * Pages of answers are put into buckets by the time when they were last added to. No copy is proposed later than the longest
 * time a request may wait; when a bucket is older than that twice over, every replica is waited for until
 * it tells the highest slots that it knows (its watermarks): any copy is in one of these. Once all of them
 * are executed here, the bucket is dropped.
 *
 * Time is the time that this process was running: while it stood still it heard nothing of the copies.
 */
import type { Deps, ReplicaId } from '../epaxos/index.ts';
import type { AnswerPage } from '../kv/index.ts';
import { TIMEOUTS } from './timeouts.ts';

export interface AnswerExpiryLimits {
  /** How old an answer is at the least when it is dropped; see {@link DEFAULT_ANSWER_EXPIRY}. */
  readonly retentionMs: number;
  /** Pages of so long a time share a bucket. */
  readonly bucketMs: number;
  /** A step from one tick to the next counts as no longer than this: what is more, the process stood still. */
  readonly longestStepMs: number;
  /** With more answers than these, replicas that have been silent are not waited for. */
  readonly answers: number;
  /** A replica that has told nothing for so long is silent. */
  readonly silentMs: number;
  /** Pages dropped in one turn. */
  readonly perTurn: number;
}

export const DEFAULT_ANSWER_EXPIRY: AnswerExpiryLimits = {
  // A copy is proposed at most `maxMs` after the request first came; as much again for word of it to arrive.
  retentionMs: 2 * TIMEOUTS.maxMs + 30_000,
  bucketMs: 5_000,
  longestStepMs: 2_000,
  answers: 20_000_000,
  silentMs: 30_000,
  perTurn: 1_024,
};

/** Pages that were last added to in the same few seconds. */
interface Bucket {
  readonly openedMs: number;
  readonly pages: Set<AnswerPage>;
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
  readonly #bucketOf = new Map<AnswerPage, Bucket>();
  #settling: Settling | null = null;
  /** May be dropped now. */
  readonly #due = new Set<AnswerPage>();
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

  /** Answers were added to a page just now; or a store held it: it counts as new. */
  touched(page: AnswerPage): void {
    let newest = this.#buckets.at(-1);
    if (newest === undefined || this.#runningMs - newest.openedMs >= this.#limits.bucketMs) {
      newest = { openedMs: this.#runningMs, pages: new Set() };
      this.#buckets.push(newest);
    }
    const bucket = this.#bucketOf.get(page);
    if (bucket === newest) return;
    bucket?.pages.delete(page);
    this.#due.delete(page);
    newest.pages.add(page);
    this.#bucketOf.set(page, newest);
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
   * @param at.answers how many are kept
   */
  tick(at: {
    readonly nowMs: number;
    readonly highest: Deps;
    readonly executed: Deps;
    readonly answers: number;
  }): void {
    this.#runningMs += Math.min(at.nowMs - this.#lastTickMs, this.#limits.longestStepMs);
    this.#lastTickMs = at.nowMs;
    this.#settling ??= this.#settle(at.highest);
    const settling = this.#settling;
    if (settling === null) return;
    const isPatient =
      at.answers <= this.#limits.answers || this.#runningMs - settling.sinceMs < this.#limits.silentMs;
    if (isPatient && settling.awaited.size > 0) return;
    if (!settling.upTo.every((slot, row) => slot <= (at.executed[row] ?? 0))) return;
    for (const { pages } of this.#buckets.splice(0, settling.buckets)) {
      for (const page of pages) {
        this.#bucketOf.delete(page);
        this.#due.add(page);
      }
    }
    this.#settling = null;
  }

  /** The next pages to drop, at most as many as one turn takes. They are not named again. */
  take(): readonly AnswerPage[] {
    const taken: AnswerPage[] = [];
    for (const page of this.#due) {
      if (taken.length >= this.#limits.perTurn) break;
      taken.push(page);
      this.#due.delete(page);
    }
    return taken;
  }

  /** True if {@link take} has something to give. */
  get hasDue(): boolean {
    return this.#due.size > 0;
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
