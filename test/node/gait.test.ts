/** How many ticks a beat stands for. */
import { expect, test } from 'vitest';
import { Gait, gaitFor } from '../../src/node/gait.ts';

const quiet = { ticked: true, isQuiet: true };

test('rests after so many quiet ticks in a row, until something is under way', () => {
  const gait = new Gait({ afterTicks: 3, restTicks: 25 });
  const turns = [quiet, quiet, { ticked: true, isQuiet: false }, quiet, quiet, quiet, quiet];
  expect(turns.map((turn) => [gait.turned(turn), gait.ticks])).toEqual([
    [false, 1],
    [false, 1],
    [false, 1],
    [false, 1],
    [false, 1],
    [true, 25],
    [false, 25],
  ]);
  expect([gait.turned({ ticked: false, isQuiet: false }), gait.ticks]).toEqual([true, 1]);
});

test('counts ticks, not turns, and rests on through turns that leave nothing under way', () => {
  const gait = new Gait({ afterTicks: 1, restTicks: 25 });
  expect(gait.turned({ ticked: false, isQuiet: true })).toBe(false);
  expect(gait.turned(quiet)).toBe(true);
  expect(gait.turned({ ticked: false, isQuiet: true })).toBe(false);
  expect(gait.ticks).toBe(25);
});

test.each([
  [1, 250],
  [10, 25],
  [100, 2],
  [200, 1],
  [1000, 1],
])('ticks of %i ms: at rest %i in a beat', (tickMs, restTicks) => {
  expect(gaitFor(tickMs).restTicks).toBe(restTicks);
});
