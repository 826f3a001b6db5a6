/**
 * Doing something about what this replica lacks: first the peers are asked for it, then it is recovered
 * (R5.9, R7.2). Nothing is recovered that nobody waits for. A blocked instance waits, and so do a client,
 * another recovery, and the watermark of every row: what nobody else needs would keep its row from being pruned.
 */

import { startRecovery } from '../agreement/recovery.ts';
import type { ReplicaState } from '../agreement/state.ts';
import { isCommitted, type Row } from '../model/instance-space.ts';
import {
  type InstanceId,
  type InstanceKey,
  instanceKey,
  instanceOfKey,
  type ReplicaId,
} from '../model/types.ts';
import { isBeingFetched } from './catch-up.ts';
import { sendFetch } from './fetching.ts';
import { dropUnneeded, need, noteAsked } from './stalls.ts';

/** So many open slots of a row at most are suspected at the same time (R5.14). */
const SUSPECTED_SLOTS = 64;

/** Takes the next step for everything that is due. */
export function tickSuspicion(state: ReplicaState): void {
  const { recoveries } = state.limits;
  const { working, waiting } = countRecoveries(state);
  const missing: InstanceId[] = [];
  forgetAwaited(state);
  let free = recoveries - working;
  // What a recovery waits for comes first: all places could go to recoveries that come to wait as well, otherwise.
  for (const key of awaited(state)) if (takeStep(state, key, { missing, canRecover: free > 0 })) free -= 1;
  if (waiting >= recoveries) free = 0;
  for (const key of needed(state)) if (takeStep(state, key, { missing, canRecover: free > 0 })) free -= 1;
  dropUnneeded(state);
  ask(state, missing);
}

/** Takes the next step for one instance that is not committed here. True if that was to begin a recovery. */
function takeStep(
  state: ReplicaState,
  key: InstanceKey,
  options: {
    /** To be asked for: no more than one answer holds, the rest in the ticks that follow. */
    readonly missing: InstanceId[];
    readonly canRecover: boolean;
  },
): boolean {
  const step = need(state, key);
  if (step === null || state.rounds.has(key)) return false;
  const id = instanceOfKey(key);
  if (step === 'ask') {
    if (isBeingFetched(state, id) || options.missing.length >= state.limits.fetchSlots) return false;
    options.missing.push(id);
    noteAsked(state, id);
    return false;
  }
  if (options.canRecover) startRecovery(state, id);
  return options.canRecover;
}

/** Own recoveries under way: those that go on by themselves, and those that wait for other instances (R5.7). */
function countRecoveries(state: ReplicaState): { readonly working: number; readonly waiting: number } {
  let working = 0;
  let waiting = 0;
  for (const round of state.rounds.values()) {
    if (round.type === 'validate' && round.isWaiting) waiting += 1;
    else if (round.type !== 'preAccept' && round.ballot > 0) working += 1;
  }
  return { working, waiting };
}

/** Everything that an own recovery waits for and that is not committed here (R5.7). */
function* awaited(state: ReplicaState): Iterable<InstanceKey> {
  for (const { contradictions } of state.waitingRecoveries.values()) {
    for (const key of contradictions.keys()) if (!state.space.isSettled(instanceOfKey(key))) yield key;
  }
}

/** Everything else that somebody waits for and that is not committed here. */
function* needed(state: ReplicaState): Iterable<InstanceKey> {
  yield* state.executor.lacks();
  for (const [index, row] of state.space.rows.entries()) {
    if (index + 1 !== state.id) yield* openSlots(state, { replica: index + 1, row });
  }
  yield* state.progress.unsettled;
}

/** As long as anybody waits for a slot of a row, whatever it waits for in all is told by the row's `awaited` (R7.2). */
function forgetAwaited({ space, executor }: ReplicaState): void {
  for (const [index, row] of space.rows.entries()) {
    if (!executor.isLack(instanceKey({ replica: index + 1, slot: row.known + 1 }))) row.awaited = 0;
  }
}

/**
 * What holds up another row's watermark. If the row's coordinator cannot be reached, or does no work (R3.12), what it left
 * open is suspected side by side, and settled as there is place for recoveries.
 */
function* openSlots(
  state: ReplicaState,
  { replica, row }: { readonly replica: ReplicaId; readonly row: Row },
): Iterable<InstanceKey> {
  const count = state.isCountedOn(replica) ? 1 : SUSPECTED_SLOTS;
  const last = Math.min(Math.max(row.highest, row.awaited), row.committed + count);
  for (let slot = row.committed + 1; slot <= last; slot += 1) {
    const record = row.records.get(slot);
    if (record === undefined || !isCommitted(record)) yield instanceKey({ replica, slot });
  }
}

/** One Fetch a peer: the coordinator if it can be reached, and otherwise everybody. */
function ask(state: ReplicaState, missing: readonly InstanceId[]): void {
  for (const peer of state.peers) {
    const asked = missing.filter(
      ({ replica }) => replica === peer.id || replica === state.id || !state.isReachable(replica),
    );
    if (asked.length > 0) sendFetch(state, peer.id, asked);
  }
}
