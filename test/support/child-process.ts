/** Processes that tests start: each in a process group of its own, so that nothing it started outlives the tests. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** The program as people run it; it needs the build. */
export const PROGRAM = fileURLToPath(new URL('../../bin/epaxos.js', import.meta.url));

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartOptions {
  readonly stdio: SpawnOptions['stdio'];
  /** Added to the environment of the tests, from which this program's own variables are taken. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly directory?: string;
}

const running = new Set<GroupProcess>();
process.once('exit', () => {
  for (const one of running) one.signalGroup('SIGKILL');
});

export class GroupProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves when it has ended and its streams are closed. */
  readonly exited: Promise<Exit>;
  readonly #stdout: readonly Buffer[];
  readonly #stderr: readonly Buffer[];
  #hasExited = false;

  /** @throws Error if the process cannot be started */
  constructor(command: string, args: readonly string[], options: StartOptions) {
    this.child = spawn(command, args, {
      stdio: options.stdio,
      detached: true,
      env: { ...withoutOwnVariables(process.env), ...options.environment },
      ...(options.directory === undefined ? {} : { cwd: options.directory }),
    });
    if (this.child.pid === undefined) throw new Error(`${command} cannot be started`);
    this.pid = this.child.pid;
    running.add(this);
    this.#stdout = chunksOf(this.child.stdout);
    this.#stderr = chunksOf(this.child.stderr);
    this.exited = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        this.#hasExited = true;
        running.delete(this);
        resolve({ code, signal });
      });
    });
  }

  get isRunning(): boolean {
    return !this.#hasExited;
  }

  /** What it wrote so far, if that comes through a pipe. */
  get stdout(): Buffer {
    return Buffer.concat(this.#stdout);
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString('utf8');
  }

  /** Sends a signal to the process alone; nothing happens if it has ended. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Sends a signal to everything in its group; nothing happens if nothing is left there. */
  signalGroup(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if (!isNoSuchProcess(error)) throw error;
    }
  }

  /** Ends the whole group at once, and waits. */
  async end(): Promise<void> {
    this.signalGroup('SIGKILL');
    await this.exited;
  }
}

/** Whether a process is at work: one that only waits to be buried is not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (isNoSuchProcess(error)) return false;
    throw error;
  }
  if (process.platform !== 'linux') return true;
  try {
    // The state is the first word behind the name, which stands in brackets.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false; // ended just now
  }
}

function chunksOf(stream: Readable | null): readonly Buffer[] {
  const chunks: Buffer[] = [];
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return chunks;
}

function isNoSuchProcess(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ESRCH';
}

function withoutOwnVariables(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('EPAXOS_')));
}
