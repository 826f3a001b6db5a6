/** `epaxos del`: removes a key. */
import type { Command } from 'commander';
import { addKeyEncoding, type KeyEncodingFlags, keyOf } from '../bytes.ts';
import { write } from '../io.ts';
import { withSession } from '../session.ts';
import type { CommandContext } from './context.ts';

const HELP = `
Prints the number of keys removed, 1 or 0; both end with exit code 0.
With -w json: {"key":base64,"deleted":0|1,"version":number,"previous":null|{"value":base64,"version":number}}.

Examples:
  epaxos del greeting
  epaxos del --prev greeting          also print the value that was removed
  epaxos del -- -key-that-starts-with-a-dash
`;

export function addDel(program: Command, context: CommandContext): void {
  addKeyEncoding(program.command('del'))
    .summary('remove a key')
    .description('Removes a key. It is no error if the key does not exist.')
    .argument('<key>', 'the key, 1 to 4096 bytes')
    .option('--prev', 'also print the value that was removed', false)
    .addHelpText('after', HELP)
    .action(async (name: string, flags: KeyEncodingFlags & { prev: boolean }, command: Command) => {
      const key = keyOf(name, flags);
      await withSession(command, async ({ client, printer }) => {
        const result = await client.delete(key, { returnPrevious: flags.prev });
        await write(context.io.stdout, printer.deleted(key, result));
      });
    });
}
