/** `epaxos server` and `epaxos start` that cannot start: which exit code, and a message that helps. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GroupProcess, PROGRAM } from '../support/child-process.ts';
import { type CommandOptions, epaxos } from '../support/epaxos-command.ts';
import { freeBasePort, isFree } from '../support/free-ports.ts';
import { until } from '../support/until.ts';

const root = mkdtempSync(join(tmpdir(), 'epaxos-e2e-'));
const ownData = join(root, 'own');
/** Replica 1 of 3 of the cluster "here", which serves alone while these tests run. */
let holder: GroupProcess;
let basePort = 0;

beforeAll(async () => {
  basePort = await freeBasePort(5);
  const args = [PROGRAM, 'server', ...flagsOf({ dataDir: ownData }), '--exit-with-parent'];
  holder = new GroupProcess(process.execPath, args, { stdio: 'pipe' });
  await until('the first replica serves or has ended', () => {
    return holder.stderr.includes('"msg":"serving"') || !holder.isRunning;
  });
  expect(holder.isRunning, holder.stderr).toBe(true);
});
afterAll(async () => {
  await holder.end();
  rmSync(root, { recursive: true });
});

interface ServerFlags {
  readonly id?: number;
  readonly replicas?: number;
  readonly cluster?: string;
  readonly dataDir?: string;
}

function peerList(replicas: number): string {
  return Array.from({ length: replicas }, (_, index) => `${index + 1}=127.0.0.1:${basePort + index}`).join(
    ',',
  );
}

function flagsOf({ id = 1, replicas = 3, cluster = 'here', dataDir = join(root, 'unused') }: ServerFlags) {
  return ['--id', `${id}`, '--peers', peerList(replicas), '--cluster', cluster, '--data-dir', dataDir];
}

async function expectRefusal(
  args: readonly string[],
  refusal: { readonly exitCode: number; readonly messages: readonly RegExp[] },
  options?: CommandOptions,
): Promise<void> {
  const { exitCode, stdout, stderr } = await epaxos(args, options);
  const last = stderr.trimEnd().split('\n').at(-1);
  expect({ exitCode, stdout: stdout.toString() }).toEqual({ exitCode: refusal.exitCode, stdout: '' });
  expect(last).toMatch(/^error: /);
  for (const message of refusal.messages) expect(last).toMatch(message);
}

describe('a configuration that cannot be used', () => {
  test.each([
    ['no list', '', /peers is missing: give --peers or EPAXOS_PEERS|not id=host:port/],
    ['two replicas', '1=a:1,2=b:2', /3, 5 or 7 replicas, but 2 are listed/],
    ['an address without id', 'a:1,b:2,c:3', /"a:1" is not id=host:port/],
    ['a gap in the ids', '1=a:1,2=b:2,4=d:4', /ids 1 to 3, but 3 is not listed/],
    ['an id twice', '1=a:1,1=b:2,3=c:3', /replica 1 is listed twice/],
    ['an address twice', '1=a:1,2=a:1,3=c:3', /replicas 1 and 2 have the same address a:1/],
    ['no port', '1=a,2=b:2,3=c:3', /"a" is not host:port/],
    ['a bad port', '1=a:70000,2=b:2,3=c:3', /"a:70000" is not host:port/],
  ])('peers: %s', async (_, peers, message) => {
    const args = ['server', '--id', '1', '--data-dir', join(root, 'unused'), '--peers', peers];
    await expectRefusal(args, { exitCode: 3, messages: [message] });
  });

  test('an id that is not in the list', async () => {
    const messages = [/id is 4, but peers lists only the replicas 1 to 3/];
    await expectRefusal(['server', ...flagsOf({ id: 4 })], { exitCode: 3, messages });
  });

  test('everything that is wrong is named, with where it came from', async () => {
    const messages = [/bad id "0" \(from EPAXOS_ID\)/, /peers is missing/, /dataDir is missing/];
    const environment = { EPAXOS_ID: '0' };
    await expectRefusal(['server'], { exitCode: 3, messages }, { environment });
  });

  test('an unknown setting in the file', async () => {
    const file = join(root, 'config.json');
    writeFileSync(file, JSON.stringify({ id: 1, datadir: 'x' }));
    const messages = [/unknown setting datadir in the file/, /dataDir/];
    await expectRefusal(['server', '--config', file], { exitCode: 3, messages });
  });

  test('an unknown flag', async () => {
    const { exitCode, stderr } = await epaxos(['server', '--port', '1']);
    expect(exitCode).toBe(64);
    expect(stderr).toMatch(/^error: unknown option '--port'/);
  });

  test('a limit of file descriptors that is too low', async () => {
    const args = ['server', ...flagsOf({ dataDir: join(root, 'unused') })];
    const script = `ulimit -n 512; exec "$0" "$@"`;
    const command = new GroupProcess('sh', ['-c', script, process.execPath, PROGRAM, ...args], {
      stdio: 'pipe',
    });
    expect(await command.exited).toEqual({ code: 3, signal: null });
    expect(command.stderr).toMatch(
      /may have 512 files open, and a replica needs \d+: raise the limit \(ulimit -n/,
    );
  });

  test('a heap that is too small to work with', async () => {
    const args = ['server', ...flagsOf({ dataDir: join(root, 'unused') })];
    const command = new GroupProcess(
      process.execPath,
      ['--max-old-space-size=64', '--max-semi-space-size=32', PROGRAM, ...args],
      { stdio: 'pipe' },
    );
    expect(await command.exited).toEqual({ code: 3, signal: null });
    expect(command.stderr).toMatch(
      /may have a heap of 160 MiB, and a replica needs 224: .*--max-old-space-size/,
    );
  });

  test('start: a number of replicas that is not offered', async () => {
    const { exitCode, stderr } = await epaxos(['start', '--replicas', '4']);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/^error: .*--replicas.*'4' is invalid\. A cluster has 3, 5 or 7 replicas\./);
  });
});

