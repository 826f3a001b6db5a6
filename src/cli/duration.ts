/** Durations as people type them, `5s`, `500ms`, `2m`, `1h`, a bare number is seconds; and as they are shown. */
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

const PARTS = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const;

/** Its two largest units, rounded down: `3d 4h`, `4h 0m`, `5m 6s`, `7s`. @param seconds at least 0 */
export function describeDuration(seconds: number): string {
  const largest = PARTS.findIndex(([, size]) => seconds >= size);
  const parts = largest < 0 ? PARTS.slice(-1) : PARTS.slice(largest, largest + 2);
  let left = Math.floor(seconds);
  const words = parts.map(([unit, size]) => {
    const amount = Math.floor(left / size);
    left -= amount * size;
    return `${amount}${unit}`;
  });
  return words.join(' ');
}

/** A latency: hundredths below 10 ms, tenths above. */
export function milliseconds(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 1)} ms`;
}
