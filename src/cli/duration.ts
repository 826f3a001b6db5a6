/** Durations as people type them: `5s`, `500ms`, `2m`, `1h`; a bare number is seconds. */
import { KvError } from '../errors.ts';

const DURATION = /^(?<amount>\d+(?:\.\d+)?)(?<unit>ms|s|m|h)?$/;
const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
/** What a Node timer can hold. */
const MAX_MS = 2 ** 31 - 1;

/** {@link parseDuration} for what may take no longer than this. */
export function durationUpTo(mostMs: number): (text: string) => number {
  return (text) => {
    const durationMs = parseDuration(text);
    if (durationMs <= mostMs) return durationMs;
    throw new KvError('invalidArgument', `"${text}" is too long: at most ${mostMs / UNIT_MS.s}s`);
  };
}

/**
 * The duration in whole milliseconds, at least 1 and at most about 24 days.
 * @throws KvError `invalidArgument`
 */
export function parseDuration(text: string): number {
  const match = DURATION.exec(text.trim())?.groups;
  const unit = (match?.unit ?? 's') as keyof typeof UNIT_MS;
  const durationMs = Math.round(Number(match?.amount) * UNIT_MS[unit]);
  if (!(durationMs >= 1 && durationMs <= MAX_MS)) {
    throw new KvError(
      'invalidArgument',
      `"${text}" is not a duration: write 5s, 500ms or 1m (more than zero)`,
    );
  }
  return durationMs;
}
