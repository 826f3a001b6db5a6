/** SIGTERM at every moment of the start: what was begun is given up in order, and the process ends with 0. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SilentListener } from '../client/fake-replica.ts';
import { CliProcess, freePorts } from './cluster-process.ts';

const PATIENCE = { timeout: 40_000, interval: 5 };
const IN_ORDER = { code: 0, signal: null };

let directory = '';
const running: CliProcess[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'epaxos-stop-'));
});
afterEach(async () => {
  for (const one of running.splice(0)) {
    one.kill('SIGKILL');
    await one.exited;
  }
  rmSync(directory, { recursive: true, force: true });
});

interface Load {
  /** The module at which it gets SIGTERM. */
  readonly signalAt?: string;
  /** The module that it never gets. */
  readonly holdAt?: string;
}

function run(args: readonly string[], { signalAt = '', holdAt = '' }: Load = {}): CliProcess {
  const started = new CliProcess(args, {
    preload: new URL('./signal-at-load.mjs', import.meta.url),
    environment: { SIGNAL_AT: signalAt, HOLD_AT: holdAt },
  });
  running.push(started);
  return started;
}

async function serverFlags(): Promise<string[]> {
  const port = await freePorts(3);
  const peers = [1, 2, 3].map((id) => `${id}=127.0.0.1:${port + id - 1}`).join(',');
  return ['server', '--id', '1', '--peers', peers, '--data-dir', join(directory, 'data')];
}

async function startFlags(): Promise<string[]> {
  return ['start', '--base-port', `${await freePorts(3)}`, '--data-dir', join(directory, 'data')];
}

/** The first package that the program loads, and one that the command needs. */
const MODULES = ['commander', '@grpc/grpc-js'];

describe.each([
  ['epaxos server', serverFlags],
  ['epaxos start', startFlags],
])('%s', (_, flagsOf) => {
  it.each(MODULES)(
    'that is told to stop while it loads %s ends in order, and has begun nothing',
    async (signalAt) => {
      const stopped = run(await flagsOf(), { signalAt });
      expect(await stopped.exited).toEqual(IN_ORDER);
      expect(stopped.stderr).not.toMatch(/error|"msg":"serving"/);
      expect(stopped.stdout).toBe('');
      expect(existsSync(join(directory, 'data'))).toBe(false);
    },
  );

  it('that is told twice to stop while it loads ends at once, with an error', async () => {
    const stopped = run(await flagsOf(), { holdAt: 'commander' });
    await expect.poll(() => stopped.stderr, PATIENCE).toContain('held');
    stopped.kill('SIGTERM');
    // Copies of one request to stop are no second request, so that it may take some.
    await expect
      .poll(() => {
        stopped.kill('SIGTERM');
        return stopped.hasExited;
      }, PATIENCE)
      .toBe(true);
    expect(await stopped.exited).toEqual({ code: 1, signal: null });
  });
});

it.each([
  ['its store is there', (): boolean => existsSync(join(directory, 'data', 'store'))],
  ['it has read the store', ({ stderr }: CliProcess): boolean => stderr.includes('"msg":"store read"')],
  ['it serves', ({ stderr }: CliProcess): boolean => stderr.includes('"msg":"serving"')],
])('epaxos server that is told to stop when %s closes the store, and starts again', async (_, isThere) => {
  const flags = await serverFlags();
  const first = run(flags);
  await expect.poll(() => isThere(first), PATIENCE).toBe(true);
  first.kill('SIGTERM');
  expect(await first.exited).toEqual(IN_ORDER);
  const second = run(flags);
  await expect.poll(() => second.stderr, PATIENCE).toContain('"msg":"serving"');
  second.kill('SIGTERM');
  expect(await second.exited).toEqual(IN_ORDER);
});

it('a command that may end at any moment is ended by the signal that came while it was loaded', async () => {
  const stopped = run(['get', 'a', '--endpoints', '127.0.0.1:1'], { signalAt: 'commander' });
  expect(await stopped.exited).toEqual({ code: null, signal: 'SIGTERM' });
});

describe('epaxos status --watch', () => {
  it.each(MODULES)('that is told to stop while it loads %s ends by itself', async (signalAt) => {
    const stopped = run(['status', '--watch', '--endpoints', '127.0.0.1:1'], { signalAt });
    expect(await stopped.exited).toEqual({ code: 1, signal: null });
    expect([stopped.stdout, stopped.stderr]).toEqual(['', '']);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('ends with the code of the last look at %s', async (signal) => {
    const watching = run(['status', '--watch', '10m', '--endpoints', '127.0.0.1:1']);
    await expect.poll(() => watching.stdout, PATIENCE).toContain('127.0.0.1:1');
    watching.kill(signal);
    expect(await watching.exited).toEqual({ code: 2, signal: null });
  });

  it('does not wait for a replica that says nothing', async () => {
    const silent = await SilentListener.start();
    const watching = run(['status', '--watch', '--command-timeout', '60s', '--endpoints', silent.endpoint]);
    await expect.poll(() => silent.connections, PATIENCE).toBeGreaterThan(0);
    watching.kill('SIGTERM');
    expect(await watching.exited).toEqual({ code: 1, signal: null });
    silent.stop();
  });
});
