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
 * While a replica is silent for long, or heard but far behind and not getting on, it is left out: what all others
 * have executed is forgotten too, with a floor under every later contribution, so that the one that was left out
 * cannot commit anything without first learning what it missed (by a snapshot). One thing must come first: an
 * instance that is open now may have been proposed by a coordinator that did not know x yet. As long as it is open, a
 * recovery has to see that x contradicts it (R5.6). So x is forgotten only when everything that any of the others had
 * heard of, when it told that it has executed x, is committed here.
 *
 * What only those left out have heard of, say y, is beyond that rule. Its initial deps, which lack x, could be
 * confirmed by a recovery (R5.5, R5.6) if |Q| − e members of its majority Q held them, and no other remembered x: y
 * would be executed before x where x is not known. The coordinator is not in Q, and who has executed x before it hears
 * of y does not agree to such deps. So it takes |Q| − e + 1 of them, and with so many nothing is forgotten.
 */

import { reachesNear } from '../agreement/plausible.ts';
import type { ReplicaState } from '../agreement/state.ts';
import { covers, meetDeps, mergeDeps } from '../model/deps.ts';
import type { Watermarks } from '../model/messages.ts';
import type { Deps, ReplicaId } from '../model/types.ts';
import type { Backlog, Report } from './progress.ts';

/** Who is behind has got on when so much of its backlog is left. */
const LEFT_SHARE = 7 / 8;

/** So many times as long as one that is silent may one that is behind be waited for, at the most. */
const MAX_PATIENCE = 4;

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
  const backlog = backlogOf(state, state.progress.reports.get(from)?.backlog ?? null, message);
  state.progress.reports.set(from, { ...message, at: state.now, backlog });
}

/**
 * R9.13: who is behind by more than may be kept for anybody has time to get on, as much as one that is silent. If it does
 * not, the next plan is made without it; then it has twice as much time to come back, by a snapshot, and so on.
 */
function backlogOf(state: ReplicaState, before: Backlog | null, { executed }: Watermarks): Backlog | null {
  const { durablyExecuted, timing, now } = state;
  let most = 0;
  durablyExecuted.forEach((slot, rowIndex) => {
    most += Math.max(0, slot - (executed[rowIndex] ?? 0));
  });
  if (most <= keepable(state)) return null;
  const patienceTicks = before?.patienceTicks ?? timing.silentTicks;
  if (before === null || most < LEFT_SHARE * before.most) {
    return { most, since: now, patienceTicks, isLeftOut: false };
  }
  if (now - before.since < patienceTicks) return { ...before, most: Math.max(most, before.most) };
  const longest = MAX_PATIENCE * timing.silentTicks;
  return { most, since: now, patienceTicks: Math.min(2 * patienceTicks, longest), isLeftOut: true };
}

/** Forgets what may be forgotten, a bounded number of slots a turn, whatever number of ticks the turn makes up for. */
export function advancePruning(state: ReplicaState): void {
  const reports = [...state.progress.reports.values()];
  if (reports.length === state.peers.length) forget(state, executedByAll(state, reports));
  const counted = countedPeers(state);
  // Who has fallen silent may be the only one that knows, or could settle, what the plan waits for.
  if (!state.progress.prunePlan?.counted.every((id) => counted.includes(id))) state.progress.prunePlan = null;
  if (state.progress.prunePlan === null && retained(state) > keepable(state)) planWith(state, counted);
  const plan = state.progress.prunePlan;
  if (plan === null || !covers(state.space.committed(), plan.settled)) return;
  forget(state, plan.upTo, { raiseFloor: true });
  if (covers(state.space.pruned(), plan.upTo)) state.progress.prunePlan = null;
}

/** How many executed instances are kept. */
function retained({ space }: ReplicaState): number {
  return space.rows.reduce((sum, row) => sum + row.executed - row.pruned, 0);
}

/** How many may be kept for those who are silent or behind: so many, or fewer, as large as they are at present. */
function keepable(state: ReplicaState): number {
  const { retainedInstances, retainedBytes } = state.limits;
  if (state.retainedBytes === 0) return retainedInstances;
  const averageBytes = state.retainedBytes / Math.max(1, retained(state));
  return Math.min(retainedInstances, Math.floor(retainedBytes / averageBytes));
}

/**
 * Everybody but those who were not heard for long, or are left out for once, as they do not get on (R9.2, R9.13), or have heard of
 * what nobody else believes (R3.13).
 */
function countedPeers(state: ReplicaState): readonly ReplicaId[] {
  const { peers, progress, now, timing } = state;
  return peers
    .map(({ id }) => id)
    .filter((id) => {
      const report = progress.reports.get(id);
      const isCounted = now - (report?.at ?? 0) < timing.silentTicks && !report?.backlog?.isLeftOut;
      return isCounted && (report === undefined || reachesNear(state, report.highest));
    });
}

/** Leaves out who is not counted, if they are few enough. */
function planWith(state: ReplicaState, counted: readonly ReplicaId[]): void {
  const { peers, quorums } = state;
  if (peers.length - counted.length > quorums.majority - quorums.fastFaults) return;
  const reports = counted.flatMap((id) => state.progress.reports.get(id) ?? []);
  if (reports.length < counted.length) return; // who has told nothing since the start is not silent yet
  const upTo = executedByAll(state, reports);
  if (covers(state.space.pruned(), upTo)) return;
  const settled = reports.reduce((deps, report) => mergeDeps(deps, report.highest), state.space.highest());
  state.progress.prunePlan = { counted, upTo, settled };
  // What is executed from now on is kept for them again, for a while: a snapshot that is copied is of no use without it.
  for (const [id, report] of state.progress.reports) {
    if (report.backlog?.isLeftOut)
      state.progress.reports.set(id, { ...report, backlog: { ...report.backlog, isLeftOut: false } });
  }
}

function executedByAll(state: ReplicaState, reports: readonly Report[]): Deps {
  return reports.reduce((deps, { executed }) => meetDeps(deps, executed), state.durablyExecuted);
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
      state.forget({ replica: index + 1, slot: row.pruned + 1 });
    }
  });
  outbox.prunedSlots = limits.prunedPerTurn - budget;
  if (options.raiseFloor || state.quorums.replicas > 3) {
    state.index.floor = mergeDeps(state.index.floor, state.space.pruned());
  }
  outbox.pruned = { pruned: state.space.pruned(), floor: state.index.floor };
}
