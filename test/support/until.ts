/** Waiting for a condition: asked again and again until it holds, with a deadline that only a fault reaches. */
import { setTimeout as pause } from 'node:timers/promises';

const INTERVAL_MS = 25;
const DEFAULT_TIMEOUT_MS = 30_000;

type Truthy<T> = Exclude<T, false | null | undefined | 0 | ''>;

/**
 * Asks until the answer is truthy, and returns it. An error counts as "not yet".
 * @param what the condition in words, for the message
 * @throws Error with the condition and the last error, if there was one, when the time is over
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<Truthy<T>> {
  const giveUpMs = performance.now() + timeoutMs;
  let last: unknown;
  do {
    try {
      last = undefined;
      const answer = await probe();
      if (answer) return answer as Truthy<T>;
    } catch (error) {
      last = error;
    }
    await pause(INTERVAL_MS);
  } while (performance.now() < giveUpMs);
  const reason = last instanceof Error ? `: ${last.message}` : '';
  throw new Error(`waited ${timeoutMs} ms in vain until ${what}${reason}`, { cause: last });
}

/** Waits for what happens. @throws Error with `what`, in words, when the time is over */
export async function inTime<T>(
  what: string,
  happens: Promise<T>,
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${timeoutMs} ms in vain until ${what}`)), timeoutMs);
  });
  return Promise.race([happens, late]).finally(() => clearTimeout(timer));
}
