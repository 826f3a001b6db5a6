/** `epaxos status`: asks every endpoint how it is doing. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { KvError, type ReplicaReport } from '../../client/index.ts';
import { parseDuration } from '../duration.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { flag } from '../flags.ts';
import { write } from '../io.ts';
import { withSession } from '../session.ts';
import { isMajorityServing } from '../status-format.ts';
import { onStopSignals } from '../stop-signals.ts';
import type { CommandContext } from './context.ts';

interface StatusFlags {
  readonly wide: boolean;
  /** In milliseconds; absent: one look is enough. */
  readonly watch?: number;
}

const DEFAULT_INTERVAL = '2s';

const CLEAR_SCREEN = '\u001b[H\u001b[2J';

const HELP = `
One line an endpoint:
  state                serving, or no quorum if it reaches no majority; copying: it is too far behind, and copies the
                       snapshot of a peer
  version, uptime      of the program, and since its process started
  commit p50, p99      half, and 99 of 100, of the instances that it proposed were committed as fast, since it started
With --wide also
  state                whose snapshot it copies, and how far that is
  committed, executed  how far each replica's row has come there: 12/12/9 for rows 1, 2, 3
  pruned               how far it has forgotten each row, as every replica has executed it
  fast, slow           operations' instances it coordinated since it started, by the path that committed them
  recovered            instances it finished in place of another replica
  open, waiting        own instances under way; operations that wait to be proposed
  blocked              committed instances that wait for what they depend on
An endpoint that does not answer is shown with the reason.
Ends with 0 if a majority of the replicas can be seen serving, with 2 if no endpoint answers, otherwise with 1. If
--endpoints names fewer replicas than the cluster has, one that says it reaches a majority is enough for 0.
With --watch it looks again and again until SIGINT (Ctrl-C) or SIGTERM, and ends with the code of the last look; with 1 if
there was none yet. On a terminal the screen is cleared before each look; elsewhere one look follows the other.
With -w json: an array with everything each replica told, and of its latencies the percentiles.

Examples:
  epaxos status
  epaxos status --wide
  epaxos status --watch 1s
  epaxos -w json status | jq '.[].status.paths'
`;

export function addStatus(program: Command, context: CommandContext): void {
  program
    .command('status')
    .summary('show how every replica is doing')
    .description('Asks every endpoint for its own view; a replica answers this also without a quorum.')
    .option('--wide', 'all columns', false)
    .addOption(
      flag(
        '--watch [interval]',
        `look again and again, every ${DEFAULT_INTERVAL} or so often, until it is stopped`,
        parseDuration,
      ).preset(DEFAULT_INTERVAL),
    )
    .addHelpText('after', HELP)
    .action(async (flags: StatusFlags, command: Command) => {
      if (flags.watch === undefined) context.setExitCode(await look(command, flags, context));
      else await watch(command, { ...flags, intervalMs: flags.watch }, context);
    });
}

/** Asks and prints once. @returns what the command ends with if this was the last look */
async function look(
  command: Command,
  { wide, watch, signal }: StatusFlags & { readonly signal?: AbortSignal },
  { io: { stdout } }: CommandContext,
): Promise<ExitCode> {
  return withSession(command, async ({ client, printer }) => {
    const reports = await client.status(signal === undefined ? {} : { signal });
    const clear = watch !== undefined && stdout.isTTY === true ? CLEAR_SCREEN : '';
    await write(stdout, clear + printer.status(reports, { wide }));
    return exitCodeFor(reports);
  });
}

/** Looks until a signal, with a client of its own each time: one that lasted would wait before it connects again. */
async function watch(
  command: Command,
  flags: StatusFlags & { readonly intervalMs: number },
  context: CommandContext,
): Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const stopListening = onStopSignals({
    stop: () => stopping.abort(),
    force: () => process.exit(EXIT.error),
  });
  context.setExitCode(EXIT.error); // unless a look tells
  try {
    while (!signal.aborted) {
      context.setExitCode(await look(command, { ...flags, signal }, context));
      await wait(flags.intervalMs, undefined, { signal }).catch(() => undefined); // the signal ends the loop
    }
  } catch (error) {
    if (!(error instanceof KvError && error.code === 'cancelled')) throw error;
  } finally {
    stopListening();
  }
}

function exitCodeFor(reports: readonly ReplicaReport[]): ExitCode {
  if (reports.every(({ status }) => status === null)) return EXIT.cannotConnect;
  return isMajorityServing(reports) ? EXIT.ok : EXIT.error;
}
