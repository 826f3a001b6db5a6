/** `epaxos status`: asks every endpoint how it is doing. */
import type { Command } from 'commander';
import type { ReplicaReport } from '../../client/index.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { write } from '../io.ts';
import { withSession } from '../session.ts';
import { isMajorityServing } from '../status-format.ts';
import type { CommandContext } from './context.ts';

interface StatusFlags {
  readonly wide: boolean;
}

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
With -w json: an array with everything each replica told, and of its latencies the percentiles.

Examples:
  epaxos status
  epaxos status --wide
  epaxos -w json status | jq '.[].status.paths'
`;

export function addStatus(program: Command, context: CommandContext): void {
  program
    .command('status')
    .summary('show how every replica is doing')
    .description('Asks every endpoint for its own view; a replica answers this also without a quorum.')
    .option('--wide', 'all columns', false)
    .addHelpText('after', HELP)
    .action(async (flags: StatusFlags, command: Command) => {
      await withSession(command, async ({ client, printer }) => {
        const reports = await client.status();
        await write(context.io.stdout, printer.status(reports, flags));
        context.setExitCode(exitCodeFor(reports));
      });
    });
}

function exitCodeFor(reports: readonly ReplicaReport[]): ExitCode {
  if (reports.every(({ status }) => status === null)) return EXIT.cannotConnect;
  return isMajorityServing(reports) ? EXIT.ok : EXIT.error;
}
