/**
 * Snapshots for peers that are too far behind (R9.3): the store as it was when the peer first asked, cut
 * into chunks. A peer whose stream broke goes on where it was, as long as the snapshot is still there.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { ReplicaId } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import type { SnapshotView, Storage } from '../storage/index.ts';
import type { SnapshotChunk, SnapshotRequest } from '../wire/index.ts';
import type { Clock } from './clock.ts';
import { cutIntoChunks } from './snapshot-chunks.ts';

export interface SnapshotLimits {
  /** Bytes of the entries in a chunk, > 0; an entry that is larger goes in pieces. A key is never cut. */
  readonly chunkBytes: number;
  /** Snapshots open at once: each keeps the store from dropping what was written over. */
  readonly open: number;
  /** A snapshot is closed when nobody has taken a chunk of it for so long; a stream that still stood there then ends. */
  readonly idleMs: number;
}

export const DEFAULT_SNAPSHOT_LIMITS: SnapshotLimits = {
  chunkBytes: 1024 * 1024,
  open: 2,
  idleMs: 60_000,
};

const CHECK_MS = 1_000;

interface OpenSnapshot {
  readonly id: string;
  readonly peer: ReplicaId;
  readonly view: SnapshotView;
  /** Streams that read it now. */
  readers: number;
  usedMs: number;
}

export interface SnapshotServerOptions {
  readonly storage: Pick<Storage, 'openSnapshot'>;
  readonly clock: Clock;
  readonly limits: SnapshotLimits;
  readonly logger: Logger;
}

export class SnapshotServer {
  readonly #options: SnapshotServerOptions;
  readonly #open = new Map<string, OpenSnapshot>();
  /** While any snapshot is open, it is looked at whether somebody still reads it. */
  #stopChecking: (() => void) | null = null;

  constructor(options: SnapshotServerOptions) {
    this.#options = options;
  }

  /**
   * The chunks of a snapshot, behind the one the peer has; of a new one if the peer's is not there.
   * @throws KvError overloaded if no more snapshots can be opened now, or too little of this one was taken; invalidArgument if the peer cannot have come to
   * where it says
   */
  async *serve(peer: ReplicaId, request: SnapshotRequest): AsyncIterable<SnapshotChunk> {
    const { clock, limits } = this.#options;
    const known = this.#open.get(request.id);
    const snapshot = known?.peer === peer ? known : this.#openFor(peer);
    const isResumed = snapshot === known;
    snapshot.readers += 1;
    try {
      const { id, view } = snapshot;
      const { pruned } = view;
      const entries = view.entries(isResumed && request.after.length > 0 ? request.after : null);
      const offset = isResumed ? request.offset : 0;
      for await (const chunk of cutIntoChunks(entries, { offset, chunkBytes: limits.chunkBytes })) {
        snapshot.usedMs = clock.nowMs();
        yield { id, pruned, ...chunk };
        if (this.#open.get(id) !== snapshot) {
          throw new KvError(
            'overloaded',
            `nothing of the snapshot was taken for ${limits.idleMs} ms: it is closed`,
          );
        }
      }
    } finally {
      snapshot.readers -= 1;
      snapshot.usedMs = clock.nowMs();
    }
  }

  /** Closes every snapshot. No stream may read any more. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((snapshot) => this.#drop(snapshot)));
  }

  #openFor(peer: ReplicaId): OpenSnapshot {
    const { storage, clock, limits, logger } = this.#options;
    const idle = [...this.#open.values()].filter(({ readers }) => readers === 0);
    idle.sort(
      (left, right) => Number(right.peer === peer) - Number(left.peer === peer) || left.usedMs - right.usedMs,
    );
    const [dispensable] = idle;
    if (dispensable !== undefined && (dispensable.peer === peer || this.#open.size >= limits.open)) {
      void this.#drop(dispensable);
    }
    if (this.#open.size >= limits.open) {
      throw new KvError('overloaded', `${this.#open.size} snapshots are being sent already; try again later`);
    }
    const view = storage.openSnapshot();
    const snapshot = { id: randomUUID(), peer, view, readers: 0, usedMs: clock.nowMs() };
    this.#open.set(snapshot.id, snapshot);
    this.#stopChecking ??= clock.every(CHECK_MS, () => this.#closeIdle());
    logger.info({ peer, snapshot: snapshot.id }, 'sending a snapshot to a peer');
    return snapshot;
  }

  #closeIdle(): void {
    const { clock, limits } = this.#options;
    for (const snapshot of this.#open.values()) {
      if (clock.nowMs() - snapshot.usedMs > limits.idleMs) void this.#drop(snapshot);
    }
  }

  async #drop(snapshot: OpenSnapshot): Promise<void> {
    this.#open.delete(snapshot.id);
    if (this.#open.size === 0) {
      this.#stopChecking?.();
      this.#stopChecking = null;
    }
    try {
      await snapshot.view.close();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'a snapshot could not be closed');
    }
  }
}
