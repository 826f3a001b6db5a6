/** `epaxos get`: prints a key's value, or those of several keys at one moment. */
import type { Command } from 'commander';
import type { Entry, KvClient, ReadOptions } from '../../client/index.ts';
import { addKeyEncoding, type KeyEncodingFlags, keyOf } from '../bytes.ts';
import { EXIT } from '../exit-codes.ts';
import { note, write } from '../io.ts';
import { printable } from '../printers.ts';
import { withSession } from '../session.ts';
import type { CommandContext } from './context.ts';

const HELP = `
Prints the value: byte for byte through a pipe or into a file, followed by a newline on a terminal.
A key that does not exist is named on standard error, and the command ends with exit code 4.
Of several keys, 1024 at most, the values are those of one moment. For each that exists the key is printed on a line, as
it was given, and its value on the next.
With --stale the replica that is asked answers by itself, what it has executed so far: it may be behind by any
amount, but answers even where no majority can be reached.
With -w json: {"key":base64,"value":base64,"version":number}; of several keys a list of one for each key in their
order, with value null and version 0 where it does not exist.

Examples:
  epaxos get greeting
  epaxos get photo > photo.jpg
  epaxos get user/7/name user/7/mail
  epaxos --endpoints 127.0.0.1:7002 get --stale greeting
  epaxos -w json get greeting | jq -r '.value | @base64d'
`;

interface GetFlags extends KeyEncodingFlags {
  readonly stale: boolean;
}

export function addGet(program: Command, context: CommandContext): void {
  addKeyEncoding(program.command('get'))
    .summary('print the values of keys')
    .description(
      'Prints the value of a key, or of several as they are at one moment. The read is linearizable, it sees every write answered before it, unless --stale is given.',
    )
    .argument('<key...>', 'the keys, each 1 to 4096 bytes')
    .option('--stale', 'read what one replica has, which may be behind', false)
    .addHelpText('after', HELP)
    .action(async (names: readonly string[], flags: GetFlags, command: Command) => {
      const keys = names.map((name) => keyOf(name, flags));
      await withSession(command, async ({ client, printer }) => {
        const entries = await read(client, keys, { level: flags.stale ? 'stale' : 'linearizable' });
        const rows = keys.map((key, index) => ({
          name: names[index] ?? '',
          key,
          entry: entries[index] ?? null,
        }));
        const { stdout } = context.io;
        const [first, ...others] = rows;
        if (others.length > 0) await write(stdout, printer.entries(rows));
        else if (first?.entry) await write(stdout, printer.entry(first.entry, stdout.isTTY === true));
        for (const { key, entry } of rows) {
          if (entry !== null) continue;
          await note(context.io, `error: key not found: ${printable(key)}`);
          context.setExitCode(EXIT.notFound);
        }
      });
    });
}

/** One key needs no moment of its own, and is read in the cheaper way. */
async function read(
  client: KvClient,
  keys: readonly Uint8Array[],
  options: ReadOptions,
): Promise<readonly (Entry | null)[]> {
  const [key, ...others] = keys;
  return key === undefined || others.length > 0
    ? client.multiGet(keys, options)
    : [await client.get(key, options)];
}
