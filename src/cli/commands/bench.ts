/** `epaxos bench`: puts a load on a cluster and measures it. */
import type { Command } from 'commander';
import { LIMITS } from '../../client/index.ts';
import { KvError } from '../../errors.ts';
import type { KeyOptions } from '../../load/index.ts';
import { type BenchOptions, type BenchSummary, runBench } from '../bench.ts';
import { parseDuration } from '../duration.ts';
import { EXIT } from '../exit-codes.ts';
import { flag, integerBetween, numberBetween } from '../flags.ts';
import { write } from '../io.ts';
import { PRINTERS } from '../printers.ts';
import { isTerminal, ProgressBar } from '../progress-bar.ts';
import { globalFlagsOf } from '../session.ts';
import type { CommandContext } from './context.ts';

interface BenchFlags {
  readonly clients: number;
  readonly depth: number;
  readonly rate?: number;
  readonly duration?: number;
  readonly warmUp?: number;
  readonly operations?: number;
  readonly keys: number;
  readonly valueSize: number;
  readonly readRatio: number;
  readonly distribution: KeyOptions['distribution'];
  readonly zipfExponent?: number;
  readonly conflict?: number;
  readonly fill: boolean;
  readonly seed: number;
}

const DEFAULT_DURATION_MS = 10_000;
const DEFAULT_WARM_UP_MS = 2_000;
const DEFAULT_ZIPF_EXPONENT = 0.99;

const HELP = `
Writes only keys that begin with "bench/", and leaves them there. Every operation is one request of the client library.
Without --rate each client always has --depth operations under way (closed loop). With it operations come at a steady
rate, and their latency counts from when they were to be sent (open loop): a stall counts for all that it delays.
Commit and execute latencies are those of instances, as the replicas at the endpoints count them: from when an
instance was proposed until it was committed, and until it was executed and its clients answered.
On a terminal a bar shows how far it is, on standard error.
Ends with 0 if every operation was answered, with 2 if no replica answers, otherwise with 1.
With -w json: {"load","durationMs","answered","answeredPerSecond","errors","unsent","putMs","getMs","replicas",
"cpuMicroseconds"}; latencies are {"p50","p99","p999"} in milliseconds.

Examples:
  epaxos bench
  epaxos bench --read-ratio 0.9 --distribution zipf --zipf-exponent 0.9 --fill
  epaxos bench --distribution hot --conflict 0.02 --clients 10 --depth 100
  epaxos bench --rate 2000 --duration 1m -w json
`;

export function addBench(program: Command, context: CommandContext): void {
  program
    .command('bench')
    .summary('measure a cluster under load')
    .description('Puts a load on a cluster, and prints throughput, latencies and what it cost.')
    .addOption(
      flag(
        '--clients <number>',
        'how many clients; each begins at another endpoint',
        integerBetween(1, 1000),
      ).default(3),
    )
    .addOption(
      flag(
        '--depth <number>',
        'how many operations a client has under way',
        integerBetween(1, 10_000),
      ).default(64),
    )
    .addOption(
      flag(
        '--rate <number>',
        'operations a second, all clients together (default: as many as are answered)',
        integerBetween(1, 10_000_000),
      ),
    )
    .addOption(flag('--duration <duration>', 'how long to measure (default: 10s)', parseDuration))
    .addOption(
      flag('--warm-up <duration>', 'how long the load runs before it is measured (default: 2s)', parseWarmUp),
    )
    .addOption(
      flag(
        '--operations <number>',
        'measure so many operations instead of some time',
        integerBetween(1, 100_000_000),
      ),
    )
    .addOption(flag('--keys <number>', 'how many keys', integerBetween(1, 100_000_000)).default(10_000))
    .addOption(
      flag('--value-size <bytes>', 'the size of the values', integerBetween(0, LIMITS.valueBytes)).default(
        100,
      ),
    )
    .addOption(
      flag('--read-ratio <ratio>', 'the part of the operations that are gets', numberBetween(0, 1)).default(
        0,
      ),
    )
    .addOption(
      flag('--distribution <name>', 'how keys are drawn')
        .choices(['uniform', 'zipf', 'hot'])
        .default('uniform'),
    )
    .addOption(
      flag(
        '--zipf-exponent <number>',
        'how uneven zipf is, 0.5 to 0.99 (default: 0.99)',
        numberBetween(0.5, 0.99),
      ),
    )
    .addOption(
      flag(
        '--conflict <ratio>',
        'hot: the part of the operations on the one key that all clients share; the others are on keys of the client alone',
        numberBetween(0, 1),
      ),
    )
    .option('--fill', 'put every key once before anything else', false)
    .addOption(flag('--seed <number>', 'what keys are drawn from', integerBetween(0, 999_999_999)).default(1))
    .addHelpText('after', HELP)
    .action(async (flags: BenchFlags, command: Command) => {
      const { endpoints, commandTimeout, writeOut } = globalFlagsOf(command);
      const { stderr } = context.io;
      const { clients, depth, rate = null, valueSize, readRatio, seed, fill } = flags;
      const summary = await runBench({
        ...{ endpoints, timeoutMs: commandTimeout, clients, depth, rate, valueSize, readRatio, seed, fill },
        keys: keysOf(flags),
        span: spanOf(flags),
        ...(isTerminal(stderr) ? { progressOf: (total, unit) => new ProgressBar(stderr, total, unit) } : {}),
      });
      await write(context.io.stdout, PRINTERS[writeOut].bench(summary));
      context.setExitCode(exitCodeFor(summary));
    });
}

/** @throws KvError `invalidArgument` for flags that do not go together */
function spanOf({ operations, duration, warmUp }: BenchFlags): BenchOptions['span'] {
  if (operations === undefined) {
    return { durationMs: duration ?? DEFAULT_DURATION_MS, warmUpMs: warmUp ?? DEFAULT_WARM_UP_MS };
  }
  refuseIf(duration !== undefined, '--operations and --duration exclude each other');
  refuseIf(warmUp !== undefined, '--operations measures from the first operation on: there is no --warm-up');
  return { operations };
}

/** @throws KvError `invalidArgument` for flags that do not go together */
function keysOf({ keys, distribution, zipfExponent, conflict, clients }: BenchFlags): KeyOptions {
  refuseIf(
    distribution !== 'zipf' && zipfExponent !== undefined,
    '--zipf-exponent needs --distribution zipf',
  );
  refuseIf(distribution !== 'hot' && conflict !== undefined, '--conflict needs --distribution hot');
  const least = distribution === 'hot' ? clients + 1 : 1;
  refuseIf(keys < least, `--keys is ${keys}, but ${clients} clients and a hot key need at least ${least}`);
  switch (distribution) {
    case 'uniform':
      return { keys, distribution };
    case 'zipf':
      return { keys, distribution, exponent: zipfExponent ?? DEFAULT_ZIPF_EXPONENT };
    case 'hot':
      if (conflict !== undefined) return { keys, distribution, conflict };
      throw new KvError('invalidArgument', '--distribution hot needs --conflict');
  }
}

function refuseIf(isWrong: boolean, message: string): void {
  if (isWrong) throw new KvError('invalidArgument', message);
}

function exitCodeFor({ errors }: BenchSummary) {
  return Object.keys(errors).length > 0 ? EXIT.error : EXIT.ok;
}

/** A duration that may be nothing. */
function parseWarmUp(text: string): number {
  return /^0(?:ms|s|m|h)?$/.test(text.trim()) ? 0 : parseDuration(text);
}
