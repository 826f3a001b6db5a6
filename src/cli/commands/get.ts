/** `epaxos get`: prints a key's value. */
import type { Command } from 'commander';
import { EXIT } from '../exit-codes.ts';
import { note, write } from '../io.ts';
import { printable } from '../printers.ts';
import { withSession } from '../session.ts';
import type { CommandContext } from './context.ts';

const HELP = `
Prints the value: byte for byte through a pipe or into a file, followed by a newline on a terminal.
A key that does not exist prints nothing on standard output and ends with exit code 4.
With --stale the replica that is asked answers by itself, what it has executed so far: it may be behind by any
amount, but answers even where no majority can be reached.
With -w json: {"key":base64,"value":base64,"version":number}.

Examples:
  epaxos get greeting
  epaxos get photo > photo.jpg
  epaxos --endpoints 127.0.0.1:7002 get --stale greeting
  epaxos -w json get greeting | jq -r '.value | @base64d'
`;

export function addGet(program: Command, context: CommandContext): void {
  program
    .command('get')
    .summary('print the value of a key')
    .description(
      'Prints the value of a key. The read is linearizable, it sees every write answered before it, unless --stale is given.',
    )
    .argument('<key>', 'the key, 1 to 4096 bytes')
    .option('--stale', 'read what one replica has, which may be behind', false)
    .addHelpText('after', HELP)
    .action(async (key: string, flags: { stale: boolean }, command: Command) => {
      await withSession(command, async ({ client, printer }) => {
        const entry = await client.get(key, { level: flags.stale ? 'stale' : 'linearizable' });
        if (entry === null) {
          await note(context.io, `error: key not found: ${printable(Buffer.from(key, 'utf8'))}`);
          context.setExitCode(EXIT.notFound);
          return;
        }
        await write(context.io.stdout, printer.entry(entry, context.io.stdout.isTTY === true));
      });
    });
}
