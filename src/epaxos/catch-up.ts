/**
 * Catching up on commits that were missed (protocol.md section 9). Replicas tell each other how far they
 * have come; one that stays behind asks for what it lacks, range by range, and is answered with Commits.
 */
import { commitOf } from './commit.ts';
import { covers } from './deps.ts';
import { isCommitted, type Row } from './instance-space.ts';
import type { Fetch, Watermarks } from './messages.ts';
import { noteReport, ownWatermarks } from './pruning.ts';
import { fetchDelay } from './stalls.ts';
import type { ReplicaState } from './state.ts';
import { type ReplicaId, type Slot, sizeOf } from './types.ts';

/** A row of which a peer has told that it has more commits. */
export interface Lag {
  readonly source: ReplicaId;
  /** The slot up to which the source has everything committed. */
  readonly target: Slot;
  /** Since when this replica has been behind without getting on, or has last asked. */
  since: number;
  /** How far it was then. */
  committed: Slot;
  /** The last slot asked for; 0 if nothing was asked yet. */
  askedUpTo: Slot;
}

/** R9.1: tells the peers how far this replica has come; once a turn, whatever number of ticks the turn makes up for. */
export function broadcastWatermarks(state: ReplicaState): void {
  if (state.outbox.hasWatermarks) return;
  state.outbox.hasWatermarks = true;
  // Without other records to sync, what was executed must be brought to disk before it can be told.
  if (!covers(state.durablyExecuted, state.writtenExecuted)) state.outbox.sync = true;
  state.broadcast(ownWatermarks(state));
}

export function onWatermarks(state: ReplicaState, from: ReplicaId, message: Watermarks): void {
  noteReport(state, from, message);
  if (!covers(state.space.committed(), message.pruned)) state.outbox.snapshotFrom = from;
  state.space.rows.forEach((row, index) => {
    const target = message.committed[index] ?? 0;
    if (target > row.committed && !state.lags.has(index + 1)) {
      const { committed } = row;
      state.lags.set(index + 1, { source: from, target, since: state.now, committed, askedUpTo: 0 });
    }
  });
}

/** Asks for the next range of every row that has been behind for longer than messages usually take. */
export function advanceCatchUp(state: ReplicaState): void {
  for (const [replica, lag] of state.lags) {
    const row = state.space.row(replica);
    if (lag.askedUpTo === 0 && row.committed > lag.committed) {
      lag.since = state.now; // Commits are coming in by themselves
      lag.committed = row.committed;
    }
    const waited = state.now - lag.since;
    const isAsked = lag.askedUpTo > 0;
    const isAnswered = isAsked && row.committed >= lag.askedUpTo;
    if (row.committed >= lag.target || (isAsked && !isAnswered && waited > state.timing.retryTicks)) {
      state.lags.delete(replica); // caught up; or not answered: the next watermarks name another source
    } else if (isAnswered || (!isAsked && waited >= fetchDelay(state, lag.source))) {
      const from = row.committed + 1;
      const to = endOfGap(row, { from, to: Math.min(lag.target, row.committed + state.limits.fetchSlots) });
      state.send(lag.source, { type: 'fetch', ranges: [{ replica, from, to }] });
      state.outbox.events.push({ type: 'fetched', slots: to - from + 1 });
      lag.askedUpTo = to;
      lag.since = state.now;
    }
  }
}

/** Sends what is committed here of the slots asked for, within the limits of one answer. */
export function onFetch(state: ReplicaState, from: ReplicaId, message: Fetch): void {
  let slots = state.limits.fetchSlots;
  let bytes = state.limits.bytesPerInstance;
  for (const range of message.ranges) {
    const row = state.space.row(range.replica);
    if (range.from <= row.pruned) {
      state.send(from, ownWatermarks(state)); // only a snapshot can help
      return;
    }
    const last = Math.min(range.to, row.highest);
    for (let slot = range.from; slot <= last; slot += 1) {
      if (slots <= 0 || bytes <= 0) return;
      slots -= 1;
      const record = row.records.get(slot);
      if (record === undefined || !isCommitted(record)) continue;
      state.send(from, commitOf(record));
      bytes -= record.command === null ? 0 : sizeOf(record.command);
    }
  }
}

/** The last slot of the run of uncommitted slots that begins at `from`. */
function endOfGap(row: Row, range: { readonly from: Slot; readonly to: Slot }): Slot {
  let end = range.from;
  while (end < range.to) {
    const next = row.records.get(end + 1);
    if (next !== undefined && isCommitted(next)) break;
    end += 1;
  }
  return end;
}
