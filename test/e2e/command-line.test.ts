/** The built command against real replicas: values byte for byte, exit codes, messages, the environment. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/client/index.ts';
import { runCli } from '../cli/run-cli.ts';
import { GroupProcess, PROGRAM } from '../support/child-process.ts';
import { type CommandOptions, type CommandRun, epaxos } from '../support/epaxos-command.ts';
import { freeBasePort } from '../support/free-ports.ts';
import { ProcessCluster } from '../support/process-cluster.ts';

let cluster: ProcessCluster;
beforeAll(async () => {
  cluster = await ProcessCluster.start(3);
});
afterAll(() => cluster.close());
beforeEach(({ onTestFailed }) => onTestFailed(() => void process.stderr.write(cluster.logs())));

/** The command with this cluster's endpoints. */
function run(args: readonly string[], options?: CommandOptions): Promise<CommandRun> {
  return epaxos([...endpointsFlag(), ...args], options);
}

/** The flag that names this cluster. */
function endpointsFlag(): readonly string[] {
  return ['--endpoints', cluster.endpoints.join(',')];
}

/** The command in a line for a shell, with this cluster's endpoints. */
async function shell(line: string): Promise<CommandRun> {
  const environment = { EPAXOS_ENDPOINTS: cluster.endpoints.join(',') };
  const command = new GroupProcess('sh', ['-c', `"$0" "$1" ${line}`, process.execPath, PROGRAM], {
    stdio: 'pipe',
    environment,
  });
  const { code } = await command.exited;
  return { exitCode: code, stdout: command.stdout, stderr: command.stderr };
}

async function succeed(args: readonly string[], options?: CommandOptions): Promise<Buffer> {
  const { exitCode, stdout, stderr } = await run(args, options);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout;
}

