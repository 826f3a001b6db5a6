/** Many worlds, one after another or spread over child processes. */
import { fork } from 'node:child_process';
import { drawOptions, type WorldOptions } from './options.ts';
import type { Sabotage } from './sabotage.ts';
import type { Outcome } from './setting.ts';
import { addStatistics, noStatistics, type Statistics } from './statistics.ts';
import { simulate } from './world.ts';

/** A range of seeds, both ends included. */
export interface SeedRange {
  readonly from: number;
  readonly to: number;
}

/** What the worlds of a sweep have in common. */
export interface WorldKind {
  /** N: 3, 5 or 7. */
  readonly replicas: number;
  readonly sabotage: Sabotage | null;
  /** Bare cores, or whole replicas. */
  readonly world: 'core' | 'full';
}

export function optionsOf(
  seed: number,
  { replicas, sabotage }: Pick<WorldKind, 'replicas' | 'sabotage'>,
): WorldOptions {
  return { ...drawOptions(seed, replicas), sabotage };
}

export interface SweepResult {
  readonly seeds: number;
  readonly failures: readonly Outcome[];
  readonly statistics: Statistics;
}

/** Runs every seed of a range in this process, as worlds of bare cores. */
export function sweep(
  { from, to }: SeedRange,
  kind: Pick<WorldKind, 'replicas' | 'sabotage'>,
  onFailure: (failure: Outcome) => void = () => {},
): SweepResult {
  const statistics = noStatistics();
  const failures: Outcome[] = [];
  for (let seed = from; seed <= to; seed += 1) {
    const outcome = simulate(optionsOf(seed, kind));
    addStatistics(statistics, outcome.statistics);
    if (outcome.violation === null) continue;
    failures.push(outcome);
    onFailure(outcome);
  }
  return { seeds: to - from + 1, failures, statistics };
}

/** Loaded when they are wanted: they take far more of the product than bare cores do. */
export async function fullWorlds() {
  const [{ drawFullOptions }, { simulateFull }] = await Promise.all([
    import('./full/options.ts'),
    import('./full/world.ts'),
  ]);
  return { drawFullOptions, simulateFull };
}

/** The same as worlds of whole replicas. @param options.isFirst whether to stop at the first failure */
export async function sweepFull(
  { from, to }: SeedRange,
  { replicas }: Pick<WorldKind, 'replicas'>,
  options: { readonly isFirst?: boolean; readonly onFailure?: (failure: Outcome) => void } = {},
): Promise<SweepResult> {
  const { drawFullOptions, simulateFull } = await fullWorlds();
  const statistics = noStatistics();
  const failures: Outcome[] = [];
  let seeds = 0;
  for (let seed = from; seed <= to; seed += 1) {
    const outcome = await simulateFull(drawFullOptions(seed, replicas));
    addStatistics(statistics, outcome.statistics);
    seeds += 1;
    if (outcome.violation === null) continue;
    failures.push(outcome);
    options.onFailure?.(outcome);
    if (options.isFirst) break;
  }
  return { seeds, failures, statistics };
}

/** What a child process reports. */
export type WorkerReport =
  | { readonly type: 'failure'; readonly failure: Outcome }
  | { readonly type: 'result'; readonly result: SweepResult };

/**
 * Spreads a range over child processes that run `program`, each with a part of the seeds; rejects if one of them
 * ends without a result.
 */
export async function sweepInParallel(
  range: SeedRange,
  kind: WorldKind,
  parallel: {
    readonly workers: number;
    /** Takes `--worker` with the arguments of a sweep, and sends WorkerReports to its parent. */
    readonly program: string;
    readonly onFailure: (failure: Outcome) => void;
  },
): Promise<SweepResult> {
  const { workers, program, onFailure } = parallel;
  const share = Math.ceil((range.to - range.from + 1) / workers);
  const parts = Array.from({ length: workers }, (_, index) => ({
    from: range.from + index * share,
    to: Math.min(range.to, range.from + (index + 1) * share - 1),
  })).filter(({ from, to }) => from <= to);
  const results = await Promise.all(
    parts.map((part) => runWorker(program, workerArguments(part, kind), onFailure)),
  );
  const statistics = noStatistics();
  for (const result of results) addStatistics(statistics, result.statistics);
  return {
    seeds: results.reduce((sum, { seeds }) => sum + seeds, 0),
    failures: results.flatMap(({ failures }) => failures),
    statistics,
  };
}

function workerArguments({ from, to }: SeedRange, { replicas, sabotage, world }: WorldKind): string[] {
  const args = ['--worker', '--seeds', `${from}..${to}`, '--replicas', `${replicas}`, '--world', world];
  return sabotage === null ? args : [...args, '--sabotage', sabotage];
}

function runWorker(
  program: string,
  args: readonly string[],
  onFailure: (failure: Outcome) => void,
): Promise<SweepResult> {
  return new Promise((resolve, reject) => {
    const child = fork(program, args);
    let result: SweepResult | null = null;
    child.on('message', (report: WorkerReport) => {
      if (report.type === 'failure') onFailure(report.failure);
      else result = report.result;
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (result === null) reject(new Error(`a worker ended with code ${code} and without a result`));
      else resolve(result);
    });
  });
}
