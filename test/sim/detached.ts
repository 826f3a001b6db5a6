/** Commands that outlive the store that they would be had from again. */
import { Command } from '../../src/epaxos/index.ts';
import { commandToWire } from '../../src/wire/index.ts';

/** The same command, which never lets go of anything. */
export function detached(command: Command): Command {
  const copy = new Command(command.operations);
  copy.bytes(() => commandToWire(command));
  return copy;
}
