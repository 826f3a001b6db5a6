/** Durations as people type them, and as they are shown. */
import { describe, expect, it } from 'vitest';
import { describeDuration, durationUpTo, parseDuration } from '../../src/cli/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['5', 5000],
    ['5s', 5000],
    ['0.25s', 250],
    ['500ms', 500],
    ['1.5', 1500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    [' 7s ', 7000],
  ])('reads %j as %d ms', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  it.each(['', 's', '0', '0s', '0.1ms', '-1s', '5 s', '5d', '1e3', '5s5', '.5s', 'soon', '25d', '600h'])(
    'refuses %j and says what to write',
    (text) => {
      expect(() => parseDuration(text)).toThrow(
        expect.objectContaining({ code: 'invalidArgument', message: expect.stringContaining('500ms') }),
      );
    },
  );
});

it('refuses what is longer than it may be', () => {
  const parse = durationUpTo(60_000);
  expect([parse('1m'), parse('500ms')]).toEqual([60_000, 500]);
  for (const text of ['61s', '60001ms', '1h'])
    expect(() => parse(text)).toThrow(`"${text}" is too long: at most 60s`);
});

it.each([
  [0, '0s'],
  [0.9, '0s'],
  [59.9, '59s'],
  [60, '1m 0s'],
  [3_599, '59m 59s'],
  [4 * 3_600 + 5 * 60 + 59, '4h 5m'],
  [86_399, '23h 59m'],
  [400 * 86_400 + 3_600, '400d 1h'],
])('shows %d seconds as %s', (seconds, expected) => {
  expect(describeDuration(seconds)).toBe(expected);
});
