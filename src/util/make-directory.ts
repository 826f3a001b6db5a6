/** Making a directory with those above it. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory and what is missing above it. `mkdir` with `recursive` does too, but goes on for ever in a place
 * that says of a new name that there is no such place, as /proc does.
 * @returns the uppermost that was made; undefined: it was there
 * @throws the file system's error
 */
export async function makeDirectory(path: string): Promise<string | undefined> {
  try {
    await mkdir(path);
    return path;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' && dirname(path) !== path) {
      const above = await makeDirectory(dirname(path));
      if (await isDirectory(path)) return above; // another process was quicker
      await mkdir(path);
      return above ?? path;
    }
    if (code === 'EEXIST' && (await isDirectory(path))) return undefined;
    throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
