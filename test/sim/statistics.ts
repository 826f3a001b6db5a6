/** What is counted over one world, or over many. */
import type { Pruned, Replica } from '../../src/epaxos/index.ts';

export interface Statistics {
  /** Virtual time in milliseconds. */
  virtualMs: number;
  /** Operations that clients began, and how they ended. */
  operations: number;
  answered: number;
  /** Those of the answered that were multi-gets. */
  multiGets: number;
  /** Those that touched everything. */
  wide: number;
  unknown: number;
  notApplied: number;
  /** Copies of requests that came too late. */
  tooOld: number;
  retries: number;
  /** Generations that ended. */
  generations: number;
  /** Instances, by the road on which they were first committed. */
  commitsFast: number;
  /** Those of the fast ones that were seen before they were on disk (R4.5). */
  commitsUnsynced: number;
  commitsSlow: number;
  commitsRecovery: number;
  /** Commits that a replica was told by another. */
  commitsLearned: number;
  noOps: number;
  recoveries: number;
  reproposed: number;
  executions: number;
  /** Instances executed again, because a crash took their effects. */
  repeatedExecutions: number;
  prunings: number;
  /** Prunings that went beyond what every replica was known to have executed. */
  prunedPlans: number;
  /** Snapshots that were opened for a peer, put in place of a state, and found not to fit. */
  snapshotsOffered: number;
  snapshotsInstalled: number;
  snapshotsRefused: number;
  crashes: number;
  batchesLost: number;
  diskErrors: number;
  pauses: number;
  /** Ticks that replicas at rest took in later, several at once. */
  ticksSlept: number;
  partitions: number;
  messages: number;
  messagesLost: number;
  messagesDuplicated: number;
  /** Keys whose history was too hard to judge. */
  undecidedKeys: number;
}

export function noStatistics(): Statistics {
  return {
    virtualMs: 0,
    operations: 0,
    answered: 0,
    multiGets: 0,
    wide: 0,
    unknown: 0,
    notApplied: 0,
    tooOld: 0,
    retries: 0,
    generations: 0,
    commitsFast: 0,
    commitsUnsynced: 0,
    commitsSlow: 0,
    commitsRecovery: 0,
    commitsLearned: 0,
    noOps: 0,
    recoveries: 0,
    reproposed: 0,
    executions: 0,
    repeatedExecutions: 0,
    prunings: 0,
    prunedPlans: 0,
    snapshotsOffered: 0,
    snapshotsInstalled: 0,
    snapshotsRefused: 0,
    crashes: 0,
    batchesLost: 0,
    diskErrors: 0,
    pauses: 0,
    ticksSlept: 0,
    partitions: 0,
    messages: 0,
    messagesLost: 0,
    messagesDuplicated: 0,
    undecidedKeys: 0,
  };
}

/** Adds every count of `more` to `sum`. */
export function addStatistics(sum: Statistics, more: Statistics): void {
  for (const name of Object.keys(sum) as (keyof Statistics)[]) sum[name] += more[name];
}

/** A replica forgets. */
export function countPruning(statistics: Statistics, core: Replica, { pruned }: Pruned): void {
  const { peers, progress } = core.state;
  const { reports } = progress;
  const isByAll =
    reports.size === peers.length &&
    [...reports.values()].every(({ executed }) => pruned.every((slot, row) => slot <= (executed[row] ?? 0)));
  statistics.prunings += 1;
  if (!isByAll) statistics.prunedPlans += 1;
}
