/** What every command is given beside its arguments. */
import type { ExitCode } from '../exit-codes.ts';
import type { CliIo } from '../io.ts';

export interface CommandContext {
  readonly io: CliIo;
  /** Ends the program, once the command has returned, with another code than 0. */
  setExitCode(code: ExitCode): void;
}
