/** `epaxos probe`: shows which replica reaches which, and how fast. */
import type { Command } from 'commander';
import { EXIT } from '../exit-codes.ts';
import { write } from '../io.ts';
import { reachesAll } from '../probe-format.ts';
import { withSession } from '../session.ts';
import type { CommandContext } from './context.ts';

const HELP = `
One line an endpoint: the round trip of the last heartbeat from its replica to each other one, or "down".
What is down in one direction only is a fault of the network between the two.
Ends with 0 if every endpoint answers and reaches all replicas, with 2 if none answers, otherwise with 1.
With -w json: [{"endpoint":text,"from":number,"links":[{"to","address","reachable","roundTripMs"}]}].

Examples:
  epaxos probe
  epaxos -w json probe | jq '.[].links'
`;

export function addProbe(program: Command, context: CommandContext): void {
  program
    .command('probe')
    .summary('show which replica reaches which')
    .description('Asks every endpoint how its replica reaches each of the others.')
    .addHelpText('after', HELP)
    .action(async (_flags: object, command: Command) => {
      await withSession(command, async ({ client, printer }) => {
        const reports = await client.status();
        await write(context.io.stdout, printer.probe(reports));
        if (reports.every((report) => report.status === null)) context.setExitCode(EXIT.cannotConnect);
        else if (!reachesAll(reports)) context.setExitCode(EXIT.error);
      });
    });
}
