/** `epaxos start`: a cluster on this machine, until Ctrl-C. */
import { relative } from 'node:path';
import type { Command } from 'commander';
import { KvError } from '../../errors.ts';
import { EXIT } from '../exit-codes.ts';
import { flag, integerBetween } from '../flags.ts';
import { write } from '../io.ts';
import { LocalCluster } from '../local-cluster.ts';
import { type Exit, formatExit, type ReplicaProcess } from '../replica-process.ts';
import { DEFAULT_ENDPOINTS } from '../session.ts';
import { onStopSignals } from '../stop-signals.ts';
import { Announcer } from '../unread.ts';
import type { CommandContext } from './context.ts';

interface StartFlags {
  readonly replicas: number;
  readonly dataDir: string;
  readonly basePort: number;
  readonly host: string;
  readonly cluster: string;
  readonly thrifty: boolean;
}

const HELP = `
Each replica is a process of its own; its data stays in its directory and is found again by the next start.
If one ends, the others go on, and the command that starts it again is printed.
Ctrl-C or SIGTERM stops them all. Every setting of "epaxos server" can be given in the environment.

Examples:
  epaxos start
  epaxos start --replicas 5 --base-port 8001 --data-dir /tmp/five
`;

export function addStart(program: Command, context: CommandContext): void {
  program
    .command('start')
    .summary('run a cluster on this machine')
    .description('Runs a cluster on this machine, one process a replica, until it is told to stop.')
    .addOption(flag('--replicas <number>', 'how many: 3, 5 or 7', clusterSize).default(3))
    .addOption(
      flag('--data-dir <directory>', 'where the replicas keep data and logs').default('./epaxos-data'),
    )
    .addOption(
      flag(
        '--base-port <port>',
        'the port of replica 1; the others follow',
        integerBetween(1, 65_529),
      ).default(7001),
    )
    .addOption(flag('--host <address>', 'the address to listen on').default('127.0.0.1'))
    .addOption(flag('--cluster <name>', 'the name of the cluster').default('epaxos'))
    // Its twin in the environment is read by the replicas themselves.
    .option('--thrifty', 'propose to the fast quorum only, see "epaxos server" (env: EPAXOS_THRIFTY)', false)
    .addHelpText('after', HELP)
    .action((flags: StartFlags) => runCluster(flags, context));
}

async function runCluster(flags: StartFlags, context: CommandContext): Promise<void> {
  const { io } = context;
  const announcer = new Announcer(io);
  const cluster = new LocalCluster(flags);
  const stops: Promise<void>[] = [];
  const stopListening = onStopSignals({
    stop: () => {
      announcer.note('Stopping every replica.');
      stops.push(cluster.stop());
    },
    force: () => cluster.kill(),
  });
  try {
    if (stops.length === 0) await cluster.start();
    if (stops.length === 0) {
      announcer.watch(write(io.stdout, describeCluster(cluster)));
      await cluster.watch((replica, exit) => announcer.note(describeExit(replica, exit)));
    }
    if (stops.length === 0) {
      announcer.note('error: no replica is left');
      context.setExitCode(EXIT.error);
    }
    await Promise.all(stops);
    await announcer.end();
  } catch (error) {
    announcer.endWith(error);
    throw error;
  } finally {
    stopListening();
  }
}

function describeCluster(cluster: LocalCluster): string {
  const rows = cluster.replicas.map(({ options, pid }) => {
    const logFile = shortest(options.logFile);
    return `  replica ${options.id}  ${options.address}  pid ${pid}  data ${shortest(options.dataDir)}  log ${logFile}`;
  });
  const isDefault = cluster.endpoints.slice(0, DEFAULT_ENDPOINTS.length).join() === DEFAULT_ENDPOINTS.join();
  const program = isDefault ? 'npx epaxos' : `npx epaxos --endpoints ${cluster.endpoints.join(',')}`;
  return [
    `${rows.length} replicas are serving; Ctrl-C stops them.`,
    ...rows,
    'Try it in another terminal:',
    `  ${program} put greeting hello`,
    `  ${program} get greeting`,
    '',
  ].join('\n');
}

function describeExit(replica: ReplicaProcess, exit: Exit): string {
  const { id, address } = replica.options;
  const reason = exit.code === null ? '' : replica.lastError();
  return [
    `replica ${id} (${address}) ended: ${formatExit(exit)}${reason === '' ? '' : ` (${reason})`}. Start it again with`,
    `  ${replica.restartCommand()}`,
  ].join('\n');
}

/** The path as seen from here, if it is below. */
function shortest(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith('..') ? path : fromHere;
}

function clusterSize(text: string): number {
  const size = [3, 5, 7].find((candidate) => String(candidate) === text.trim());
  if (size === undefined) throw new KvError('invalidArgument', 'A cluster has 3, 5 or 7 replicas.');
  return size;
}
