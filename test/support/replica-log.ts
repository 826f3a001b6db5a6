/** The log file of a replica's process: what went wrong in it, and its end. */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

const LINE = z.object({ level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']) });
const ERROR_LEVELS: readonly string[] = ['error', 'fatal'];

function linesOf(file: string): string[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

/** Every line that no replica writes in good health: errors, and whatever is not a line of the log. */
export function problemsIn(file: string): string[] {
  return linesOf(file).filter((line) => {
    const entry = LINE.safeParse(parsed(line));
    return !entry.success || ERROR_LEVELS.includes(entry.data.level);
  });
}

/** The newest lines. */
export function endOf(file: string, lines = 30): string {
  return linesOf(file).slice(-lines).join('\n');
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
