/**
 * The simulator's command line:
 *
 *   npm run sim -- --seed 17 [--replicas 5] [--verbose]           one world, and its trace hash
 *   npm run sim -- --seeds 1..1000 [--replicas 5] [--workers 2]   many
 *
 * `--world core` (the default) runs bare cores in a loop of the simulator's own, `--world full` whole replicas of production
 * code. `--mutant NAME` puts a fault into the product's code first (mutants.ts), in a copy of it. `--first` stops at the
 * first violation. `--replicas` is 3, 5 or 7 (default 3). `--sabotage NAME` breaks the world on purpose (sabotage.ts). The exit code
 * is 1 if anything was violated, 2 for a wrong command line, 141 if the output was closed before its end.
 */
import { fileURLToPath } from 'node:url';
import { runBundled } from './bundle.ts';
import { type Command, parseCommand, USAGE, UsageError } from './command-line.ts';

import type { Mutant } from './mutants.ts';
import type { Outcome } from './setting.ts';
import type { Statistics } from './statistics.ts';
import {
  fullWorlds,
  optionsOf,
  type SweepResult,
  sweep,
  sweepFull,
  sweepInParallel,
  type WorkerReport,
} from './sweep.ts';
import { simulate } from './world.ts';

/** 128 and the number of SIGPIPE. */
const CLOSED_PIPE = 141;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function describeFailure({ seed, replicas, violation }: Outcome): string {
  return `seed ${seed}, N = ${replicas}: ${violation?.check}: ${violation?.message}`;
}

function printStatistics(statistics: Statistics): void {
  for (const [name, count] of Object.entries(statistics)) print(`  ${name.padEnd(20)} ${Math.round(count)}`);
}

async function runOne({ range, kind, verbose }: Command): Promise<boolean> {
  const run = verbose ? { printer: print } : {};
  const describe = (options: unknown) => {
    if (verbose) print(JSON.stringify(options));
  };
  let outcome: Outcome;
  if (kind.world === 'full') {
    const { drawFullOptions, simulateFull } = await fullWorlds();
    const options = drawFullOptions(range.from, kind.replicas);
    describe(options);
    outcome = await simulateFull(options, run);
  } else {
    const options = optionsOf(range.from, kind);
    describe(options);
    outcome = simulate(options, run);
  }
  printStatistics(outcome.statistics);
  print(`seed ${outcome.seed}, N = ${kind.replicas}, trace hash ${outcome.hash}`);
  print(outcome.violation === null ? 'no violation' : describeFailure(outcome));
  return outcome.violation === null;
}

async function runMany(command: Command): Promise<boolean> {
  const { range, kind, workers } = command;
  const startMs = performance.now();
  const onFailure = (failure: Outcome) => print(describeFailure(failure));
  const program = fileURLToPath(import.meta.url);
  const result =
    workers === 1
      ? await sweepHere(command, onFailure)
      : await sweepInParallel(range, kind, { workers, program, onFailure });
  printSummary(result, kind.replicas, (performance.now() - startMs) / 1000);
  return result.failures.length === 0;
}

function printSummary(result: SweepResult, replicas: number, seconds: number): void {
  const rate = (result.seeds / seconds).toFixed(1);
  print(
    `N = ${replicas}: ${result.seeds} seeds in ${seconds.toFixed(1)} s (${rate} a second), ` +
      `${result.failures.length} failed`,
  );
  printStatistics(result.statistics);
}

async function runAsWorker(command: Command): Promise<void> {
  process.on('disconnect', () => process.exit()); // nobody waits for it any more
  process.channel?.unref(); // whoever listens for that would never end otherwise
  const report = (message: WorkerReport) => process.send?.(message);
  const result = await sweepHere(command, (failure) => report({ type: 'failure', failure }));
  report({ type: 'result', result });
}

async function sweepHere(
  { range, kind, isFirst }: Command,
  onFailure: (failure: Outcome) => void,
): Promise<SweepResult> {
  return kind.world === 'full'
    ? await sweepFull(range, kind, { isFirst, onFailure })
    : sweep(range, kind, onFailure);
}

/** The same command, in full worlds of code with the fault in it. */
async function runMutated(mutant: Mutant, args: readonly string[]): Promise<number> {
  const replaced = ['--mutant', '--world'];
  const rest = args.filter((arg, index) =>
    replaced.every((name) => arg !== name && args[index - 1] !== name && !arg.startsWith(`${name}=`)),
  );
  return await runBundled(mutant, [...rest, '--world', 'full']);
}

/** Whoever read the output has read enough: the end, as for any program that writes into a closed pipe. */
function endWithOutput(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(CLOSED_PIPE);
}

async function main(): Promise<void> {
  process.stdout.on('error', endWithOutput);
  try {
    const command = parseCommand(process.argv.slice(2));
    if (command.mutant !== null) process.exitCode = await runMutated(command.mutant, process.argv.slice(2));
    else if (command.isWorker) await runAsWorker(command);
    else process.exitCode = (await (command.isSingle ? runOne(command) : runMany(command))) ? 0 : 1;
  } catch (error) {
    const isUsage = error instanceof UsageError || (error instanceof TypeError && 'code' in error);
    if (!isUsage) throw error;
    process.stderr.write(`${error.message}\n${USAGE}\n`);
    process.exitCode = 2;
  }
}

await main();
