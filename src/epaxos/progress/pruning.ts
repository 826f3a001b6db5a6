/**
 * Forgetting what has been executed, so that neither memory nor disk grows with the length of history
 * (R2.7, R9.2).
 *
 * What every replica has executed is forgotten at once: whatever commits later comes after it everywhere. But
 * replicas forget at different times, and at N ≥ 5 the fast path and R5.6 rest on what others know: a follower that
 * has forgotten x would agree to deps without x, and a recovery that asks somebody who has not would find them
 * contradicted by x. So there whatever is forgotten becomes a floor under every later contribution; and a
 * coordinator names all that it has executed, so that the others' floors rarely cost a fast path (pre-accept.ts).
 *
 * While a replica is silent for long, what all others have executed is forgotten too, with a floor under
 * every later contribution, so that the one that was away cannot commit anything without first learning
 * what it missed (by a snapshot). One thing must come first: an instance that is open now may have been proposed
 * by a coordinator that did not know x yet. As long as it is open, a recovery has to see that x
 * contradicts it (R5.6). So x is forgotten only when everything that any of the others had heard of, when it
 * told that it has executed x, is committed here.
 *
 * What only silent replicas have heard of, say y, is beyond that rule. Its initial deps, which lack x, could be
 * confirmed by a recovery (R5.5, R5.6) if |Q| − e members of its majority Q held them, and no other remembered x: y
 * would be executed before x where x is not known. The coordinator is not in Q, and who has executed x before it hears
 * of y does not agree to such deps. So it takes |Q| − e + 1 silent ones, and with so many nothing is forgotten.
 */

import type { ReplicaState } from '../agreement/state.ts';
import { covers, mergeDeps } from '../model/deps.ts';
import type { Watermarks } from '../model/messages.ts';
import type { Deps, ReplicaId } from '../model/types.ts';

/** What a peer last told of itself. */
export interface Report extends Watermarks {
  /** The tick at which it came. */
  readonly at: number;
}

/** To forget up to `upTo`, with a floor, once everything up to `settled` is committed here. */
export interface PrunePlan {
  readonly upTo: Deps;
  readonly settled: Deps;
}

/** This replica's own watermarks. Executed counts only what no crash can undo (R6.1). */
export function ownWatermarks(state: ReplicaState): Watermarks {
  return {
    type: 'watermarks',
    committed: state.space.committed(),
    executed: state.durablyExecuted,
    highest: state.space.highest(),
    pruned: state.space.pruned(),
  };
}

export function noteReport(state: ReplicaState, from: ReplicaId, message: Watermarks): void {
  state.reports.set(from, { ...message, at: state.now });
}

/** Forgets what may be forgotten, a bounded number of slots a turn, whatever number of ticks the turn makes up for. */
export function advancePruning(state: ReplicaState): void {
  const reports = [...state.reports.values()];
  if (reports.length === state.peers.length) forget(state, executedByAll(state, reports));
  const retained = state.space.rows.reduce((sum, row) => sum + row.executed - row.pruned, 0);
  if (state.prunePlan === null && retained > state.limits.retainedInstances) planWithoutSilent(state);
  const plan = state.prunePlan;
  if (plan === null || !covers(state.space.committed(), plan.settled)) return;
  forget(state, plan.upTo, { raiseFloor: true });
  if (covers(state.space.pruned(), plan.upTo)) state.prunePlan = null;
}

/** Leaves out who has not been heard for long, if they are few enough. */
function planWithoutSilent(state: ReplicaState): void {
  const { peers, reports, now, timing, quorums } = state;
  const heard = peers.filter(({ id }) => now - (reports.get(id)?.at ?? 0) < timing.silentTicks);
  if (peers.length - heard.length > quorums.majority - quorums.fastFaults) return;
  const recent = heard.flatMap(({ id }) => reports.get(id) ?? []);
  if (recent.length < heard.length) return; // who has told nothing since the start is not silent yet
  const upTo = executedByAll(state, recent);
  if (covers(state.space.pruned(), upTo)) return;
  const settled = recent.reduce((deps, report) => mergeDeps(deps, report.highest), state.space.highest());
  state.prunePlan = { upTo, settled };
}

function executedByAll(state: ReplicaState, reports: readonly Report[]): Deps {
  return reports.reduce<Deps>(
    (deps, report) => deps.map((slot, row) => Math.min(slot, report.executed[row] ?? 0)),
    state.durablyExecuted,
  );
}

function forget(
  state: ReplicaState,
  upTo: Deps,
  options: { readonly raiseFloor: boolean } = { raiseFloor: false },
): void {
  if (covers(state.space.pruned(), upTo)) return;
  const { outbox, limits } = state;
  let budget = limits.prunedPerTurn - outbox.prunedSlots;
  if (budget <= 0) return;
  state.space.rows.forEach((row, index) => {
    for (; row.pruned < (upTo[index] ?? 0) && budget > 0; budget -= 1) {
      const id = { replica: index + 1, slot: row.pruned + 1 };
      state.index.forget(id);
      state.space.prune(id);
    }
  });
  outbox.prunedSlots = limits.prunedPerTurn - budget;
  if (options.raiseFloor || state.quorums.replicas > 3) {
    state.index.floor = mergeDeps(state.index.floor, state.space.pruned());
  }
  outbox.pruned = { pruned: state.space.pruned(), floor: state.index.floor };
}
