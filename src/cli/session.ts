/** What the commands that talk to a cluster share: the global flags, a client, and its end. */
import type { Command } from 'commander';
import { connect, type KvClient, MAX_REQUEST_MS, parseEndpoints } from '../client/index.ts';
import { durationUpTo } from './duration.ts';
import { flag } from './flags.ts';
import { OUTPUT_FORMATS, type OutputFormat, PRINTERS, type Printer } from './printers.ts';

/** Where `epaxos start` puts the first three replicas. */
export const DEFAULT_ENDPOINTS = ['127.0.0.1:7001', '127.0.0.1:7002', '127.0.0.1:7003'] as const;

/** What {@link addGlobalFlags} declares. */
export interface GlobalFlags {
  readonly endpoints: readonly string[];
  readonly writeOut: OutputFormat;
  /** In milliseconds. */
  readonly commandTimeout: number;
}

/** Declares the flags that every command takes, before or after its name. */
export function addGlobalFlags(program: Command): void {
  program
    .addOption(
      flag(
        '--endpoints <list>',
        'replicas to talk to, host:port separated by commas',
        parseEndpoints,
      ).default(DEFAULT_ENDPOINTS, DEFAULT_ENDPOINTS.join(',')),
    )
    .addOption(
      flag('-w, --write-out <format>', 'how to print answers').choices(OUTPUT_FORMATS).default('simple'),
    )
    .addOption(
      flag(
        '--command-timeout <duration>',
        'how long a command may take: 5s, 500ms, 1m; at most a minute',
        durationUpTo(MAX_REQUEST_MS),
      ).default(5000, '5s'),
    );
}

/** The global flags of a command, wherever they were given. */
export function globalFlagsOf(command: Command): GlobalFlags {
  return command.optsWithGlobals<GlobalFlags>();
}

export interface Session {
  readonly client: KvClient;
  readonly printer: Printer;
}

/** Runs `work` with a client made from the global flags, and closes it whatever happens. */
export async function withSession<T>(command: Command, work: (session: Session) => Promise<T>): Promise<T> {
  const flags = globalFlagsOf(command);
  const client = connect({ endpoints: flags.endpoints, timeoutMs: flags.commandTimeout });
  try {
    return await work({ client, printer: PRINTERS[flags.writeOut] });
  } finally {
    client.close();
  }
}
