/** `epaxos batch-put`: many puts at once, to fill a store or to see what a cluster takes. */
import type { Command } from 'commander';
import { LIMITS } from '../../client/index.ts';
import { KvError } from '../../errors.ts';
import { type BatchSummary, runBatch } from '../batch.ts';
import { EXIT } from '../exit-codes.ts';
import { flag, integerBetween } from '../flags.ts';
import { write } from '../io.ts';
import { PRINTERS } from '../printers.ts';
import { isTerminal, ProgressBar } from '../progress-bar.ts';
import { globalFlagsOf } from '../session.ts';
import type { CommandContext } from './context.ts';

interface BatchFlags {
  readonly count: number;
  readonly keys: number;
  readonly keyPrefix: string;
  readonly random: boolean;
  readonly valueSize: number;
  readonly replica?: number;
  readonly depth: number;
}

const HELP = `
Every put is one request of the client library: tried at one replica after another until --command-timeout.
On a terminal a bar shows how far it is. Ends with 0 if all puts were acknowledged; with 6 if any may or may not have
been applied, whatever became of the others; with 1 if some certainly were not, and the others were.
With -w json: {"count","acknowledged","failed","unknown","durationMs","acknowledgedPerSecond",
"latencyMs":null|{"p50","p90","p99","max"},"errors":{code:number}}.

Examples:
  epaxos batch-put                                     1000 keys, key-0 to key-999
  epaxos batch-put --count 100000 --depth 10000 --random --command-timeout 60s
  epaxos batch-put --replica 2 --value-size 1024       all of them at the second endpoint
`;

export function addBatchPut(program: Command, context: CommandContext): void {
  program
    .command('batch-put')
    .summary('set many keys')
    .description('Sets many keys to random values, and prints how many were acknowledged and how fast.')
    .addOption(flag('--count <number>', 'how many puts', integerBetween(1, 100_000_000)).default(1000))
    .addOption(flag('--keys <number>', 'how many keys', integerBetween(1, 100_000_000)).default(1000))
    .addOption(flag('--key-prefix <text>', 'what the keys begin with', parsePrefix).default('key-'))
    .option('--random', 'draw the key of each put instead of going through them in order', false)
    .addOption(
      flag('--value-size <bytes>', 'the size of the values', integerBetween(0, LIMITS.valueBytes)).default(
        64,
      ),
    )
    .addOption(
      flag('--replica <number>', 'only the endpoint at this place of the list', integerBetween(1, 99)),
    )
    .addOption(
      flag('--depth <number>', 'how many puts are under way at once', integerBetween(1, 10_000)).default(100),
    )
    .addHelpText('after', HELP)
    .action(async (flags: BatchFlags, command: Command) => {
      const { endpoints, commandTimeout, writeOut } = globalFlagsOf(command);
      const { stderr } = context.io;
      const bar = isTerminal(stderr) ? new ProgressBar(stderr, flags.count) : null;
      const summary = await runBatch({
        ...flags,
        endpoints: flags.replica === undefined ? endpoints : [endpointAt(endpoints, flags.replica)],
        timeoutMs: commandTimeout,
        onProgress: (done) => bar?.show(done),
      });
      bar?.clear();
      await write(context.io.stdout, PRINTERS[writeOut].batch(summary));
      context.setExitCode(exitCodeFor(summary));
    });
}

function exitCodeFor({ unknown, failed }: BatchSummary) {
  if (unknown > 0) return EXIT.outcomeUnknown;
  return failed > 0 ? EXIT.error : EXIT.ok;
}

/** Leaves room for the number behind it. */
function parsePrefix(text: string): string {
  const most = LIMITS.keyBytes - String(100_000_000).length;
  if (Buffer.byteLength(text, 'utf8') <= most) return text;
  throw new KvError('invalidArgument', `It must have at most ${most} bytes.`);
}

function endpointAt(endpoints: readonly string[], place: number): string {
  const endpoint = endpoints[place - 1];
  if (endpoint !== undefined) return endpoint;
  throw new KvError(
    'invalidArgument',
    `--replica is ${place}, but only ${endpoints.length} endpoints are given`,
  );
}
