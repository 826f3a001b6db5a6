/** Flags: each has a twin in the environment with a mechanical name, and says which value it refused and why. */
import { InvalidArgumentError, Option } from 'commander';
import { KvError } from '../errors.ts';

/** `--command-timeout <duration>` → `EPAXOS_COMMAND_TIMEOUT`. */
function environmentName(option: Option): string {
  return `EPAXOS_${option.name().replaceAll('-', '_').toUpperCase()}`;
}

/**
 * A flag with its twin in the environment. A flag beats the environment, the environment the default; an empty variable
 * is none, as in `epaxos server`, and is taken out of the environment of this process.
 * @param parse reads the value; a KvError it throws becomes a message that names the flag or the variable
 */
export function flag<T>(
  flags: string,
  description: string,
  parse?: (text: string) => T,
): Option & { default(value: T, description?: string): Option } {
  const option = new Option(flags, description);
  const name = environmentName(option);
  if (process.env[name] === '') delete process.env[name]; // commander would take it for a value
  option.env(name);
  if (parse !== undefined) {
    option.argParser((text: string) => {
      try {
        return parse(text);
      } catch (error) {
        if (error instanceof KvError) throw new InvalidArgumentError(error.message);
        throw error;
      }
    });
  }
  return option;
}

/** A reader of whole numbers for {@link flag}. */
export function integerBetween(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (value >= low && value <= high) return value;
    throw new KvError('invalidArgument', `It must be a whole number from ${low} to ${high}.`);
  };
}

/** A reader of numbers, which may have a fraction, for {@link flag}. */
export function numberBetween(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}(?:\.\d{1,9})?$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (value >= low && value <= high) return value;
    throw new KvError('invalidArgument', `It must be a number from ${low} to ${high}.`);
  };
}
