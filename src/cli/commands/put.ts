/** `epaxos put`: sets a key's value, given as an argument or on standard input. */
import type { Command } from 'commander';
import { LIMITS } from '../../client/index.ts';
import { KvError } from '../../errors.ts';
import { type CliIo, readAll, write } from '../io.ts';
import { withSession } from '../session.ts';
import type { CommandContext } from './context.ts';

const HELP = `
Prints OK. With --prev also the value that was replaced, if there was one.
With -w json: {"key":base64,"version":number,"previous":null|{"value":base64,"version":number}}.

Examples:
  epaxos put greeting hello
  epaxos put --prev greeting 'good morning'
  epaxos put photo < photo.jpg        the value from standard input, byte for byte, up to 1 MiB
  epaxos put -- option --verbose      after -- nothing is taken for a flag
`;

export function addPut(program: Command, context: CommandContext): void {
  program
    .command('put')
    .summary('set a key')
    .description('Sets a key. The answer comes when a majority holds the write and it was executed.')
    .argument('<key>', 'the key, 1 to 4096 bytes')
    .argument('[value]', 'the value, up to 1 MiB; read from standard input if absent')
    .option('--prev', 'also print the value that was replaced', false)
    .addHelpText('after', HELP)
    .action(async (key: string, argument: string | undefined, flags: { prev: boolean }, command: Command) => {
      const value = argument === undefined ? await valueFrom(context.io) : Buffer.from(argument, 'utf8');
      await withSession(command, async ({ client, printer }) => {
        const result = await client.put(key, value, { returnPrevious: flags.prev });
        await write(context.io.stdout, printer.put(Buffer.from(key, 'utf8'), result));
      });
    });
}

async function valueFrom(io: CliIo): Promise<Uint8Array> {
  const value = await readAll(io.stdin, LIMITS.valueBytes);
  if (value === null) {
    throw new KvError(
      'limitExceeded',
      `the value on standard input has more than ${LIMITS.valueBytes} bytes`,
    );
  }
  return value;
}
