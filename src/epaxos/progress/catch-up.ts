/**
 * Catching up on commits that were missed (protocol.md section 9). Replicas tell each other how far they
 * have come; one that stays behind asks for what it lacks, range by range, and is answered with Commits.
 */
import { commitOf } from '../agreement/commit.ts';
import type { ReplicaState } from '../agreement/state.ts';
import { covers } from '../model/deps.ts';
import { isCommitted } from '../model/instance-space.ts';
import type { Fetch, Watermarks } from '../model/messages.ts';
import type { InstanceId, ReplicaId } from '../model/types.ts';
import { sendFetch } from './fetching.ts';
import { nearestOf, type Peer, usualTicks } from './peers.ts';
import type { Lag } from './progress.ts';
import { noteReport, ownWatermarks } from './pruning.ts';
import { fetchDelay } from './stalls.ts';

/** How many times as many slots as are asked for at once are looked at for what is missing. */
const LOOK_AHEAD = 4;

/** So often is a row asked for in vain before what is missing is settled without those who have it. */
const VAIN_ASKS = 3;

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
  state.space.rows.forEach(({ committed }, index) => {
    const target = message.committed[index] ?? 0;
    if (target <= committed || state.progress.lags.has(index + 1)) return;
    state.progress.lags.set(index + 1, {
      target,
      noticedAt: state.now,
      since: state.now,
      committed,
      asked: null,
      asks: 0,
    });
  });
}

/**
 * Whether somebody is known to have it committed, so that it is asked for with all before it. If nothing comes of that, as
 * whoever has it does not hear or does not answer, it is not.
 */
export function isBeingFetched(state: ReplicaState, { replica, slot }: InstanceId): boolean {
  const lag = state.progress.lags.get(replica);
  return lag !== undefined && slot <= lag.target && lag.asks < VAIN_ASKS;
}

/** Asks for what is missing of every row that has been behind for longer than messages usually take. */
export function advanceCatchUp(state: ReplicaState): void {
  for (const [replica, lag] of state.progress.lags) {
    noteProgress(state, replica, lag);
    const source = lag.committed < lag.target ? chooseSource(state, replica, lag) : null;
    if (source === null)
      state.progress.lags.delete(replica); // caught up, or nobody can send it any more
    else if (isDue(state, lag, source)) fetchNext(state, { replica, lag, source });
  }
}

function noteProgress(state: ReplicaState, replica: ReplicaId, lag: Lag): void {
  const { committed } = state.space.row(replica);
  if (committed > lag.committed) {
    lag.committed = committed;
    lag.since = state.now;
    lag.asks = 0;
  }
  if (committed < lag.target) return;
  // What was committed meanwhile comes by itself, or is another lag; unless it is much.
  for (const report of state.progress.reports.values()) {
    const told = report.committed[replica - 1] ?? 0;
    if (told - committed > state.limits.fetchSlots) lag.target = Math.max(lag.target, told);
  }
}

/**
 * The peer to ask: the last one, if its answer got this replica on; otherwise another of those who have the next slot, and
 * have not forgotten it, if there is one. Null: there is nobody.
 */
function chooseSource(state: ReplicaState, replica: ReplicaId, lag: Lag): Peer | null {
  const able = state.peers.filter(({ id }) => {
    const report = state.progress.reports.get(id);
    if (report === undefined) return false;
    const { committed, pruned } = report;
    return (committed[replica - 1] ?? 0) > lag.committed && (pruned[replica - 1] ?? 0) <= lag.committed;
  });
  const last = able.find(({ id }) => id === lag.asked?.source);
  if (last !== undefined && hasProgressed(lag)) return last;
  const others = able.filter((peer) => peer !== last);
  return nearestOf(state, others, 1)[0] ?? last ?? null;
}

/** Whether something of what was asked for has come. */
function hasProgressed({ asked, committed }: Lag): boolean {
  return asked !== null && committed >= asked.from;
}

/** Whether it is time to ask, for the first time or again. */
function isDue(state: ReplicaState, lag: Lag, source: Peer): boolean {
  const { now, timing } = state;
  const { asked, noticedAt, since, committed } = lag;
  const waited = now - since;
  if (asked === null) {
    // What comes in by itself puts it off, but not for ever: it may be one slot at a time.
    return waited >= fetchDelay(state, source.id) || now - noticedAt >= timing.maxFetchTicks;
  }
  if (committed >= asked.upTo) return true;
  const usual = usualTicks(state, [state.peer(asked.source)]);
  // The answer kept to its limits, or a message was lost: the rest is asked for once no more comes.
  if (hasProgressed(lag)) return waited >= Math.max(timing.fetchTicks, usual);
  return waited >= Math.max(timing.retryTicks, 2 * usual);
}

/** Asks for the next slots of the row that are not committed here, up to the lag's target. */
function fetchNext(
  state: ReplicaState,
  { replica, lag, source }: { readonly replica: ReplicaId; readonly lag: Lag; readonly source: Peer },
): void {
  const { fetchSlots } = state.limits;
  const { committed, records } = state.space.row(replica);
  const missing: InstanceId[] = [];
  // Where only a few are missing here and there, the look for them is bounded as well.
  const last = Math.min(lag.target, committed + LOOK_AHEAD * fetchSlots);
  for (let slot = committed + 1; slot <= last && missing.length < fetchSlots; slot += 1) {
    const record = records.get(slot);
    if (record === undefined || !isCommitted(record)) missing.push({ replica, slot });
  }
  sendFetch(state, source.id, missing);
  lag.asked = { source: source.id, from: committed + 1, upTo: missing.at(-1)?.slot ?? 0 };
  lag.since = state.now;
  lag.asks += 1;
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
      bytes -= record.command === null ? 0 : record.command.size;
    }
  }
}
