/** The built program as a process of its own, and what a test needs around it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { PROGRAM } from '../support/child-process.ts';

export interface CliProcessOptions {
  /** A module that is imported before the program. */
  readonly preload?: URL;
  /** Added to the environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

export class CliProcess {
  readonly #child: ChildProcess;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], options: CliProcessOptions = {}) {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('EPAXOS_'));
    const preload = options.preload === undefined ? [] : ['--import', options.preload.href];
    this.#child = spawn(process.execPath, [...preload, PROGRAM, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...Object.fromEntries(own), ...options.environment },
    });
    this.#child.stdout?.on('data', (data) => {
      this.stdout += data;
    });
    this.#child.stderr?.on('data', (data) => {
      this.stderr += data;
    });
    this.exited = once(this.#child, 'close').then(([code, signal]) => ({ code, signal }));
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

/** The pids that `epaxos start` printed, by replica. */
export function pidsIn(output: string): number[] {
  return [...output.matchAll(/ pid (\d+) /g)].map(([, pid]) => Number(pid));
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The first of `count` free ports in a row. */
export async function freePorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const base = 20_000 + Math.floor(Math.random() * 10_000);
    if (await areFree(base, count)) return base;
  }
  throw new Error(`found no ${count} free ports in a row`);
}

/** Whether nobody listens on `count` ports from `base` on. */
export async function areFree(base: number, count: number): Promise<boolean> {
  const ports = Array.from({ length: count }, (_, index) => base + index);
  return (await Promise.all(ports.map(isFree))).every(Boolean);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
