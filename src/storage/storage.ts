/**
 * The storage port: what a replica keeps on disk. Three things live in one store, so that they can be
 * changed together: the instance space, the key-value table, and the replica's identity. One contract
 * suite (test/storage) holds for every adapter.
 */

import type { Command, InstanceId, InstanceRecord, Pruned, ReplicaId, Slot } from '../epaxos/index.ts';
import type { AnswerPage, StampedRow } from '../kv/index.ts';
import type { SnapshotChunk, SnapshotEntry, StoreMark } from '../wire/index.ts';
import type { ScrubbedSlice } from './scrub.ts';

/** The format of everything in a data directory; raised by any change that older code cannot read. */
export const FORMAT_VERSION = 6;

/** Whose data a store holds. Opening it as anybody else is refused (R6.5). */
export interface Identity {
  readonly cluster: string;
  readonly replica: number;
  /** N, the number of replicas of the cluster. */
  readonly replicas: number;
}

/** What executed instances leave behind, and what is no longer needed; all but `pruned` is one atomic batch (R7.4). */
export interface Effects {
  /** By key, the key's bytes as a binary string: its row from now on; null removes it. */
  readonly rows: ReadonlyMap<string, StampedRow | null>;
  /** Answers, kept so that a second copy of a request is not applied (R7.6). Each replaces the page of its name. */
  readonly pages: Iterable<AnswerPage>;
  /** The generation of request ids from now on (R7.12), which never goes back; null for no change. */
  readonly generation: number | null;
  readonly executed: readonly InstanceId[];
  /**
   * Removes the records and marks of every slot up to the vector (R9.2), which never goes back; null for none. It follows
   * in batches of its own, of a bounded size: a crash may leave some vector between the one before and this one, with
   * this floor.
   */
  readonly pruned: Pruned | null;
}

/** The store as it was at one moment, for a replica that is too far behind (R9.3). */
export interface SnapshotView {
  readonly pruned: Pruned;
  /**
   * The table, the generation with the answers that are kept in it, and the records of the executed instances above
   * `pruned`, in the order of their keys. @param after begin behind this key; null for the beginning
   */
  entries(after: Uint8Array | null): AsyncIterable<SnapshotEntry>;
  /** Lets go of it, once iterations have ended. To be closed before the store. Idempotent. */
  close(): Promise<void>;
}

/** The beginning of an entry that comes in pieces. */
export interface StagedPart {
  readonly key: Uint8Array;
  /** Bytes of its value that are here. */
  readonly bytes: number;
  /** Bytes of its value that are to come. */
  readonly rest: number;
}

/** How far the copy of another replica's snapshot has come. */
export interface Staged {
  readonly source: ReplicaId;
  /** The snapshot's id at its source. */
  readonly id: string;
  /** The key of the last entry that is here as a whole; no bytes for none. */
  readonly last: Uint8Array;
  /** The entry behind it, of which only the beginning is here; null for none. */
  readonly part: StagedPart | null;
  readonly entries: number;
  readonly bytes: number;
  /** True if all of it is here. */
  readonly complete: boolean;
}

/**
 * Where the snapshot of another replica is put together, apart from the store's own entries, until it is
 * complete and takes their place. It survives a crash at every step.
 */
export interface SnapshotStaging {
  /** What is there; null for nothing. */
  status(): Staged | null;
  /**
   * Adds the next chunk, in one atomic batch, not synced. A chunk of another snapshot, or from another source,
   * than what is there replaces it all.
   * @throws KvError invalidArgument if the chunk holds anything that does not belong there; it changed nothing
   */
  add(source: ReplicaId, chunk: SnapshotChunk): Promise<void>;
  /** Drops what is there. */
  clear(): Promise<void>;
  /**
   * Makes the complete snapshot the state of this store, and drops it. Afterwards the table, the generation and the
   * answers are the snapshot's, and an instance is executed if it was so in the snapshot, or was executed here as a no-op.
   * What this replica has said of instances that are not executed in the snapshot is untouched (R9.8). Nothing else may be
   * written
   * meanwhile. It is on disk when this resolves.
   * @returns false if the snapshot lacks instances, other than no-ops, that were executed here: then it is dropped
   * and nothing else has changed. The peers may have been told that they are, and rely on it (R2.7)
   */
  install(): Promise<boolean>;
}

