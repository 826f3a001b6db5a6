/** Running the container engine's commands. */
import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The repository, where Dockerfile and docker-compose.yml are. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** What the tests run; built by the global setup. */
export const IMAGE = 'epaxos-kv:test';

const COMMAND_TIMEOUT_MS = 120_000;
const execute = promisify(execFile);

/** What is missing, in words; null if containers can be run here. */
export function whyNoEngine(): string | null {
  for (const args of [['info'], ['compose', 'version']]) {
    const { error, status } = spawnSync('docker', args, { stdio: 'ignore', timeout: 30_000 });
    if (error !== undefined || status !== 0) return `"docker ${args.join(' ')}" does not work here`;
  }
  return null;
}

/**
 * Runs a command in the repository's directory.
 * @returns what it wrote to standard output, without the last newline
 * @throws Error with all its output if it fails
 */
export async function command(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  try {
    const { stdout } = await execute(program, [...args], {
      cwd: ROOT,
      env: { ...process.env, ...environment },
      timeout: COMMAND_TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout.replace(/\n$/, '');
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error });
  }
}

export function docker(...args: readonly string[]): Promise<string> {
  return command('docker', args);
}

/** The lines of a command's output. */
export async function dockerLines(...args: readonly string[]): Promise<string[]> {
  return (await docker(...args)).split('\n').filter((line) => line !== '');
}
