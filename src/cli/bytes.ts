/** Keys and values as a command line gives them: as text, or any bytes in hexadecimal or base64. */
import { type Command, Option } from 'commander';
import { KvError } from '../errors.ts';

/** What {@link addKeyEncoding} declares. */
export interface KeyEncodingFlags {
  readonly hex?: boolean;
  readonly base64?: boolean;
}

/** What stands in place of bytes that are not UTF-8, by the time that a program sees its arguments. */
const REPLACEMENT = '\ufffd';

/** Declares the flags that say how the keys are given. */
export function addKeyEncoding(command: Command): Command {
  return command
    .addOption(new Option('--hex', 'the keys are given in hexadecimal').conflicts('base64'))
    .addOption(new Option('--base64', 'the keys are given in base64').conflicts('hex'));
}

/** @throws KvError invalidArgument if it is not what the flags say */
export function keyOf(argument: string, { hex, base64 }: KeyEncodingFlags): Uint8Array {
  if (hex) return decoded(argument, 'hex');
  if (base64) return decoded(argument, 'base64');
  return textOf(argument, 'key', 'give it with --hex or --base64');
}

/**
 * The UTF-8 bytes of an argument. Two arguments of other bytes than UTF-8 look the same here, so both are refused.
 * @param hint what to do instead
 * @throws KvError invalidArgument
 */
export function textOf(argument: string, what: 'key' | 'value', hint: string): Uint8Array {
  if (argument.isWellFormed() && !argument.includes(REPLACEMENT)) return Buffer.from(argument, 'utf8');
  throw new KvError(
    'invalidArgument',
    `the ${what} has bytes that are not UTF-8, or U+FFFD, which stands for them: ${hint}`,
  );
}

function decoded(argument: string, encoding: 'hex' | 'base64'): Uint8Array {
  const bytes = Buffer.from(argument, encoding);
  // The decoder passes over what it does not know.
  const given = encoding === 'hex' ? argument.toLowerCase() : argument;
  if (bytes.toString(encoding) === given) return bytes;
  const name = encoding === 'hex' ? 'hexadecimal, two digits a byte' : 'base64, with its padding';
  throw new KvError('invalidArgument', `"${argument}" is not ${name}`);
}
