/**
 * .ci/run cannot pass by accident: run in a copy of nothing but itself, with an npm that does what the
 * test says, it must count what the report says and fail for everything else.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ROOT } from './tree.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'ci-run-'));
  cpSync(path.join(ROOT, '.ci'), path.join(directory, '.ci'), { recursive: true });
  mkdirSync(path.join(directory, 'bin'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Report {
  readonly passed: number;
  readonly failed?: number;
  readonly pending?: number;
  readonly todo?: number;
  /** Files that failed without a failed test. */
  readonly brokenFiles?: number;
}

function json(report: Report): string {
  const broken = { status: 'failed', assertionResults: [] };
  const failing = { status: 'failed', assertionResults: [{ status: 'failed' }] };
  return JSON.stringify({
    numPassedTests: report.passed,
    numFailedTests: report.failed ?? 0,
    numPendingTests: report.pending ?? 0,
    numTodoTests: report.todo ?? 0,
    testResults: [
      ...Array.from({ length: report.brokenFiles ?? 0 }, () => broken),
      ...(report.failed ? [failing] : []),
    ],
  });
}

const ONE_PASSES = leave(json({ passed: 1 }));

interface FakeNpm {
  readonly ci?: string;
  readonly test?: string;
  /** `run test:proofs`; if absent, one test passes. */
  readonly proofs?: string;
  /** `run test:containers`; if absent, one test passes. */
  readonly containers?: string;
}

/** Runs it with an npm whose commands are these shell commands. */
function run({ ci = ':', test = ':', proofs = ONE_PASSES, containers = ONE_PASSES }: FakeNpm) {
  const cases = [
    `ci) ${ci} ;;`,
    `test) ${test} ;;`,
    `'run test:proofs') ${proofs} ;;`,
    `'run test:containers') ${containers} ;;`,
    '*) exit 99 ;;',
  ];
  const script = ['#!/bin/sh', 'case "$*" in', ...cases, 'esac', ''].join('\n');
  const file = path.join(directory, 'bin', 'npm');
  writeFileSync(file, script);
  chmodSync(file, 0o755);
  const env = { ...process.env, PATH: `${path.join(directory, 'bin')}:${process.env.PATH ?? ''}` };
  const { status, stdout } = spawnSync(path.join(directory, '.ci', 'run'), {
    env,
    encoding: 'utf8',
    input: 'not to be read',
    timeout: 30_000, // a process that was left behind would hold the output open until then
  });
  return { status, last: stdout.trimEnd().split('\n').at(-1) };
}

/** The shell command that leaves a report and ends with a status. */
function leave(report: string, status = 0): string {
  return `mkdir -p .test-results; printf '%s' '${report}' > .test-results/vitest.json; exit ${status}`;
}

describe('.ci/run', () => {
  test('passes if tests ran and all passed', () => {
    expect(run({ test: leave(json({ passed: 12 })) })).toEqual({ status: 0, last: '14 passed, 0 failed' });
  });

  test('counts failures, files that broke, and tests that were not run', () => {
    expect(run({ test: leave(json({ passed: 12, failed: 3 }), 1) }).last).toBe('14 passed, 3 failed');
    expect(run({ test: leave(json({ passed: 12, brokenFiles: 2 }), 1) }).last).toBe('14 passed, 2 failed');
    expect(run({ test: leave(json({ passed: 12, pending: 1, todo: 1 })) })).toEqual({
      status: 1,
      last: '14 passed, 2 failed',
    });
  });

  test.each([
    ['the installation fails', { ci: 'exit 1', test: leave(json({ passed: 1 })) }, '0 passed, 1 failed'],
    ['types or lint fail before any test', { test: 'exit 1' }, '2 passed, 1 failed'],
    ['there is no report', { test: 'exit 0' }, '2 passed, 1 failed'],
    ['the report cannot be read', { test: leave('{') }, '2 passed, 1 failed'],
    ['no test was run', { test: leave(json({ passed: 0 })) }, '2 passed, 1 failed'],
    ['only the exit status fails', { test: leave(json({ passed: 12 }), 1) }, '14 passed, 1 failed'],
    [
      'a proof fails',
      { test: leave(json({ passed: 12 })), proofs: leave(json({ passed: 2, failed: 1 }), 1) },
      '15 passed, 1 failed',
    ],
    [
      'a container test fails',
      { test: leave(json({ passed: 12 })), containers: leave(json({ passed: 2, failed: 1 }), 1) },
      '15 passed, 1 failed',
    ],
    [
      'no container test was run',
      { test: leave(json({ passed: 12 })), containers: 'exit 0' },
      '13 passed, 1 failed',
    ],
  ])('fails if %s', (_, npm, last) => {
    expect(run(npm)).toEqual({ status: 1, last });
  });

  test('does not believe a report of an earlier run', () => {
    mkdirSync(path.join(directory, '.test-results'));
    writeFileSync(path.join(directory, '.test-results', 'vitest.json'), json({ passed: 12 }));
    expect(run({ test: 'exit 0' })).toEqual({ status: 1, last: '2 passed, 1 failed' });
  });

  test('gives no input and leaves no process behind', () => {
    expect(run({ test: `cat > input; sleep 600 & ${leave(json({ passed: 1 }))}` }).status).toBe(0);
    expect(readFileSync(path.join(directory, 'input'), 'utf8')).toBe('');
  });
});
