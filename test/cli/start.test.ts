/** `epaxos start`: a supervisor and its replicas as real processes. */
import { exec } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { areFree, CliProcess, freePorts, isAlive, pidsIn } from './cluster-process.ts';

const PATIENCE = { timeout: 40_000, interval: 50 };
let directory = '';
const cleanups: (() => unknown)[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'epaxos-start-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function start(basePort: number, ...flags: string[]): CliProcess {
  return startIn({}, '--base-port', `${basePort}`, '--data-dir', directory, ...flags);
}

function startIn(environment: Readonly<Record<string, string>>, ...flags: string[]): CliProcess {
  const supervisor = new CliProcess(['start', ...flags], { environment });
  cleanups.push(async () => {
    supervisor.kill('SIGKILL');
    await supervisor.exited;
    await expect.poll(() => pidsIn(supervisor.stdout).some(isAlive), PATIENCE).toBe(false);
  });
  return supervisor;
}

async function untilServing(supervisor: CliProcess): Promise<void> {
  await expect
    .poll(() => supervisor.hasExited || supervisor.stdout.includes('replicas are serving'), PATIENCE)
    .toBe(true);
  expect(supervisor.stdout, supervisor.stderr).toContain('replicas are serving');
}

function clientOf(basePort: number) {
  const client = connect({
    endpoints: [0, 1, 2].map((offset) => `127.0.0.1:${basePort + offset}`),
    timeoutMs: 20_000,
  });
  cleanups.push(() => client.close());
  return client;
}

