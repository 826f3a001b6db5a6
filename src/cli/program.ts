/** The command line: the tree of commands, and running one with its errors turned into one line and an exit code. */
import { Command, CommanderError } from 'commander';
import { PROGRAM_VERSION } from '../util/program-version.ts';
import type { CommandContext } from './commands/context.ts';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { type CliIo, note } from './io.ts';
import { addGlobalFlags } from './session.ts';
import { releaseStopSignals } from './stop-signals.ts';

const HELP = `
Answers go to standard output, everything else to standard error.
Flags may stand before or after the command; each has a twin in the environment, which it overrides.

Exit codes:
  0 ok                    3 bad input             6 outcome unknown: the write may have been applied
  1 error                 4 key not found        64 usage
  2 cannot connect        5 compare failed

Examples:
  epaxos start                        three replicas on this machine
  epaxos put greeting hello
  epaxos get greeting
  epaxos --endpoints db1:7001,db2:7001,db3:7001 status
`;

type AddCommand = (program: Command, context: CommandContext) => void;

/** The commands in the order of the help, each loaded when it is asked for: a server is more than all the others. */
const COMMANDS: ReadonlyMap<string, () => Promise<AddCommand>> = new Map([
  ['start', async () => (await import('./commands/start.ts')).addStart],
  ['server', async () => (await import('./commands/server.ts')).addServer],
  ['put', async () => (await import('./commands/put.ts')).addPut],
  ['get', async () => (await import('./commands/get.ts')).addGet],
  ['del', async () => (await import('./commands/del.ts')).addDel],
  ['batch-put', async () => (await import('./commands/batch-put.ts')).addBatchPut],
  ['bench', async () => (await import('./commands/bench.ts')).addBench],
  ['status', async () => (await import('./commands/status.ts')).addStatus],
  ['health', async () => (await import('./commands/health.ts')).addHealth],
  ['probe', async () => (await import('./commands/probe.ts')).addProbe],
  ['completion', async () => (await import('./commands/completion.ts')).addCompletion],
]);

/** It tells of all commands. */
const OF_ALL = 'completion';

/** Whether it stops in order when it is signalled; the others are ended by the signal itself. */
function stopsInOrder(command: Command): boolean {
  return ['start', 'server'].includes(command.name()) || command.opts().watch !== undefined;
}

/**
 * The command line, ready to parse.
 * @param args what is going to be parsed: if it is one command, that is all there is
 */
export async function createProgram(context: CommandContext, args: readonly string[] = []): Promise<Command> {
  const program = withoutCommands(context);
  // What stands before the first operand is read for that alone; whatever is wrong with it is found by parsing.
  const [name = ''] = withoutCommands(context).parseOptions([...args]).operands;
  const named = name === OF_ALL ? undefined : COMMANDS.get(name);
  const adding = await Promise.all(
    (named === undefined ? [...COMMANDS.values()] : [named]).map((load) => load()),
  );
  for (const add of adding) add(program, context);
  return program;
}

function withoutCommands(context: CommandContext): Command {
  const program = new Command('epaxos')
    .description('A replicated, linearizable key-value store without a leader.')
    .version(PROGRAM_VERSION, '--version', 'print the version')
    .helpOption('-h, --help', 'explain the command')
    .helpCommand('help [command]', 'explain a command')
    .addHelpText('after', HELP)
    .exitOverride()
    .hook('preAction', (_, command) => {
      if (!stopsInOrder(command)) releaseStopSignals();
    })
    .configureOutput({
      writeOut: (text) => context.io.stdout.write(text),
      writeErr: (text) => context.io.stderr.write(text),
      // Errors are thrown as well, and printed in one place: by run().
      outputError: () => undefined,
    });
  addGlobalFlags(program);
  return program;
}

/**
 * Runs one command line to its end.
 * @param args what follows the program's name
 */
export async function run(args: readonly string[], io: CliIo): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok;
  const setExitCode = (code: ExitCode) => {
    exitCode = code;
  };
  try {
    const program = await createProgram({ io, setExitCode }, args);
    await program.parseAsync(withoutVainHelp(program, args), { from: 'user' });
    return exitCode;
  } catch (error) {
    await reportError(io, error);
    return exitCodeOf(error);
  }
}

/** To ask for help about a command that there is not, is to name such a command: of its flags nothing can be said. */
function withoutVainHelp(program: Command, args: readonly string[]): readonly string[] {
  const others = args.filter((arg) => arg !== '--help' && arg !== '-h');
  const [name, about] = program.parseOptions(others).operands;
  const isKnown = (each: string | undefined) => each === undefined || each === 'help' || COMMANDS.has(each);
  if (name === 'help' && !isKnown(about)) return [about ?? ''];
  return isKnown(name) ? args : others;
}

async function reportError(io: CliIo, error: unknown): Promise<void> {
  // Help and version come as errors too; they are printed already.
  const isHelp = error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help');
  if (isHelp) return;
  const message = error instanceof Error ? error.message : String(error);
  await note(io, `error: ${message.replace(/^error: /, '')}`);
  if (error instanceof CommanderError) await note(io, 'Run epaxos --help for what can be given.');
  if (process.env.EPAXOS_DEBUG === '1' && error instanceof Error) await note(io, chainOf(error));
}

/** The stack of an error and of its causes. */
function chainOf(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by: ${chainOf(error.cause)}` : own;
}
