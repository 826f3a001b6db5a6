/** `epaxos start` as people use it: up, used, a replica lost and brought back, down, and nothing left behind. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { GroupProcess, isAlive, PROGRAM } from '../support/child-process.ts';
import { type CommandRun, epaxos } from '../support/epaxos-command.ts';
import { freeBasePort, isFree } from '../support/free-ports.ts';
import { until } from '../support/until.ts';

const IDS = [1, 2, 3];
const directory = mkdtempSync(join(tmpdir(), 'epaxos-e2e-'));
/** With a space, so that the printed command has to be quoted. */
const dataDir = join(directory, 'my data');
let basePort = 0;

beforeAll(async () => {
  basePort = await freeBasePort(IDS.length);
});
const started = new Set<GroupProcess>();
afterEach(async () => {
  // Replicas are in groups of their own: they end when their supervisor is gone.
  await Promise.all([...started].map((one) => one.end()));
  started.clear();
  await untilAllIsGone();
});
afterAll(() => rmSync(directory, { recursive: true }));

function endpointOf(id: number): string {
  return `127.0.0.1:${basePort + id - 1}`;
}

async function untilAllIsGone(): Promise<void> {
  for (const id of IDS) await until(`port ${basePort + id - 1} is free`, () => isFree(basePort + id - 1));
}

interface Supervisor {
  readonly process: GroupProcess;
  /** Everything it printed when the replicas served. */
  readonly greeting: string;
  /** The replicas' process ids, by id from 1. */
  readonly pids: readonly number[];
}

/** Runs `epaxos start` and waits until it says that the replicas serve. */
async function start(): Promise<Supervisor> {
  const args = [PROGRAM, 'start', '--base-port', `${basePort}`, '--data-dir', dataDir];
  const supervisor = new GroupProcess(process.execPath, args, { stdio: 'pipe' });
  started.add(supervisor);
  const greeting = await until('the cluster serves', () => {
    const printed = supervisor.stdout.toString();
    return / get greeting\n$/.test(printed) && printed;
  });
  const pids = Array.from(greeting.matchAll(/replica \d+ .* pid (\d+) /g), (match) => Number(match[1]));
  expect(pids).toHaveLength(IDS.length);
  return { process: supervisor, greeting, pids };
}

/** Runs a command line that was printed for people to type. */
function type(commandLine: string): Promise<CommandRun> {
  const words = commandLine.trim().split(' ');
  expect(words.slice(0, 2)).toEqual(['npx', 'epaxos']);
  return epaxos(words.slice(2));
}

function get(id: number, key: string): Promise<CommandRun> {
  return epaxos(['--endpoints', endpointOf(id), 'get', key]);
}

test('quick start: the printed commands work, every replica has the value, SIGTERM stops it all', async () => {
  const supervisor = await start();
  expect(supervisor.greeting).toMatch(/^3 replicas are serving; Ctrl-C stops them\.\n/);
  const [put, read] = supervisor.greeting.split('\n').filter((line) => line.includes('npx epaxos'));

  expect(await type(put ?? '')).toMatchObject({ exitCode: 0, stdout: Buffer.from('OK\n'), stderr: '' });
  expect(await type(read ?? '')).toMatchObject({ exitCode: 0, stdout: Buffer.from('hello'), stderr: '' });
  for (const id of IDS) {
    expect(await get(id, 'greeting')).toMatchObject({ exitCode: 0, stdout: Buffer.from('hello') });
  }

  supervisor.process.signal('SIGTERM');
  expect(await supervisor.process.exited).toEqual({ code: 0, signal: null });
  expect(supervisor.process.stderr).toBe('Stopping every replica.\n');
  expect(supervisor.pids.filter(isAlive)).toEqual([]);
  expect(await Promise.all(IDS.map((id) => isFree(basePort + id - 1)))).toEqual([true, true, true]);
});

test('started again it has its data; a killed replica comes back by the printed command; killed, it takes all along', async () => {
  const supervisor = await start();
  expect(await get(1, 'greeting')).toMatchObject({ exitCode: 0, stdout: Buffer.from('hello') });

  process.kill(supervisor.pids[2] ?? Number.NaN, 'SIGKILL');
  const command = await until('the loss of replica 3 is told', () =>
    /^replica 3 \(.+\) ended: killed by SIGKILL\. Start it again with\n {2}(.+)\n/m
      .exec(supervisor.process.stderr)
      ?.at(1),
  );
  for (const id of [1, 2]) {
    const args = ['--endpoints', endpointOf(id), 'put', `written at ${id}`, 'without replica 3'];
    expect(await epaxos(args)).toMatchObject({ exitCode: 0 });
  }

  const revived = new GroupProcess('sh', ['-c', `exec ${command}`], { stdio: 'pipe', directory: tmpdir() });
  started.add(revived);
  const client = connect({ endpoints: endpointOf(3) });
  await until('replica 3 serves again', async () => {
    if (!revived.isRunning) throw new Error(revived.stderr);
    return (await client.get('written at 2', { timeoutMs: 2000 }))?.text() === 'without replica 3';
  }).finally(() => client.close());
  expect(await get(3, 'written at 1')).toMatchObject({ exitCode: 0 });
  expect(supervisor.process.isRunning).toBe(true);

  await supervisor.process.end();
  await until('its replicas have ended', () => !supervisor.pids.some(isAlive));
  // The revived one is nobody's: it goes on until it is told to stop.
  expect(revived.isRunning).toBe(true);
  revived.signalGroup('SIGTERM');
  expect(await revived.exited).toEqual({ code: 0, signal: null });
});
