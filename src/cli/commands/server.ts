/** `epaxos server`: runs one replica until it is told to stop. */
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { type Command, Option } from 'commander';
import { CONFIG_FILE, loadConfig, SETTINGS, type ServerConfig, startServer } from '../../server/index.ts';
import { EXIT } from '../exit-codes.ts';
import { write } from '../io.ts';
import { tableOf } from '../printers.ts';
import { onStopSignals } from '../stop-signals.ts';
import { Announcer } from '../unread.ts';
import type { CommandContext } from './context.ts';

interface ServerFlags extends Readonly<Record<string, unknown>> {
  readonly printConfig: boolean;
  readonly exitWithParent: boolean;
}

const HELP = `
Each setting comes from its flag, the environment, the file named by --config (a JSON object such as
{"id": 1, "dataDir": "/var/lib/epaxos"}), or its default: the first of these that has it.
The list of peers is the same on every replica; --id says which of them this one is.
Logs go to standard error. SIGTERM and SIGINT let waiting requests finish; a second signal ends at once.

Examples:
  epaxos server --id 1 --peers 1=db1:7001,2=db2:7001,3=db3:7001 --data-dir /var/lib/epaxos
  EPAXOS_ID=2 epaxos server --config cluster.json
  epaxos server --config cluster.json --id 3 --print-config
`;

export function addServer(program: Command, context: CommandContext): void {
  const server = program
    .command('server')
    .summary('run one replica')
    .description('Runs one replica of a cluster until it is told to stop.');
  for (const { flag, placeholder, description, environment, fallback, choices } of SETTINGS) {
    const notes = [...(fallback === undefined ? [] : [`default: ${fallback}`]), `env: ${environment}`];
    const flags = placeholder === null ? flag : `${flag} <${placeholder}>`;
    const option = new Option(flags, `${description} (${notes.join(', ')})`);
    // For the help and for completion; the value is checked with all the others.
    if (choices !== undefined) option.argChoices = [...choices];
    server.addOption(option);
  }
  server
    .option(`${CONFIG_FILE.flag} <file>`, `a file with settings (env: ${CONFIG_FILE.environment})`)
    .option('--print-config', 'print the effective settings and where they came from, and end', false)
    .addOption(new Option('--exit-with-parent', 'stop when standard input ends').hideHelp().default(false))
    .addHelpText('after', HELP)
    .action(async ({ printConfig, exitWithParent, ...flags }: ServerFlags) => {
      const { config, rows } = loadConfig({ flags, environment: process.env });
      if (printConfig) {
        const cells = rows.map(({ key, value, origin }) => [key, value, origin]);
        await write(context.io.stdout, tableOf(['setting', 'value', 'from'], cells));
        return;
      }
      const announcer = new Announcer(context.io);
      try {
        await serve(config, exitWithParent ? context.io.stdin : null);
      } catch (error) {
        announcer.endWith(error);
        throw error;
      }
    });
}

/**
 * Serves until a signal, the end of `parent`, or a failure.
 * @throws what starting throws; the reason if the replica could not go on
 */
async function serve(config: ServerConfig, parent: Readable | null): Promise<void> {
  const stopping = new AbortController();
  const stopRequested = once(stopping.signal, 'abort');
  const stopListening = onStopSignals({
    stop: () => stopping.abort(),
    force: () => process.exit(EXIT.error),
  });
  parent
    ?.on('error', () => undefined) // it closes then as well
    .once('close', () => stopping.abort())
    .resume();
  try {
    const server = await startServer(config, {}, stopping.signal);
    const failure = await Promise.race([stopRequested, server.failed]);
    await server.stop();
    if (failure instanceof Error) throw failure;
  } catch (error) {
    if (error !== stopping.signal.reason) throw error; // else it was told to stop before it served
  } finally {
    stopListening();
  }
}