describe('what somebody else has', () => {
  test('a port in use', async () => {
    const args = ['server', ...flagsOf({ dataDir: join(root, 'other') })];
    const messages = [new RegExp(`127\\.0\\.0\\.1:${basePort} is already in use`)];
    await expectRefusal(args, { exitCode: 1, messages });
  });

  test('start: a port in use; nothing is left running', async () => {
    const args = ['start', '--base-port', `${basePort - 1}`, '--data-dir', join(root, 'start')];
    const messages = [new RegExp(`127\\.0\\.0\\.1:${basePort} is in use`), /--base-port/];
    await expectRefusal(args, { exitCode: 1, messages });
    expect(await isFree(basePort + 1)).toBe(true);
  });

  test('a data directory in use', async () => {
    const args = ['server', ...flagsOf({ dataDir: ownData }), '--listen', `127.0.0.1:${basePort + 1}`];
    const messages = [/in use by another process/, new RegExp(ownData)];
    await expectRefusal(args, { exitCode: 1, messages });
  });

  test('a directory with other files', async () => {
    const dataDir = join(root, 'documents');
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'letter.txt'), 'dear');
    const args = ['server', ...flagsOf({ dataDir }), '--listen', `127.0.0.1:${basePort + 1}`];
    await expectRefusal(args, { exitCode: 1, messages: [/letter\.txt/] });
  });
});

test('the environment configures a server, and a flag beats it', async () => {
  const environment = {
    EPAXOS_ID: '2',
    EPAXOS_PEERS: peerList(3),
    EPAXOS_DATA_DIR: join(root, 'environment'),
    EPAXOS_CLUSTER: 'from-the-environment',
  };
  const args = ['server', '--print-config', '--cluster', 'from-the-flag'];
  const { exitCode, stdout } = await epaxos(args, { environment });
  expect(exitCode).toBe(0);
  const printed = stdout.toString();
  expect(printed).toMatch(/\bid\b.*\b2\b.*environment/);
  expect(printed).toMatch(/\bdataDir\b.*environment\b.*environment/);
  expect(printed).toMatch(/\bcluster\b.*from-the-flag.*\bflag/);
  expect(printed).not.toContain('from-the-environment');
});

describe('the data directory of somebody else, after its owner stopped', () => {
  beforeAll(async () => {
    holder.signal('SIGTERM');
    expect(await holder.exited).toEqual({ code: 0, signal: null });
  });

  const own = /replica 1 of 3 in cluster "here"/;
  test.each<[what: string, flags: ServerFlags, asked: RegExp]>([
    ['another cluster', { cluster: 'there' }, /replica 1 of 3 in cluster "there"/],
    ['another replica', { id: 2 }, /replica 2 of 3 in cluster "here"/],
    ['another size', { replicas: 5 }, /replica 1 of 5 in cluster "here"/],
  ])('asked for by %s', async (_, flags, asked) => {
    const args = ['server', ...flagsOf({ ...flags, dataDir: ownData })];
    await expectRefusal(args, { exitCode: 1, messages: [own, asked] });
  });
});
