/** `epaxos put`: sets a key's value, given as an argument or on standard input. */
import { fstatSync, statSync } from 'node:fs';
import { devNull } from 'node:os';
import type { Command } from 'commander';
import { LIMITS } from '../../client/index.ts';
import { KvError } from '../../errors.ts';
import { addKeyEncoding, type KeyEncodingFlags, keyOf, textOf } from '../bytes.ts';
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
  epaxos put empty ''                 the empty value; to read it from /dev/null is refused, as that means no input
  epaxos put --hex ff00 hello         a key of any bytes
  epaxos put -- option --verbose      after -- nothing is taken for a flag
`;

interface PutFlags extends KeyEncodingFlags {
  readonly prev: boolean;
}

export function addPut(program: Command, context: CommandContext): void {
  addKeyEncoding(program.command('put'))
    .summary('set a key')
    .description('Sets a key. The answer comes when a majority holds the write and it was executed.')
    .argument('<key>', 'the key, 1 to 4096 bytes')
    .argument('[value]', 'the value, up to 1 MiB; read from standard input if absent')
    .option('--prev', 'also print the value that was replaced', false)
    .addHelpText('after', HELP)
    .action(async (name: string, argument: string | undefined, flags: PutFlags, command: Command) => {
      const key = keyOf(name, flags);
      const value =
        argument === undefined
          ? await valueFrom(context.io)
          : textOf(argument, 'value', 'give it on standard input');
      await withSession(command, async ({ client, printer }) => {
        const result = await client.put(key, value, { returnPrevious: flags.prev });
        await write(context.io.stdout, printer.put(key, result));
      });
    });
}

async function valueFrom(io: CliIo): Promise<Uint8Array> {
  const wrong = whyNoInput(io.stdin);
  if (wrong !== null) {
    throw new KvError(
      'invalidArgument',
      `${wrong}: give the value as an argument ('' for the empty one) or on standard input`,
    );
  }
  const value = await readAll(io.stdin, LIMITS.valueBytes).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new KvError('invalidArgument', `the value cannot be read from standard input: ${reason}`, {
      cause: error,
    });
  });
  if (value === null) {
    throw new KvError(
      'limitExceeded',
      `the value on standard input has more than ${LIMITS.valueBytes} bytes`,
    );
  }
  return value;
}

/**
 * What is wrong with standard input, if it is none. /dev/null is what a process without any input gets from whoever starts
 * it, or from Node.js itself. Null: there may be something.
 */
function whyNoInput(stdin: CliIo['stdin']): string | null {
  if (!('fd' in stdin) || typeof stdin.fd !== 'number') return null;
  const input = fstatSync(stdin.fd);
  if (input.isDirectory()) return 'standard input is a directory';
  const isNull = input.isCharacterDevice() && input.rdev === statSync(devNull).rdev;
  return isNull ? 'there is no value' : null;
}