describe('epaxos start', () => {
  it('runs a cluster, goes on without a replica, says how to start it again, and stops on Ctrl-C', async () => {
    const basePort = await freePorts(3);
    const supervisor = start(basePort);
    await untilServing(supervisor);
    const pids = pidsIn(supervisor.stdout);
    expect(pids).toHaveLength(3);
    for (const offset of [0, 1, 2]) expect(supervisor.stdout).toContain(`127.0.0.1:${basePort + offset}`);
    const kv = clientOf(basePort);
    await kv.put('a', '1');

    process.kill(pids[1] ?? Number.NaN, 'SIGKILL');
    await expect
      .poll(() => supervisor.stderr, PATIENCE)
      .toMatch(/replica 2 .* killed by SIGKILL.*\n +node .*\n/);
    await kv.put('a', '2');

    const [command = ''] = /node .* server .*/.exec(supervisor.stderr) ?? [];
    expect(command).not.toContain('--exit-with-parent');
    const restarted = exec(`exec ${command}`);
    cleanups.push(() => restarted.kill('SIGKILL'));
    await expect
      .poll(async () => (await kv.status()).filter((report) => report.status !== null).length, PATIENCE)
      .toBe(3);
    expect((await kv.get('a'))?.text()).toBe('2');
    expect(isAlive(pids[0] ?? Number.NaN) && isAlive(pids[2] ?? Number.NaN)).toBe(true);

    supervisor.kill('SIGINT');
    supervisor.kill('SIGINT'); // npm passes on what the terminal has sent already
    expect(await supervisor.exited).toEqual({ code: 0, signal: null });
    expect(pids.some(isAlive)).toBe(false);
  });

  it('runs thrifty replicas, which say so and lose no writes when one of them dies', async () => {
    const basePort = await freePorts(3);
    const supervisor = start(basePort, '--thrifty');
    await untilServing(supervisor);
    for (const id of [1, 2, 3]) {
      expect(readFileSync(join(directory, `replica-${id}.log`), 'utf8')).toContain('thrifty mode: ');
    }
    const kv = clientOf(basePort);
    // One after another in ten lanes, so that the replica dies while some are answered and others are under way.
    let answered = 0;
    const lane = async (first: number) => {
      for (let index = first; index < 200; index += 10) {
        await kv.put(`key ${index}`, `${index}`);
        answered += 1;
        if (answered === 50) process.kill(pidsIn(supervisor.stdout)[1] ?? Number.NaN, 'SIGKILL');
      }
    };
    await Promise.all(Array.from({ length: 10 }, (_, first) => lane(first)));
    await expect.poll(() => supervisor.stderr, PATIENCE).toMatch(/replica 2 .* killed by SIGKILL/);
    expect(supervisor.stderr).toMatch(/node .* --thrifty/);
    await kv.put('after', 'all');
    for (let index = 0; index < 200; index += 1) {
      expect((await kv.get(`key ${index}`))?.text()).toBe(`${index}`);
    }
  });

  it('takes its replicas with it when it is killed', async () => {
    const basePort = await freePorts(3);
    const supervisor = start(basePort);
    await untilServing(supervisor);
    const pids = pidsIn(supervisor.stdout);
    supervisor.kill('SIGKILL');
    await expect.poll(() => pids.some(isAlive), PATIENCE).toBe(false);
    expect(await areFree(basePort, 3)).toBe(true);
  });

  it('decides itself where its replicas listen, not a file or variable meant for one server', async () => {
    const basePort = await freePorts(4);
    const elsewhere = `127.0.0.1:${basePort + 3}`;
    const file = join(directory, 'server.json');
    writeFileSync(file, JSON.stringify({ id: 3, listen: elsewhere }));
    const environment = { EPAXOS_CONFIG: file, EPAXOS_LISTEN: elsewhere };
    const supervisor = startIn(environment, '--base-port', `${basePort}`, '--data-dir', directory);
    await untilServing(supervisor);
    const reports = await clientOf(basePort).status();
    expect(reports.map((report) => report.status?.replica)).toEqual([1, 2, 3]);
    expect(await areFree(basePort + 3, 1)).toBe(true);
  });

  it('takes an empty variable for none, whichever flag it is the twin of', async () => {
    const environment = {
      EPAXOS_REPLICAS: '',
      EPAXOS_HOST: '',
      EPAXOS_CLUSTER: '',
      EPAXOS_BASE_PORT: '',
      EPAXOS_THRIFTY: '',
      EPAXOS_CONFIG: '',
      EPAXOS_LISTEN: '',
      EPAXOS_ENDPOINTS: '',
      EPAXOS_COMMAND_TIMEOUT: '',
    };
    const basePort = await freePorts(3);
    const supervisor = startIn(environment, '--base-port', `${basePort}`, '--data-dir', directory);
    await untilServing(supervisor);
    expect((await clientOf(basePort).status()).map((report) => report.status?.cluster)).toEqual([
      'epaxos',
      'epaxos',
      'epaxos',
    ]);
  });

  it.each([
    ['/proc/epaxos/data', 'ENOENT'],
    ['/dev/null/data', 'ENOTDIR'],
  ])('says why it cannot use the data directory %s, and ends', async (impossible, reason) => {
    const supervisor = startIn({}, '--base-port', `${await freePorts(3)}`, '--data-dir', impossible);
    await expect.poll(() => supervisor.hasExited, PATIENCE).toBe(true);
    expect((await supervisor.exited).code).toBe(1);
    expect(supervisor.stderr).toMatch(`error: cannot use the data directory ${impossible}: ${reason}`);
  });

  it('says why it cannot write a log, and leaves nothing running', async () => {
    mkdirSync(join(directory, 'replica-2.log'));
    const basePort = await freePorts(3);
    const supervisor = start(basePort);
    expect((await supervisor.exited).code).toBe(1);
    expect(supervisor.stderr).toMatch(`error: cannot use the data directory ${directory}: EISDIR`);
    expect(await areFree(basePort, 3)).toBe(true);
  });

  it('says which port is taken, and leaves nothing running', async () => {
    const basePort = await freePorts(3);
    const occupant = createServer().listen(basePort + 1, '127.0.0.1');
    cleanups.push(() => occupant.close());
    const supervisor = start(basePort);
    expect((await supervisor.exited).code).toBe(1);
    expect(supervisor.stderr).toMatch(new RegExp(`^error: 127\\.0\\.0\\.1:${basePort + 1} is in use`));
    expect(supervisor.stdout).toBe('');
  });

  it('passes on why a replica could not start, and stops the others', async () => {
    const first = start(await freePorts(3));
    await untilServing(first);
    const basePort = await freePorts(3);
    const second = start(basePort); // the same data directory
    expect((await second.exited).code).toBe(1);
    expect(second.stderr).toMatch(/^error: replica \d \(127\.0\.0\.1:\d+\) did not start: .+\n$/);
    expect(await areFree(basePort, 3)).toBe(true);
    first.kill('SIGTERM');
    expect(await first.exited).toEqual({ code: 0, signal: null });
  });

  it('stops as well while it is still starting', async () => {
    const supervisor = start(await freePorts(3));
    // The signal handlers stand before the first file is written.
    await expect.poll(() => existsSync(join(directory, 'replica-1.log')), PATIENCE).toBe(true);
    supervisor.kill('SIGTERM');
    expect(await supervisor.exited).toEqual({ code: 0, signal: null });
  });
});
