/** The loop's log: nowhere, or in the printed trace. */
import type { NodeOptions } from '../../../src/node/index.ts';

type Logger = NodeOptions['logger'];

/** @param print takes a line; null for none */
export function silentLogger(print: ((line: string) => void) | null): Logger {
  const log = (first: unknown, second?: string) => {
    if (print === null) return;
    const fields = typeof first === 'string' ? '' : ` ${JSON.stringify(first, errorsAsText)}`;
    print(`log: ${second ?? String(first)}${fields}`);
  };
  // What the loop uses of it.
  const logger = { debug: log, info: log, warn: log, error: log, fatal: log };
  return logger as unknown as Logger;
}

function errorsAsText(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}
