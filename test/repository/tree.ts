/** The files of this repository, as its tests about itself see them. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root directory. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Paths from the root, with forward slashes, of every file that is tracked or would be: what .gitignore
 * hides is left out, and so is what was deleted.
 */
export function repositoryFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return [...new Set(listed.split('\0'))].filter((file) => file !== '' && fileExists(file)).sort();
}

/** @param file a path from the root */
export function fileExists(file: string): boolean {
  return existsSync(path.join(ROOT, file));
}

/** @param file a path from the root */
export function readText(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}