/** A failure: its code, nothing on standard output, and a message of one line, with a hint at most. */
function expectFailure(result: CommandRun, failure: { exitCode: number; message: RegExp }): void {
  expect(result).toMatchObject({ exitCode: failure.exitCode, stdout: Buffer.alloc(0) });
  expect(result.stderr).toMatch(
    /^error: [^\n]+\n(?:\(Did you mean [^\n]+\n)?(?:Run epaxos --help [^\n]+\n)?$/,
  );
  expect(result.stderr).toMatch(failure.message);
}

describe('values', () => {
  test.each([
    ['nothing', 0],
    ['some bytes', 1000],
    ['1 MiB', LIMITS.valueBytes],
  ])('%s, from standard input to standard output, byte for byte', async (name, size) => {
    const value = randomBytes(size);
    expect((await succeed(['put', name], { stdin: value })).toString()).toBe('OK\n');
    expect((await succeed(['get', name])).equals(value)).toBe(true);
  });

  test.each([
    ['spaces', 'a key with  spaces '],
    ['unicode', 'Schlüssel 鍵 🗝️'],
    ['a leading dash', '--endpoints'],
    ['a newline', 'two\nlines'],
  ])('a key with %s', async (_, key) => {
    await succeed(['put', '--', key, `-value of ${key}`]); // as a shell hands it over; the rest within this process
    const here = (command: string) => runCli([...endpointsFlag(), command, '--', key]);
    expect((await here('get')).stdout.toString()).toBe(`-value of ${key}`);
    expect((await here('del')).stdout.toString()).toBe('1\n');
    expectFailure(await here('get'), { exitCode: 4, message: /^error: key not found: / });
  });
});

test('several keys are printed as they are at one moment; the missing ones are named', async () => {
  await succeed(['put', 'several 1', 'one']);
  await succeed(['put', 'several 2', 'two']);
  const both = await succeed(['get', 'several 2', 'several 1']);
  expect(both.toString()).toBe('several 2\ntwo\nseveral 1\none\n');
  const { exitCode, stdout, stderr } = await run(['get', '-w', 'json', 'several 1', 'several 3']);
  expect({ exitCode, stderr }).toEqual({ exitCode: 4, stderr: 'error: key not found: several 3\n' });
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  expect(JSON.parse(stdout.toString())).toEqual([
    { key: base64('several 1'), value: base64('one'), version: 1 },
    { key: base64('several 3'), value: null, version: 0 },
  ]);
});

test('values that are too large for one answer are not read at once, but fewer are', async () => {
  const keys = Array.from({ length: 5 }, (_, index) => `wide ${index}`);
  for (const key of keys) await succeed(['put', key], { stdin: Buffer.alloc(LIMITS.valueBytes, 'x') });
  for (const stale of [[], ['--stale']]) {
    const all = await run(['get', ...stale, ...keys]);
    expectFailure(all, { exitCode: 3, message: /more than 4194304 bytes: ask for fewer keys/ });
  }
  const most = await succeed(['get', ...keys.slice(0, LIMITS.answerBytes / LIMITS.valueBytes)]);
  expect(most.length).toBeGreaterThan(LIMITS.answerBytes);
});

describe('wrong input', () => {
  test.each<[what: string, args: readonly string[], exitCode: number, message: RegExp]>([
    ['an unknown flag', ['put', '--lease', '5', 'k', 'v'], 64, /unknown option '--lease'/],
    ['an unknown command', ['puut', 'k', 'v'], 64, /unknown command 'puut'\n.*\bput\b/],
    ['a missing argument', ['put'], 64, /missing required argument 'key'/],
    ['an argument too many', ['del', 'a', 'b'], 64, /too many arguments/],
    ['a missing value of a flag', ['get', 'a', '--command-timeout'], 64, /--command-timeout.* missing/],
    ['a bad duration', ['--command-timeout', 'soon', 'get', 'a'], 3, /"soon" is not a duration/],
    ['a duration of zero', ['--command-timeout', '0s', 'get', 'a'], 3, /"0s" is not a duration/],
    ['a bad format', ['-w', 'xml', 'get', 'a'], 3, /choices are simple, json, table/],
    ['an endpoint without a port', ['--endpoints', 'localhost', 'get', 'a'], 3, /"localhost".*host:port/],
    ['a bad port', ['--endpoints', 'localhost:99999', 'get', 'a'], 3, /"localhost:99999".*1 to 65535/],
    ['no endpoint', ['--endpoints', ',', 'get', 'a'], 3, /endpoints is empty/],
    ['an empty key', ['put', '', 'v'], 3, /key is empty/],
    ['a key that is too long', ['put', 'k'.repeat(LIMITS.keyBytes + 1), 'v'], 3, /4097 bytes.*4096/],
    ['too many keys', ['get', ...new Array<string>(1025).fill('k')], 3, /more than 1024 keys/],
    ['a key that does not exist', ['get', 'no such key'], 4, /key not found: no such key/],
    ['an unknown command with --help', ['puut', '--help'], 64, /unknown command 'puut'/],
    ['--help with an unknown command', ['--help', 'puut'], 64, /unknown command 'puut'/],
    ['help about an unknown command', ['help', 'puut'], 64, /unknown command 'puut'/],
  ])('%s', async (_, args, exitCode, message) => {
    // Within this process: whatever is wrong with the words is found before anything of a process matters.
    const isUsage = ['help', '--help'].includes(args[0] ?? '');
    const endpoints = isUsage ? [] : endpointsFlag();
    expectFailure(await runCli([...endpoints, ...args]), { exitCode, message });
  });

  test('bytes that are not UTF-8', async () => {
    const result = await shell('put "$(printf \'\\377\')" v');
    expectFailure(result, { exitCode: 3, message: /bytes that are not UTF-8.*--hex/ });
  });

  test.each([
    ['a directory', '< /', /standard input is a directory/],
    ['nothing', '< /dev/null', /there is no value/],
    ['a closed stream', '<&-', /there is no value/],
  ])('a value from %s', async (_, redirection, message) => {
    expectFailure(await shell(`put valueless ${redirection}`), { exitCode: 3, message });
    expect((await run(['get', 'valueless'])).exitCode).toBe(4);
  });

  test('no command at all: whoever asks nothing is shown everything', async () => {
    const { exitCode, stdout, stderr } = await epaxos([]);
    expect({ exitCode, stdout: stdout.toString() }).toEqual({ exitCode: 64, stdout: '' });
    expect(stderr).toMatch(/^Usage: epaxos /);
  });

  test('a value that is too large', async () => {
    const result = await run(['put', 'large'], { stdin: Buffer.alloc(LIMITS.valueBytes + 1) });
    expectFailure(result, { exitCode: 3, message: /more than 1048576 bytes/ });
  });

  test('nobody at the endpoints', async () => {
    const endpoint = `127.0.0.1:${await freeBasePort(1)}`;
    const put = await epaxos(['--endpoints', endpoint, '--command-timeout', '1s', 'put', 'a', 'b']);
    expectFailure(put, { exitCode: 2, message: new RegExp(`no replica can be reached.*${endpoint}`) });
    const status = await epaxos(['--endpoints', endpoint, 'status']);
    expect(status.exitCode).toBe(2);
    expect(status.stdout.toString()).toContain(endpoint);
  });
});

describe('output that cannot be written', () => {
  beforeAll(() => succeed(['put', 'output', 'v']));

  test.each(['get output', 'get -w json output', 'put output v', 'status', 'probe', 'del output-2'])(
    '%s > /dev/full',
    async (command) => {
      const result = await shell(`${command} > /dev/full`);
      expectFailure(result, { exitCode: 1, message: /the answer cannot be written: ENOSPC/ });
    },
  );

  test('is no error where its reader has ended', async () => {
    const result = await shell('get output | true');
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('of errors: the exit code tells all the same', async () => {
    expect((await shell('get no-such-key 2> /dev/full')).exitCode).toBe(4);
    expect((await shell('get output 2>&-')).exitCode).toBe(0);
  });
});

describe('the environment', () => {
  test('names the endpoints and the format; a flag beats it', async () => {
    const environment = { EPAXOS_ENDPOINTS: cluster.endpoints.join(','), EPAXOS_WRITE_OUT: 'json' };
    const put = await epaxos(['put', 'environment', 'yes'], { environment });
    expect(JSON.parse(put.stdout.toString())).toMatchObject({ version: 1, previous: null });
    const get = await epaxos(['-w', 'simple', 'get', 'environment'], { environment });
    expect(get.stdout.toString()).toBe('yes');

    const nobody = { EPAXOS_ENDPOINTS: `127.0.0.1:${await freeBasePort(1)}`, EPAXOS_COMMAND_TIMEOUT: '1s' };
    expect((await epaxos(['get', 'environment'], { environment: nobody })).exitCode).toBe(2);
    expect((await succeed(['get', 'environment'], { environment: nobody })).toString()).toBe('yes');
  });

  test('is told by name if it holds what cannot be used', async () => {
    const environment = { EPAXOS_COMMAND_TIMEOUT: 'soon' };
    expectFailure(await run(['get', 'a'], { environment }), {
      exitCode: 3,
      message: /EPAXOS_COMMAND_TIMEOUT/,
    });
    // What a flag overrides is not even looked at.
    await succeed(['--command-timeout', '4s', 'put', 'overridden', 'v'], { environment });
  });
});

describe('without a majority', () => {
  test('a write may yet be applied, a read fails, the status tells, and all is well when one comes back', async () => {
    await succeed(['put', 'before', 'v']);
    await cluster.kill(2, 3);
    const survivor = ['--endpoints', cluster.endpoint(1), '--command-timeout', '1s'];

    const put = await epaxos([...survivor, 'put', 'undecided', 'v']);
    expectFailure(put, {
      exitCode: 6,
      message: /a majority of replicas cannot be reached.*may yet be applied/,
    });
    const get = await epaxos([...survivor, 'get', 'before']);
    expectFailure(get, {
      exitCode: 1,
      message: /no replica served the request within 1000 ms .*a majority of replicas cannot be reached/,
    });
    const status = await epaxos([...survivor, 'status', '--wide']);
    expect(status.exitCode).toBe(1);
    expect(status.stdout.toString()).toMatch(/1 of 3 .*no quorum.*0 of 2/);

    await cluster.startAgain([2]);
    expect((await succeed(['get', 'before'])).toString()).toBe('v');
    // It was told to be unknown: now it is decided, once and for all.
    await cluster.untilConverged();
    const seen = await Promise.all(
      [1, 2].map((id) => epaxos(['--endpoints', cluster.endpoint(id), 'get', 'undecided'])),
    );
    expect(seen.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  });
});
