/**
 * What replicas send each other when one is too far behind (R9.1), and what there is of it on the disk of the
 * one that takes it. Written down from the rules, without a look into the store of the product.
 */
import type { InstanceRecord, Pruned, ReplicaId } from '../../src/epaxos/index.ts';
import type { AnswerPageId, StampedRow } from '../../src/kv/index.ts';

/** A page of answers as it was when it was written. */
export interface StoredPage extends AnswerPageId {
  readonly bytes: Uint8Array;
}

/** One piece of a snapshot. Records are of instances that the sender has executed. */
export type SnapshotEntry =
  | { readonly type: 'record'; readonly record: InstanceRecord }
  | { readonly type: 'answers'; readonly page: StoredPage }
  | { readonly type: 'row'; readonly key: string; readonly row: StampedRow };

/** A replica's state as it was at one moment. */
export interface Snapshot {
  /** No two snapshots have the same. */
  readonly id: string;
  readonly source: ReplicaId;
  readonly pruned: Pruned;
  /** Of the instances above `pruned` that are executed, the answers, the table; always in the same order. */
  readonly entries: readonly SnapshotEntry[];
  /** How many instances the sender had executed, in all: what the snapshot stands for. */
  readonly executions: number;
}

/** What the receiver has of a snapshot: the first entries, or all. */
export interface Staged extends Snapshot {
  readonly complete: boolean;
}

/** The entries of a snapshot behind those that the receiver has. */
export interface SnapshotChunk extends Snapshot {
  /** How many entries come before these. */
  readonly after: number;
  readonly done: boolean;
}

/** How many entries are asked for, of which snapshot, behind how many. */
export interface SnapshotRequest {
  /** Null for a new one. */
  readonly id: string | null;
  readonly after: number;
}

/**
 * Cuts the entries behind the first `after` off.
 * @param count how many at most
 */
export function chunkOf(
  snapshot: Snapshot,
  { after, count }: { readonly after: number; readonly count: number },
): SnapshotChunk {
  const entries = snapshot.entries.slice(after, after + count);
  return { ...snapshot, entries, after, done: after + entries.length === snapshot.entries.length };
}

/** What is there once a chunk was added to it. A chunk of another snapshot replaces it all. */
export function stage(staged: Staged | null, chunk: SnapshotChunk): Staged {
  const { id, source, pruned, executions, entries, done } = chunk;
  const before = staged?.id === id ? staged.entries : [];
  return { id, source, pruned, executions, entries: [...before, ...entries], complete: done };
}
