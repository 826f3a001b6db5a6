/** What can happen next, other than the delivery of a message: everything that the world's budgets still allow. */
import { instanceKey, type ReplicaId, replicaIds, Status } from '../../src/epaxos/index.ts';
import type { Input, Machine } from './machine.ts';
import type { Model } from './model.ts';

export type Move = Exclude<Input, { readonly type: 'deliver' }>;

/** An input, and the replica that takes it. */
export interface Step {
  readonly at: ReplicaId;
  readonly input: Input;
}

/** What one machine adds up to in the budgets of the world. Masks have a bit an instance. */
export interface Summary {
  readonly opened: number;
  /** Committed at this replica now. */
  readonly committed: number;
  /** Committed at this replica, now or before a crash, as a command. */
  readonly committedCommands: number;
  /** Two bits an instance. */
  readonly recoveries: number;
  readonly crashes: number;
  /** The instances with whose round patience can be lost, by bit. */
  readonly expiring: readonly number[];
  /** Whether PreAccepts wait for their answer. */
  readonly isAsked: boolean;
  /** How many batches a crash can lose. */
  readonly unsynced: number;
  /** The commands that it may still propose, by place in the world. */
  readonly proposable: readonly number[];
}

export function summarize({ model, id, history, replica, disk }: Machine): Summary {
  let committed = 0;
  let committedCommands = 0;
  model.instances.forEach((instance, bit) => {
    if (replica.state.space.get(instance).status >= Status.committed) committed |= 1 << bit;
    const value = history.committed.get(instanceKey(instance));
    if (value !== undefined && value.command !== null) committedCommands |= 1 << bit;
  });
  const expiring: number[] = [];
  for (const round of replica.state.rounds.values()) {
    const isOut = (tick: number | null) => tick !== null && tick > replica.state.now;
    const waits = round.type === 'preAccept' && (isOut(round.slowAt) || isOut(round.promptUntil));
    if (waits || ('widenAt' in round && isOut(round.widenAt))) expiring.push(model.bit(round.id));
  }
  const { opened, recoveries, crashes, proposals } = history;
  const proposable = model.world.commands.flatMap(({ at }, command) =>
    at === id && !proposals.has(command) ? [command] : [],
  );
  return {
    opened,
    committed,
    committedCommands,
    recoveries,
    crashes,
    expiring,
    isAsked: replica.state.unanswered.size > 0,
    unsynced: disk?.unsynced.length ?? 0,
    proposable,
  };
}

/** Calls `visit` with every move; the summaries are those of replica 1, 2, and so on. */
export function forEachMove(
  model: Model,
  summaries: readonly Summary[],
  visit: (at: ReplicaId, move: Move) => void,
): void {
  const { world, instances } = model;
  let opened = 0;
  let recoveries = 0;
  let crashes = 0;
  let before = 0;
  for (const summary of summaries) {
    opened |= summary.opened;
    recoveries += summary.recoveries;
    crashes += summary.crashes;
    before |= summary.committedCommands;
  }
  const canRecover = countRecoveries(recoveries) < world.recoveries.total;
  summaries.forEach((summary, place) => {
    const at = place + 1;
    const canCrash = crashes < world.crashes;
    for (const command of summary.proposable) {
      for (const follower of followers(model, at)) {
        visit(at, { type: 'propose', command, follower, before, dies: null });
        if (!canCrash || world.reservedSlots === undefined) continue;
        for (let kept = 0; kept <= summary.unsynced; kept += 1) {
          visit(at, { type: 'propose', command, follower, before, dies: { kept } });
        }
      }
    }
    if (world.timeouts) for (const bit of summary.expiring) visit(at, { type: 'expire', bit });
    if (summary.isAsked) visit(at, { type: 'answer' });
    if (canCrash) {
      for (let kept = 0; kept <= summary.unsynced; kept += 1) visit(at, { type: 'crash', kept });
    }
    if (!canRecover || world.recoveries.by?.includes(at) === false) return;
    for (let bit = 0; bit < instances.length; bit += 1) {
      const isOpen = (opened >> bit) & 1 && !((summary.committed >> bit) & 1);
      if (isOpen && ((recoveries >> (2 * bit)) & 3) < world.recoveries.perInstance)
        visit(at, { type: 'recover', bit });
    }
  });
}

/** One number for each move of a replica. */
export function moveCode(move: Move): number {
  switch (move.type) {
    case 'answer':
      return 0;
    case 'expire':
      return 4 * move.bit + 4;
    case 'recover':
      return 4 * move.bit + 1;
    case 'crash':
      return 4 * move.kept + 2;
    case 'propose':
      return 4 * (((move.before * 8 + (move.follower ?? 0)) * 16 + move.command) * 64 + deathCode(move)) + 3;
  }
}

/** 0 for none. A crash in this world never finds as many as 63 batches that are not synced. */
function deathCode({ dies }: Extract<Move, { readonly type: 'propose' }>): number {
  return dies === null ? 0 : dies.kept + 1;
}

function followers({ world }: Model, coordinator: ReplicaId): readonly (ReplicaId | null)[] {
  if (world.replicas !== 3 || world.followers === 'ring') return [null];
  return replicaIds(world.replicas).filter((id) => id !== coordinator);
}

function countRecoveries(packed: number): number {
  let count = 0;
  for (let rest = packed; rest > 0; rest >>= 2) count += rest & 3;
  return count;
}
