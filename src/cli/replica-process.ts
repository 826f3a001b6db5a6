/** One replica of a local cluster: a child process of its own that runs `epaxos server`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { createDeferred } from '../util/deferred.ts';
import { REPLICA_ENVIRONMENT, REPLICA_NODE_FLAGS } from './node-flags.ts';

export interface ReplicaProcessOptions {
  readonly id: number;
  /** `host:port` it serves at: its own entry in `peers`. */
  readonly address: string;
  /** The flags of `epaxos server` that make it this replica: enough to start it again by hand. */
  readonly serverFlags: readonly string[];
  readonly dataDir: string;
  /** What it prints and logs is appended here. */
  readonly logFile: string;
}

/** How a process ended; both null: it could not be started at all. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class ReplicaProcess {
  readonly options: ReplicaProcessOptions;
  /** Resolves when the process has ended. */
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  /** Where in the log this process begins: what is before is of earlier runs. */
  readonly #logStart: number;
  #hasExited = false;
  #spawnError = '';

  /** Starts the process. @throws the file system's error if the log cannot be written */
  constructor(options: ReplicaProcessOptions) {
    this.options = options;
    const log = openSync(options.logFile, 'a');
    try {
      this.#logStart = fstatSync(log).size;
      this.#child = spawn(
        process.execPath,
        [...thisProgram(), 'server', ...options.serverFlags, '--exit-with-parent'],
        {
          // It reads the end of its standard input when this process is gone, however that came about.
          stdio: ['pipe', log, log],
          env: { ...REPLICA_ENVIRONMENT, ...process.env },
          // A group of its own: a terminal's Ctrl-C reaches this process only, which then stops its replicas.
          detached: true,
        },
      );
    } finally {
      closeSync(log);
    }
    const exited = createDeferred<Exit>();
    this.exited = exited.promise;
    const end = (exit: Exit) => {
      this.#hasExited = true;
      exited.resolve(exit);
    };
    this.#child.once('exit', (code, signal) => end({ code, signal }));
    this.#child.once('error', (error) => {
      this.#spawnError = error.message;
      if (this.#child.pid === undefined) end({ code: null, signal: null });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return !this.#hasExited;
  }

  /** Sends a signal; nothing happens if the process has ended. */
  kill(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#child.kill(signal);
  }

  /** The last error this process wrote before it ended; empty if there is none. */
  lastError(): string {
    if (this.#spawnError !== '') return this.#spawnError;
    const log = readFileSync(this.options.logFile).subarray(this.#logStart).toString('utf8');
    const errors = log.split('\n').filter((line) => line.startsWith('error: '));
    return errors.at(-1)?.slice('error: '.length) ?? '';
  }

  /** What a person types, in any directory, to run this replica again. */
  restartCommand(): string {
    const words = ['node', ...thisProgram(), 'server', ...this.options.serverFlags];
    return words.map(shellQuoted).join(' ');
  }
}

/** "exit code 1" or "killed by SIGKILL". */
export function formatExit(exit: Exit): string {
  if (exit.signal !== null) return `killed by ${exit.signal}`;
  return exit.code === null ? 'it could not be started' : `exit code ${exit.code}`;
}

/** The very program that runs now, with the flags that Node runs it with: of a flag that is given twice the last one counts. */
function thisProgram(): readonly string[] {
  return [...REPLICA_NODE_FLAGS, ...process.execArgv, ...process.argv.slice(1, 2)];
}

function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
