/** The simulator's command line, as a process of its own. */
import { execFile, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { bundleSimulator } from './bundle.ts';
import { parseCommand } from './command-line.ts';
import { drawFullOptions } from './full/options.ts';
import { simulateFull } from './full/world.ts';
import { drawOptions } from './options.ts';
import { simulate } from './world.ts';

const PROGRAM = await bundleSimulator(null);
afterAll(() => rmSync(PROGRAM));

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

test('one seed prints its trace hash, the same in every process', async () => {
  const { code, stdout } = await run('--seed', '7', '--replicas', '5');
  expect(code).toBe(0);
  expect(stdout).toContain(`seed 7, N = 5, trace hash ${simulate(drawOptions(7, 5)).hash}\nno violation\n`);
});

test('an output that is closed early ends it without a word', async () => {
  const child = spawn(process.execPath, [PROGRAM, '--seed', '7', '--verbose']);
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  let stderr = '';
  child.stderr.on('data', (bytes) => {
    stderr += bytes;
  });
  child.stdout.once('data', () => child.stdout.destroy());
  expect([await ended, stderr]).toEqual([141, '']);
});

test('npm run sim runs the same in a bundle', async () => {
  const bundled = fileURLToPath(new URL('run.ts', import.meta.url));
  const args = ['--import', 'tsx', bundled, '--seed', '7', '--world', 'full'];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toContain(`, trace hash ${(await simulateFull(drawFullOptions(7, 3))).hash}`);
});

test('--verbose prints the trace', async () => {
  const { stdout } = await run('--seed', '7', '--verbose');
  expect(stdout).toMatch(/\d→\d preAccept 1\.1 command/);
});

test('a sweep over several processes counts what one process counts', async () => {
  const counts = ({ stdout }: { stdout: string }) => stdout.split('\n').slice(1);
  const alone = await run('--seeds', '1..9');
  const spread = await run('--seeds', '1..9', '--workers', '2');
  expect(alone.stdout).toMatch(/^N = 3: 9 seeds in .*, 0 failed\n/);
  expect(counts(spread)).toEqual(counts(alone));
  expect(spread.code).toBe(0);
});

test.each([
  ['--seed', '1'],
  ['--seeds', '1..2'],
  ['--seeds', '1..2', '--workers', '2'],
])('a violation is printed, and the exit code is 1: %s %s', async (...args) => {
  const { code, stdout } = await run(...args, '--sabotage', 'sendBeforeWrite');
  expect(code).toBe(1);
  expect(stdout).toMatch(/^seed 1, N = 3: durability: replica \d sends/m);
});

test.each([
  [[]],
  [['--seed', '1', '--seeds', '1..2']],
  [['--seed', 'x']],
  [['--seeds', '5..1']],
  [['--seed', '1', '--replicas', '4']],
  [['--seeds', '1..2', '--workers', '0']],
  [['--seed', '1', '--sabotage', 'nothing']],
  [['--seed', '1', '--world', 'flat']],
  [['--seed', '1', '--world', 'full', '--sabotage', 'sendBeforeWrite']],
  [['--seed', '1', '--mutant', 'nothing']],
  [['--unknown']],
])('a wrong command line is refused: %j', (args) => {
  expect(() => parseCommand(args)).toThrow();
});

test('a right command line', () => {
  expect(parseCommand(['--seeds', '3..9', '--replicas', '7', '--workers', '2'])).toEqual({
    range: { from: 3, to: 9 },
    isSingle: false,
    kind: { replicas: 7, sabotage: null, world: 'core' },
    verbose: false,
    workers: 2,
    isFirst: false,
    mutant: null,
    isWorker: false,
  });
});

test('a refused command line says why, and the exit code is 2', async () => {
  const { code, stderr } = await run('--seed', '1', '--replicas', '4');
  expect(code).toBe(2);
  expect(stderr).toContain('--replicas is 3, 5 or 7');
  expect(stderr).toContain('usage: sim');
});
