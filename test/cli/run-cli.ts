/** Runs the command line inside the test's own process, with streams that can be read afterwards. */
import { PassThrough, Readable } from 'node:stream';
import type { ExitCode } from '../../src/cli/exit-codes.ts';
import { run } from '../../src/cli/program.ts';

export interface CliRun {
  readonly exitCode: ExitCode;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CliOptions {
  readonly stdin?: Readable;
  readonly isTerminal?: boolean;
}

export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const stdout = Object.assign(new PassThrough({ highWaterMark: 2 ** 30 }), {
    isTTY: options.isTerminal ?? false,
  });
  const stderr = new PassThrough({ highWaterMark: 2 ** 30 });
  const exitCode = await run(args, { stdin: options.stdin ?? Readable.from([]), stdout, stderr });
  return { exitCode, stdout: contentOf(stdout), stderr: contentOf(stderr).toString('utf8') };
}

function contentOf(stream: PassThrough): Buffer {
  return (stream.read() as Buffer | null) ?? Buffer.alloc(0);
}
