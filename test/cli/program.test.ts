/** The commands that talk to a cluster, against replicas that answer as told. */
import { PassThrough, Readable } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { KvError } from '../../src/errors.ts';
import type { PutRequest } from '../../src/wire/index.ts';
import { type Behaviour, FakeReplica, refusedEndpoint, silence } from '../client/fake-replica.ts';
import { runCli } from './run-cli.ts';

const replicas: FakeReplica[] = [];
afterEach(() => {
  vi.unstubAllEnvs();
  for (const replica of replicas.splice(0)) replica.crash();
});

async function replica(behaviour: Partial<Behaviour> = {}): Promise<FakeReplica> {
  const started = await FakeReplica.start(behaviour);
  replicas.push(started);
  vi.stubEnv('EPAXOS_ENDPOINTS', started.endpoint);
  return started;
}

const BINARY = Buffer.from([0, 1, 10, 13, 255, 0]);

describe('put', () => {
  it('sends key and value and prints OK', async () => {
    const one = await replica();
    const { exitCode, stdout, stderr } = await runCli(['put', 'greeting', 'hello']);
    expect([exitCode, stdout.toString(), stderr]).toEqual([0, 'OK\n', '']);
    expect(one.writes).toMatchObject([
      { key: Buffer.from('greeting'), value: Buffer.from('hello'), returnPrevious: false },
    ]);
  });

  it('takes empty variables for none', async () => {
    await replica();
    vi.stubEnv('EPAXOS_WRITE_OUT', '');
    vi.stubEnv('EPAXOS_COMMAND_TIMEOUT', '');
    const { exitCode, stdout, stderr } = await runCli(['put', 'greeting', 'hello']);
    expect([exitCode, stdout.toString(), stderr]).toEqual([0, 'OK\n', '']);
  });

  it.each([[BINARY], [Buffer.alloc(0)], [Buffer.alloc(1024 * 1024, 7)]])(
    'reads the value from standard input, byte for byte (%#)',
    async (value) => {
      const one = await replica();
      const { exitCode } = await runCli(['put', 'k'], {
        stdin: Readable.from([value.subarray(0, 3), value.subarray(3)]),
      });
      expect(exitCode).toBe(0);
      expect(Buffer.compare((one.writes[0] as PutRequest).value, value)).toBe(0);
    },
  );

  it('stops reading standard input at the limit', async () => {
    const one = await replica();
    let chunks = 0;
    const endless = Readable.from(
      (function* () {
        for (;;) {
          chunks += 1;
          yield Buffer.alloc(64 * 1024);
        }
      })(),
    );
    const { exitCode, stdout, stderr } = await runCli(['put', 'k'], { stdin: endless });
    expect([exitCode, stdout.length, one.writes.length]).toEqual([3, 0, 0]);
    expect(stderr).toMatch(/^error: the value on standard input has more than 1048576 bytes\n$/);
    expect(chunks).toBeLessThan(100);
  });

  it('takes everything after -- as it is', async () => {
    const one = await replica();
    expect((await runCli(['put', '--', '-w', '--endpoints'])).exitCode).toBe(0);
    expect((await runCli(['put', 'k', '--', '-5'])).exitCode).toBe(0);
    expect((await runCli(['put', '--prev', 'k', '--', '--prev'])).exitCode).toBe(0);
    expect(one.writes).toMatchObject([
      { key: Buffer.from('-w'), value: Buffer.from('--endpoints') },
      { key: Buffer.from('k'), value: Buffer.from('-5') },
      { key: Buffer.from('k'), value: Buffer.from('--prev'), returnPrevious: true },
    ]);
  });

  it('prints the value before with --prev', async () => {
    await replica({ put: () => ({ version: 2, previous: { value: Buffer.from('old'), version: 1 } }) });
    expect((await runCli(['put', '--prev', 'k', 'v'])).stdout.toString()).toBe('OK\nold\n');
    const json = await runCli(['put', '--prev', 'k', 'v', '-w', 'json']);
    expect(JSON.parse(json.stdout.toString())).toEqual({
      key: 'aw==',
      version: 2,
      previous: { value: 'b2xk', version: 1 },
    });
  });

  it('ends with 6 where the write may have been applied', async () => {
    await replica({ put: silence });
    const { exitCode, stdout, stderr } = await runCli(['put', 'k', 'v', '--command-timeout', '2s']);
    expect([exitCode, stdout.length]).toEqual([6, 0]);
    expect(stderr).toMatch(/^error: .*2000 ms.*\n$/);
  });

  it('ends with 1 where it certainly was not', async () => {
    await replica({
      put: () => {
        throw new KvError('storageFailure', 'the disk is broken', { outcome: 'notApplied' });
      },
    });
    const { exitCode, stderr } = await runCli(['put', 'k', 'v']);
    expect([exitCode, stderr]).toEqual([1, 'error: the disk is broken\n']);
  });
});

