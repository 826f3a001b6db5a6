/** Lines that others can cause as often as they like: the first at once, then one a minute with a number. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { REPEAT_MS, RepeatedLines } from '../../src/server/repeated-lines.ts';

let told: [kind: string, count: number][] = [];
let repeated: RepeatedLines;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  told = [];
  repeated = new RepeatedLines();
});
afterEach(() => {
  repeated.close();
  vi.useRealTimers();
});

function add(kind: string, times = 1): void {
  for (let time = 0; time < times; time += 1) repeated.add(kind, (count) => told.push([kind, count]));
}

it('tells the first of each kind at once, and the others of the minute as one', () => {
  add('refused', 1000);
  add('violation', 1);
  expect(told).toEqual([
    ['refused', 1],
    ['violation', 1],
  ]);
  vi.advanceTimersByTime(REPEAT_MS);
  expect(told.slice(2)).toEqual([['refused', 999]]);
});

it('goes on with one a minute, and at once again after a minute without', () => {
  add('refused');
  add('refused');
  vi.advanceTimersByTime(REPEAT_MS);
  add('refused', 5);
  expect(told.map(([, count]) => count)).toEqual([1, 1]);
  vi.advanceTimersByTime(2 * REPEAT_MS);
  expect(told.map(([, count]) => count)).toEqual([1, 1, 5]);
  add('refused');
  expect(told.map(([, count]) => count)).toEqual([1, 1, 5, 1]);
});

it('tells the rest when it is closed, and leaves no timer', () => {
  add('refused');
  add('refused', 7);
  repeated.close();
  expect(told.map(([, count]) => count)).toEqual([1, 7]);
  expect(vi.getTimerCount()).toBe(0);
});
