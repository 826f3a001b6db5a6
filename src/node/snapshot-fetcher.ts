/**
 * Copies the snapshot of a peer that has forgotten what this replica still needs (R9.3), in the background,
 * one at a time. What has arrived is staged in the store, so that neither a broken stream nor a restart
 * begins from the beginning. Putting it in place is for the loop, between two turns.
 */

import type { Logger } from 'pino';
import type { ReplicaId } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import type { SnapshotStaging } from '../storage/index.ts';
import type { Transport } from '../transport/index.ts';
import type { Clock } from './clock.ts';
import { DEFAULT_SNAPSHOT_LIMITS } from './snapshot-server.ts';

/** How far the copy has come. */
export interface SnapshotProgress {
  readonly source: ReplicaId;
  readonly entries: number;
  readonly bytes: number;
}

export interface SnapshotFetcherOptions {
  readonly staging: SnapshotStaging;
  readonly transport: Pick<Transport, 'fetchSnapshot'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A complete snapshot is staged. */
  readonly onComplete: () => void;
  /** The store has failed. */
  readonly onFailure: (error: unknown) => void;
}

const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 10_000;
const LOG_PERIOD_MS = 1_000;
/** A source that gave nothing so often is left for another one, and what came from it is dropped. */
const ATTEMPTS = 3;
/** When nobody has offered a snapshot for so long, the source of the last one does not keep it any more either. */
export const UNWANTED_MS = DEFAULT_SNAPSHOT_LIMITS.idleMs;

export class SnapshotFetcher {
  readonly #options: SnapshotFetcherOptions;
  #state: 'idle' | 'fetching' | 'complete' | 'dropping' | 'stopped' = 'idle';
  #progress: SnapshotProgress | null = null;
  /** Attempts since the last one that brought something. */
  #failures = 0;
  #notBeforeMs = 0;
  /** How far the last copy has come at the most, however often its source began anew. */
  #reached = { source: 0, bytes: -1 };
  /** Who gave nothing of use when asked last, since a snapshot was put in place: the latest comes last. */
  readonly #failed = new Set<ReplicaId>();
  /** Who could give one, as they said since the last attempt. */
  readonly #offers = new Set<ReplicaId>();
  #loggedMs = 0;
  /** When one was needed last. */
  #wantedMs: number;

  constructor(options: SnapshotFetcherOptions) {
    this.#options = options;
    this.#wantedMs = options.clock.nowMs();
  }

  /** What is being copied or put in place; null for nothing. */
  get progress(): SnapshotProgress | null {
    return this.#progress;
  }

  /** True from when a complete snapshot is staged until {@link finished}. */
  get isComplete(): boolean {
    return this.#state === 'complete';
  }