describe('get', () => {
  it('prints the value alone: exact bytes into a pipe, with a newline on a terminal', async () => {
    await replica({ get: () => ({ found: { value: BINARY, version: 1 } }) });
    const piped = await runCli(['get', 'k']);
    expect([piped.exitCode, piped.stdout, piped.stderr]).toEqual([0, BINARY, '']);
    const shown = await runCli(['get', 'k'], { isTerminal: true });
    expect(shown.stdout).toEqual(Buffer.concat([BINARY, Buffer.from('\n')]));
  });

  it('asks one replica for what it has if told so', async () => {
    const one = await replica({ get: () => ({ found: { value: BINARY, version: 1 } }) });
    for (const args of [
      ['get', 'k'],
      ['get', '--stale', 'k'],
      ['get', 'k', '--stale'],
    ]) {
      const { exitCode, stdout } = await runCli(args);
      expect([exitCode, stdout]).toEqual([0, BINARY]);
    }
    expect(one.reads.map(({ stale }) => stale)).toEqual([false, true, true]);
  });

  it('ends with 4 and prints nothing on standard output where the key does not exist', async () => {
    await replica();
    for (const format of ['simple', 'json', 'table']) {
      const { exitCode, stdout, stderr } = await runCli(['get', 'nothing', '-w', format]);
      expect([exitCode, stdout.length, stderr]).toEqual([4, 0, 'error: key not found: nothing\n']);
    }
  });

  it('prints several keys of one moment: all that exist, and with 4 names the others', async () => {
    const one = await replica({
      multiGet: ({ keys }) => ({
        entries: keys.map((key) => ({
          found: Buffer.from(key).toString() === 'none' ? null : { value: BINARY, version: 1 },
        })),
      }),
    });
    const found = await runCli(['get', 'a', 'b']);
    const expected = Buffer.concat(['a\n', BINARY, '\nb\n', BINARY, '\n'].map((part) => Buffer.from(part)));
    expect([found.exitCode, found.stdout, found.stderr]).toEqual([0, expected, '']);
    const some = await runCli(['get', '-w', 'json', '--stale', 'none', 'a', 'none']);
    expect([some.exitCode, some.stderr]).toEqual([4, 'error: key not found: none\n'.repeat(2)]);
    const value = BINARY.toString('base64');
    expect(JSON.parse(some.stdout.toString())).toEqual([
      { key: 'bm9uZQ==', value: null, version: 0 },
      { key: 'YQ==', value, version: 1 },
      { key: 'bm9uZQ==', value: null, version: 0 },
    ]);
    const none = await runCli(['get', 'none', 'none']);
    expect([none.exitCode, none.stdout.length]).toEqual([4, 0]);
    expect(one.multiGets.map(({ keys, stale }) => [keys.map(String), stale])).toEqual([
      [['a', 'b'], false],
      [['none', 'a', 'none'], true],
      [['none', 'none'], false],
    ]);
    expect(one.gets).toBe(0);
  });

  it('ends with 2 where no replica can be reached', async () => {
    vi.stubEnv('EPAXOS_ENDPOINTS', await refusedEndpoint());
    const { exitCode, stderr } = await runCli(['get', 'k']);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(
      /^error: no replica can be reached \(127\.0\.0\.1:\d+: connect ECONNREFUSED [^ ]+\)$/m,
    );
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it.each([
    [['get', '']],
    [['get', 'a', '']],
    [['get', 'k'.repeat(4097)]],
    [['put', 'k', 'v'.repeat(1024 * 1024 + 1)]],
  ])('ends with 3 for a key or value that cannot be (%#)', async (args) => {
    await replica();
    const { exitCode, stderr } = await runCli(args);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/^error: the (key|value) /);
  });
});

describe('del', () => {
  it('prints how many keys were removed', async () => {
    await replica({ delete: ({ key }) => ({ version: key.length - 1, previous: null }) });
    const results = [await runCli(['del', 'k']), await runCli(['del', 'kk'])];
    expect(results.map(({ exitCode, stdout }) => [exitCode, stdout.toString()])).toEqual([
      [0, '0\n'],
      [0, '1\n'],
    ]);
  });
});

describe('flags and their twins in the environment', () => {
  it('lets a flag beat the environment, before or after the command', async () => {
    await replica({ get: () => ({ found: { value: Buffer.from('v'), version: 1 } }) });
    vi.stubEnv('EPAXOS_WRITE_OUT', 'json');
    expect((await runCli(['get', 'k'])).stdout.toString()).toBe(
      '{"key":"aw==","value":"dg==","version":1}\n',
    );
    expect((await runCli(['get', 'k', '-w', 'simple'])).stdout.toString()).toBe('v');
    expect((await runCli(['--write-out', 'simple', 'get', 'k'])).stdout.toString()).toBe('v');
  });

  it('takes the deadline from EPAXOS_COMMAND_TIMEOUT', async () => {
    await replica({ get: silence });
    vi.stubEnv('EPAXOS_COMMAND_TIMEOUT', '1500ms');
    const { exitCode, stderr } = await runCli(['get', 'k']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('1500 ms');
  });

  it.each([
    ['--endpoints', 'nonsense', 'EPAXOS_ENDPOINTS'],
    ['--write-out', 'xml', 'EPAXOS_WRITE_OUT'],
    ['--command-timeout', 'soon', 'EPAXOS_COMMAND_TIMEOUT'],
  ])('ends with 3 for a bad %s, and names where it came from', async (flag, value, variable) => {
    const byFlag = await runCli(['get', 'k', flag, value]);
    expect(byFlag.exitCode).toBe(3);
    expect(byFlag.stderr).toMatch(/^error: /);
    expect(byFlag.stderr).toContain(flag);
    vi.stubEnv(variable, value);
    const byEnvironment = await runCli(['get', 'k']);
    expect(byEnvironment.exitCode).toBe(3);
    expect(byEnvironment.stderr).toContain(variable);
  });
});

describe('usage', () => {
  it.each([
    [['get']],
    [['del', 'a', 'b']],
    [['get', 'k', '--nonsense']],
    [['put', 'k', '-x']],
    [['nonsense']],
    [['completion']],
  ])('ends with 64 for %j', async (args) => {
    const { exitCode, stdout, stderr } = await runCli(args);
    expect([exitCode, stdout.length]).toEqual([64, 0]);
    expect(stderr).toMatch(/^error: .*\n/);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('shows the help on standard error and ends with 64 where no command is given', async () => {
    const { exitCode, stdout, stderr } = await runCli([]);
    expect([exitCode, stdout.length]).toEqual([64, 0]);
    expect(stderr).toContain('Usage: epaxos');
  });

  it('prints the version of the package', async () => {
    const { exitCode, stdout } = await runCli(['--version']);
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toMatch(/^\d+\.\d+\.\d+(-dev)?\n$/);
  });

  it.each(['start', 'server', 'put', 'get', 'del', 'status', 'health', 'completion'])(
    'explains %s with examples',
    async (command) => {
      const { exitCode, stdout } = await runCli([command, '--help']);
      expect(exitCode).toBe(0);
      expect(stdout.toString()).toContain(`Usage: epaxos ${command}`);
      expect(stdout.toString()).toMatch(/Examples:\n.*epaxos/);
    },
  );

  it('shows stack traces only when asked', async () => {
    vi.stubEnv('EPAXOS_DEBUG', '1');
    const { stderr } = await runCli(['get', '']);
    expect(stderr).toMatch(/^ +at /m);
  });
});

describe('server', () => {
  it('ends with 3 for a configuration that cannot be used, and says what is wrong', async () => {
    const { exitCode, stderr } = await runCli([
      'server',
      '--id',
      '4',
      '--peers',
      '1=a:1,2=b:2',
      '--data-dir',
      'x',
    ]);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/^error: .*peers.*3, 5 or 7 replicas/);
  });

  it('prints the effective configuration and where each setting came from', async () => {
    vi.stubEnv('EPAXOS_CLUSTER', 'blue');
    const peers = '1=a:1,2=b:2,3=c:3';
    const { exitCode, stdout } = await runCli([
      'server',
      '--id',
      '2',
      '--peers',
      peers,
      '--data-dir',
      '/data',
      '--print-config',
    ]);
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toMatch(/│ listen +│ b:2 +│ default +│/);
    expect(stdout.toString()).toMatch(/│ cluster +│ blue +│ environment +│/);
    expect(stdout.toString()).toMatch(/│ dataDir +│ \/data +│ flag +│/);
  });
});

describe('the commands are loaded as they are needed', () => {
  const context = {
    io: { stdin: Readable.from([]), stdout: new PassThrough(), stderr: new PassThrough() },
    setExitCode: () => undefined,
  };
  async function loadedFor(...args: readonly string[]): Promise<string[]> {
    return (await createProgram(context, args)).commands.map((command) => command.name());
  }

  it('one command alone, wherever its name stands', async () => {
    const all = await loadedFor();
    expect(all).toContain('server');
    for (const name of all) {
      if (name === 'completion') continue;
      expect(await loadedFor(name, '--help')).toEqual([name]);
      expect(await loadedFor('--command-timeout', '1s', name, 'put')).toEqual([name]);
    }
  });

  it.each([[['--help']], [['help', 'get']], [['completion', 'bash']], [['puut', 'get']], [['constructor']]])(
    'all of them for %j',
    async (args) => {
      expect(await loadedFor(...args)).toEqual(await loadedFor());
    },
  );
});
