/** `epaxos health`: has every endpoint answer a read. */
import type { Command } from 'commander';
import { EXIT, type ExitCode, exitCodeOf } from '../exit-codes.ts';
import { checkHealth, type HealthCheck } from '../health.ts';
import { write } from '../io.ts';
import { PRINTERS } from '../printers.ts';
import { globalFlagsOf } from '../session.ts';
import type { CommandContext } from './context.ts';

const HELP = `
One line an endpoint: whether it is healthy, and how long the read took, connecting included. The read is linearizable,
of the key "epaxos/health", which need not exist. So an endpoint is healthy only if its replica reaches a majority and
gets an operation through, within --command-timeout.
Ends with 0 if every endpoint is healthy, with 2 if none can be reached, otherwise with 1. Whether the cluster serves
although some endpoint does not is what epaxos status tells.
With -w json: [{"endpoint":text,"healthy":boolean,"tookMs":number,"error":null|{"code":text,"message":text}}].

Examples:
  epaxos health
  epaxos health --endpoints db1:7001,db2:7001 --command-timeout 1s
`;

export function addHealth(program: Command, context: CommandContext): void {
  program
    .command('health')
    .summary('check that every endpoint serves')
    .description('Has every endpoint answer a linearizable read, which changes nothing.')
    .addHelpText('after', HELP)
    .action(async (_flags: object, command: Command) => {
      const { endpoints, commandTimeout, writeOut } = globalFlagsOf(command);
      const checks = await checkHealth(endpoints, commandTimeout);
      await write(context.io.stdout, PRINTERS[writeOut].health(checks));
      context.setExitCode(exitCodeFor(checks));
    });
}

function exitCodeFor(checks: readonly HealthCheck[]): ExitCode {
  if (checks.every(({ error }) => error === null)) return EXIT.ok;
  const codes = checks.map(({ error }) => (error === null ? EXIT.ok : exitCodeOf(error)));
  return codes.every((code) => code === EXIT.cannotConnect) ? EXIT.cannotConnect : EXIT.error;
}
