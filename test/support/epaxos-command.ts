/** Runs the built `epaxos` command as a process, the way a shell does. */
import { GroupProcess, PROGRAM } from './child-process.ts';

export interface CommandRun {
  readonly exitCode: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CommandOptions {
  /** What it reads on standard input; nothing if absent. */
  readonly stdin?: Uint8Array;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs a command to its end. */
export async function epaxos(args: readonly string[], options: CommandOptions = {}): Promise<CommandRun> {
  const { stdin = new Uint8Array(0), environment = {} } = options;
  const command = new GroupProcess(process.execPath, [PROGRAM, ...args], { stdio: 'pipe', environment });
  const { stdin: input } = command.child;
  input?.on('error', () => undefined); // it may end without reading
  input?.end(stdin);
  const { code } = await command.exited;
  return { exitCode: code, stdout: command.stdout, stderr: command.stderr };
}
