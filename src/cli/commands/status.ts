/** `epaxos status`: asks every endpoint how it is doing. */
import type { Command } from 'commander';
import { EXIT } from '../exit-codes.ts';
import { write } from '../io.ts';
import { withSession } from '../session.ts';
import type { CommandContext } from './context.ts';

const HELP = `
One line an endpoint:
  state                serving, or no quorum; and, if it is too far behind, whose snapshot it copies and how far that is
  committed, executed  how far each replica's row has come there: 12/12/9 for rows 1, 2, 3
  pruned               how far it has forgotten each row, as every replica has executed it
  fast, slow           operations' instances it coordinated since it started, by the path that committed them
  recovered            instances it finished in place of another replica
  open, held, blocked  own instances under way; operations that wait for one on the same key; committed
                       instances that wait for what they depend on
An endpoint that does not answer is shown with the reason; only if none answers the exit code is 2.
With -w json: an array with everything each replica told.

Examples:
  epaxos status
  epaxos -w json status | jq '.[].status.paths'
`;

export function addStatus(program: Command, context: CommandContext): void {
  program
    .command('status')
    .summary('show how every replica is doing')
    .description('Asks every endpoint for its own view; a replica answers this also without a quorum.')
    .addHelpText('after', HELP)
    .action(async (_flags: object, command: Command) => {
      await withSession(command, async ({ client, printer }) => {
        const reports = await client.status();
        await write(context.io.stdout, printer.status(reports));
        if (reports.every((report) => report.status === null)) context.setExitCode(EXIT.cannotConnect);
      });
    });
}
