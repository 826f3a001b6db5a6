/** A replica whose log nobody reads: it serves all the same, ends when it is told to, and when it has to. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { GroupProcess, PROGRAM } from '../support/child-process.ts';
import { freeBasePort } from '../support/free-ports.ts';
import { until } from '../support/until.ts';

const directory = mkdtempSync(join(tmpdir(), 'epaxos-stalled-log-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** A pipe that is full: who writes to it waits, or is told to come again. */
class FullPipe {
  /** The end for a process to write to. As shells make it: it waits. */
  readonly end: number;
  readonly #fd: number;

  constructor(path: string) {
    execFileSync('mkfifo', [path]);
    this.#fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    this.end = openSync(path, constants.O_WRONLY);
    try {
      for (;;) writeSync(this.#fd, 'x'.repeat(4096));
    } catch (error) {
      if (!isEagain(error)) throw error;
    }
  }

  /** Everything that is in it now. */
  read(): string {
    const chunks: Buffer[] = [];
    try {
      for (;;) {
        const chunk = Buffer.alloc(65_536);
        chunks.push(chunk.subarray(0, readSync(this.#fd, chunk)));
      }
    } catch (error) {
      if (!isEagain(error)) throw error;
    }
    return Buffer.concat(chunks).toString();
  }

  close(): void {
    closeSync(this.end);
    closeSync(this.#fd);
  }
}

function isEagain(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}

let pipes = 0;
let pipe: FullPipe;
let basePort = 0;
let started: GroupProcess | null = null;
beforeEach(async () => {
  pipes += 1;
  pipe = new FullPipe(join(directory, `pipe-${pipes}`));
  basePort = await freeBasePort(3);
});
afterEach(async () => {
  await started?.end();
  started = null;
  pipe.close();
});

function start(
  args: readonly string[],
  {
    stdout = 'pipe',
    stderr = pipe.end,
  }: { readonly stdout?: 'pipe' | number; readonly stderr?: number } = {},
): GroupProcess {
  started = new GroupProcess(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', stdout, stderr] });
  return started;
}

function serverFlags(dataDir: string): string[] {
  const peers = [1, 2, 3].map((id) => `${id}=127.0.0.1:${basePort + id - 1}`).join(',');
  return ['server', '--id', '1', '--peers', peers, '--data-dir', dataDir, '--log-level', 'trace'];
}

async function untilServing(): Promise<void> {
  const client = connect({ endpoints: `127.0.0.1:${basePort}`, timeoutMs: 1000 });
  await until('the replica serves', async () => (await client.status())[0]?.status).finally(() =>
    client.close(),
  );
}

test('it serves, and SIGTERM ends it', async () => {
  const replica = start(serverFlags(join(directory, 'serving')));
  await untilServing();
  replica.signal('SIGTERM');
  await until('it has ended', () => !replica.isRunning);
  expect(await replica.exited).toEqual({ code: 0, signal: null });
});

test('what it logged comes when it is read again', async () => {
  start(serverFlags(join(directory, 'read-again')));
  await untilServing();
  pipe.read();
  let lines = '';
  await until('its lines come', () => {
    lines += pipe.read();
    return /^\{"level":"info".*"msg":"serving"\}$/m.test(lines);
  });
});

test('an error ends it, though nobody reads which', async () => {
  const dataDir = join(directory, 'foreign');
  mkdirSync(join(dataDir, 'photos'), { recursive: true });
  const replica = start(serverFlags(dataDir));
  await until('it has ended', () => !replica.isRunning);
  expect(await replica.exited).toEqual({ code: 1, signal: null });
});

test('start: SIGTERM ends it and its replicas, though nobody reads what it says', async () => {
  const dataDir = join(directory, 'start');
  const flags = ['start', '--base-port', `${basePort}`, '--data-dir', dataDir];
  const supervisor = start(flags, { stdout: pipe.end });
  await untilServing();
  supervisor.signal('SIGTERM');
  await until('it has ended', () => !supervisor.isRunning);
  expect(await supervisor.exited).toEqual({ code: 0, signal: null });
});

test('the disk of the log is full: it serves, and SIGTERM ends it', async () => {
  const full = openSync('/dev/full', 'w');
  const replica = start(serverFlags(join(directory, 'full')), { stderr: full });
  closeSync(full);
  await untilServing();
  replica.signal('SIGTERM');
  await until('it has ended', () => !replica.isRunning);
  expect(await replica.exited).toEqual({ code: 0, signal: null });
});
