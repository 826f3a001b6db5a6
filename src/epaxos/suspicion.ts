/**
 * Doing something about what this replica lacks: first the peers are asked for it, then it is recovered
 * (R5.9, R7.2). Nothing is recovered that nobody waits for.
 */
import type { SlotRange } from './messages.ts';
import { startRecovery } from './recovery.ts';
import { recoveryDelay, stallOf } from './stalls.ts';
import type { ReplicaState } from './state.ts';
import { type Ballot, type InstanceId, type InstanceKey, instanceOfKey } from './types.ts';

/** Takes the next step for everything that is due. */
export function tickSuspicion(state: ReplicaState): void {
  const missing: InstanceId[] = [];
  let recoveries = 0;
  for (const round of state.rounds.values()) if (isRecovery(round)) recoveries += 1;
  for (const key of needed(state)) {
    const stall = stallOf(state, key);
    stall.neededAt = state.now;
    if (stall.dueAt > state.now || state.rounds.has(key)) continue;
    const id = instanceOfKey(key);
    if (!stall.asked) {
      missing.push(id);
      stall.asked = true;
      stall.dueAt = state.now + recoveryDelay(state, id, stall);
    } else if (recoveries < state.limits.recoveries) {
      recoveries += 1;
      startRecovery(state, id);
    }
  }
  for (const [key, stall] of state.stalls) if (stall.neededAt < state.now) state.stalls.delete(key);
  ask(state, missing);
}

/** Everything that somebody waits for and that is not committed here. */
function* needed(state: ReplicaState): Iterable<InstanceKey> {
  yield* state.executor.lacks();
  for (const key of state.unsettled) {
    if (state.space.isSettled(instanceOfKey(key))) state.unsettled.delete(key);
    else yield key;
  }
  for (const key of state.waiting) {
    const round = state.rounds.get(key);
    if (round?.type !== 'validate') continue;
    for (const other of round.contradictions.keys()) {
      if (!state.space.isSettled(instanceOfKey(other))) yield other;
    }
  }
}

/** One Fetch a peer: the coordinator if it can be reached, and otherwise everybody. */
function ask(state: ReplicaState, missing: readonly InstanceId[]): void {
  if (missing.length === 0) return;
  for (const peer of state.peers) {
    const ranges: SlotRange[] = missing
      .filter(({ replica }) => replica === peer.id || replica === state.id || !state.isReachable(replica))
      .slice(0, state.limits.fetchSlots)
      .map(({ replica, slot }) => ({ replica, from: slot, to: slot }));
    if (ranges.length > 0) state.send(peer.id, { type: 'fetch', ranges });
  }
  state.outbox.events.push({ type: 'fetched', slots: missing.length });
}

function isRecovery(round: { readonly type: string; readonly ballot?: Ballot }): boolean {
  return round.type === 'prepare' || round.type === 'validate' || (round.ballot ?? 0) > 0;
}