export interface Storage {
  /** Drawn at random when the store was made, the same as long as it exists: peers remember it (R6.5). */
  readonly id: string;
  readonly staging: SnapshotStaging;
  /** What was pruned; null if nothing ever was. Synchronous. */
  pruned(): Pruned | null;
  /** The last own slot that was reserved (R6.4); 0 if none ever was. Synchronous. */
  reserved(): Slot;
  /**
   * Every record above what was pruned, by replica and then by slot; those marked executed have the status executed, and
   * have let go of their commands.
   * @throws KvError storageFailure if anything stored cannot be read back
   */
  records(): AsyncIterable<InstanceRecord>;
  /**
   * Writes records in one atomic batch, each replacing what was stored for its instance, and with them the last slot
   * that is reserved; null leaves that as it is. Resolves when it is written; with `sync` when it is on disk, and all
   * that was written before, also if there are no records.
   */
  writeRecords(
    records: readonly InstanceRecord[],
    options: { readonly sync: boolean; readonly reserved?: Slot | null },
  ): Promise<void>;
  /**
   * The command of an instance above what was pruned, as it is stored. Synchronous.
   * @throws KvError storageFailure if it is not there, or cannot be read back
   */
  command(id: InstanceId): Command;
  /** Writes all of it, see {@link Effects}; nothing is synced: execution can be repeated. */
  writeEffects(effects: Effects): Promise<void>;
  /** The row of a key, or undefined; sees every effect whose write has resolved. Synchronous. */
  row(key: string): StampedRow | undefined;
  /** The present generation of request ids (R7.12), ≥ 1. Synchronous. */
  generation(): number;
  /** Every page of answers that is kept in the present generation, in no particular order. */
  answerPages(): AsyncIterable<AnswerPage>;
  /**
   * Removes pages of answers of generations that are not kept any more, in one batch, not synced. Without it they take
   * room and do nothing.
   * @param limit so many at most, ≥ 1
   * @returns whether there may be more
   */
  removeOldAnswers(limit: number): Promise<boolean>;
  /** The id of the store that a peer had at first contact; undefined if there was none yet. Synchronous. */
  peerStore(peer: ReplicaId): string | undefined;
  /** Remembers it; it is on disk when this resolves. */
  rememberPeerStore(peer: ReplicaId, store: string): Promise<void>;
  /** How far the store of a peer, which is remembered, had come when that was last remembered; null: never. Synchronous. */
  peerMark(peer: ReplicaId): StoreMark | null;
  /** Remembers it beside the id of that store, not synced. */
  rememberPeerMark(peer: ReplicaId, store: string, mark: StoreMark): Promise<void>;
  /** How far this store has come on disk; null for a new one. Synchronous. */
  mark(): StoreMark | null;
  /** Whether this store holds all it had on disk at this mark of it, which a peer heard: if not, it has gone back. Synchronous. */
  holds(mark: StoreMark): boolean;
  /**
   * Looks for damage in all that is stored (R6.14), a slice of a bounded size at each step. Nothing is held open between two
   * steps. The iteration throws KvError storageFailure for what is damaged: then nothing stored can be relied on.
   */
  scrub(): AsyncIterable<ScrubbedSlice>;
  /** The store as it is now. @throws KvError overloaded while a snapshot is put in place: half of it would be told */
  openSnapshot(): SnapshotView;
  /** Waits for writes under way, then lets go of the store. Idempotent. */
  close(): Promise<void>;
}
