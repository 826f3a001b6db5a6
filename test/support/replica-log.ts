/** The log file of a replica's process: what went wrong in it, and its end. */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

/** Earlier versions, which bench/compare-versions.ts runs, write pino's numbers. */
const LEVELS = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } as const;
const NAMES = Object.keys(LEVELS) as (keyof typeof LEVELS)[];
const LINE = z.object({
  level: z.union([z.number(), z.enum(NAMES).transform((name) => LEVELS[name])]),
});

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
    return !entry.success || entry.data.level >= LEVELS.error;
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