  /**
   * The core needs a snapshot, and this peer can give one. Ignored while one is on its way; while it is too early to try
   * again, it is noted, so that then somebody else is asked than in vain before.
   */
  wanted(source: ReplicaId): void {
    const nowMs = this.#options.clock.nowMs();
    this.#wantedMs = nowMs;
    if (this.#state !== 'idle') return;
    this.#offers.add(source);
    if (nowMs < this.#notBeforeMs) return;
    const untried = [...this.#offers].find((each) => !this.#failed.has(each));
    const again = [...this.#failed].find((each) => this.#offers.has(each));
    this.#offers.clear();
    this.#state = 'fetching';
    void this.#fetch(untried ?? again ?? source);
  }

  /**
   * Time has passed: what was staged is dropped when no snapshot has been needed for {@link UNWANTED_MS}, as then the
   * rest has come otherwise. While it lies there, every no-op that is pruned is remembered for it.
   */
  tick(): void {
    const { staging, clock, logger, onFailure } = this.#options;
    if (this.#state !== 'idle' || clock.nowMs() - this.#wantedMs < UNWANTED_MS) return;
    this.#wantedMs = clock.nowMs(); // not to look into the store with every tick
    const staged = staging.status();
    if (staged === null) return;
    const { source, entries, bytes } = staged;
    logger.info(
      { source, entries, bytes },
      'the snapshot of a peer is not needed any more: dropping what was copied',
    );
    this.#state = 'dropping';
    staging.clear().then(() => {
      if (this.#state === 'dropping') this.#state = 'idle';
    }, onFailure);
  }

  /** What was staged has been put in place, or could not be: then another one is tried after a while. */
  finished(result: { readonly installed: boolean }): void {
    if (this.#state !== 'complete') return;
    const source = this.#progress?.source ?? null;
    this.#state = 'idle';
    this.#progress = null;
    if (!result.installed) {
      this.#backOff(source);
      return;
    }
    this.#failures = 0;
    this.#failed.clear();
  }

  /** Nothing that still arrives is taken any more. What is staged stays. The stream is the transport's to end. */
  stop(): void {
    this.#state = 'stopped';
  }

  async #fetch(named: ReplicaId): Promise<void> {
    const { staging, logger } = this.#options;
    const staged = staging.status();
    const source = staged !== null && this.#failures < ATTEMPTS ? staged.source : named;
    try {
      if (staged?.complete !== true) await this.#copy(source);
      if (this.#state !== 'fetching') return;
      const { entries = 0, bytes = 0 } = staging.status() ?? {};
      this.#progress = { source, entries, bytes };
      logger.info({ ...this.#progress }, 'the snapshot of a peer is here');
      this.#state = 'complete';
      this.#options.onComplete();
    } catch (error) {
      if (this.#state !== 'fetching') return;
      this.#state = 'idle';
      this.#progress = null;
      if (!(error instanceof CopyFailure)) {
        this.#options.onFailure(error);
        return;
      }
      this.#backOff(source);
      logger.warn({ reason: error.message }, 'cannot get the snapshot of a peer; trying again');
    }
  }

  async #copy(source: ReplicaId): Promise<void> {
    const { staging, transport, logger } = this.#options;
    const staged = staging.status();
    const isResumed = staged?.source === source;
    const request = isResumed
      ? { id: staged.id, after: staged.last, offset: staged.part?.bytes ?? 0 }
      : { id: '', after: new Uint8Array(0), offset: 0 };
    const { entries = 0, bytes = 0 } = (isResumed ? staged : null) ?? {};
    this.#progress = { source, entries, bytes };
    logger.info({ ...this.#progress }, 'too far behind: copying the snapshot of a peer');
    const chunks = transport.fetchSnapshot(source, request)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await chunks.next().catch((error: unknown) => {
          throw new CopyFailure(error);
        });
        if (this.#state !== 'fetching') return;
        if (next.done) break;
        await staging.add(source, next.value).catch(async (error: unknown) => {
          if (!(error instanceof KvError) || error.code !== 'invalidArgument') throw error;
          await staging.clear(); // to go on behind it would meet it again
          throw new CopyFailure(error);
        });
        this.#noteReached(source);
        this.#note(source);
      }
    } finally {
      await chunks.return?.();
    }
    if (staging.status()?.complete !== true) throw new CopyFailure('the peer ended the snapshot too early');
  }

  /** A source that loses its snapshot each time, and gives the beginning of another one, does not get this replica on. */
  #noteReached(source: ReplicaId): void {
    const { bytes = 0, part } = this.#options.staging.status() ?? {};
    const reached = bytes + (part?.bytes ?? 0);
    if (source === this.#reached.source && reached <= this.#reached.bytes) return;
    this.#reached = { source, bytes: reached };
    this.#failures = 0;
  }

  #note(source: ReplicaId): void {
    const { staging, clock, logger } = this.#options;
    const { entries = 0, bytes = 0 } = staging.status() ?? {};
    this.#progress = { source, entries, bytes };
    if (clock.nowMs() - this.#loggedMs < LOG_PERIOD_MS) return;
    this.#loggedMs = clock.nowMs();
    logger.info({ ...this.#progress }, 'copying the snapshot of a peer');
  }

  #backOff(failed: ReplicaId | null): void {
    if (failed !== null) {
      this.#failed.delete(failed);
      this.#failed.add(failed);
    }
    const waitMs = Math.min(FIRST_BACKOFF_MS * 2 ** this.#failures, MAX_BACKOFF_MS);
    this.#failures += 1;
    this.#wantedMs = this.#options.clock.nowMs();
    this.#notBeforeMs = this.#wantedMs + waitMs;
  }
}

/** What went wrong lies with the peer or on the way, and may go better next time. */
class CopyFailure extends Error {
  constructor(reason: unknown) {
    super(reason instanceof Error ? reason.message : String(reason), { cause: reason });
  }
}
