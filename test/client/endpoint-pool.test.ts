/** Which endpoint is tried: one that serves, and of those the nearest. */
import { describe, expect, it } from 'vitest';
import { EndpointPool } from '../../src/client/endpoint-pool.ts';
import { isClearlyNearer, RoundTrips } from '../../src/client/round-trip.ts';
import { AssertionError } from '../../src/util/assert.ts';
import { FakeTarget } from './request-world.ts';

function poolOf(roundTripsMs: readonly number[]) {
  const clock = { nowMs: 0 };
  const targets = roundTripsMs.map((roundTripMs, index) => {
    const target = new FakeTarget('abcde'.charAt(index));
    target.roundTripMs = roundTripMs;
    return target;
  });
  const pool = new EndpointPool(targets, () => clock.nowMs);
  const at = (index: number) => targets[index] as FakeTarget;
  return { pool, clock, at, first: () => pool.first().address };
}

const UNKNOWN = Number.POSITIVE_INFINITY;

describe('the order of endpoints', () => {
  it('skips none and repeats none while requests side by side fail at the same one', () => {
    const { pool, at } = poolOf([UNKNOWN, UNKNOWN, UNKNOWN]);
    pool.failed(at(0));
    pool.failed(at(0));
    expect(pool.first()).toBe(at(1));
    expect(pool.next([at(0)])).toBe(at(1));
    expect(pool.next([at(0), at(1)])).toBe(at(2));
    expect(pool.next([at(1), at(2)])).toBe(at(0));
  });

  it('goes to the nearest that serves when the preferred one fails', () => {
    const { pool, at, first } = poolOf([1, 50, 20, 10]);
    pool.failed(at(3));
    pool.failed(at(0));
    expect(first()).toBe('c');
  });

  it('prefers whoever serves where the others have all failed', () => {
    const { pool, at, first } = poolOf([UNKNOWN, UNKNOWN, UNKNOWN]);
    for (const index of [0, 1, 2]) pool.failed(at(index));
    pool.served(at(2));
    expect(first()).toBe('c');
    pool.served(at(0));
    expect(first()).toBe('c');
  });
});

it('a pool without endpoints is refused', () => {
  expect(() => poolOf([])).toThrow(AssertionError);
});

describe('the nearest endpoint', () => {
  it('is moved to when it is clearly nearer, and only then', () => {
    const { pool, at, first } = poolOf([100, 99, 10]);
    expect(first()).toBe('a');
    pool.preferNearest();
    expect(first()).toBe('c');
    at(0).roundTripMs = 8;
    pool.preferNearest();
    expect(first()).toBe('c');
  });

  it('is not looked for as long as it is unknown how far the present one is', () => {
    const { pool, first } = poolOf([UNKNOWN, 10, 20]);
    pool.preferNearest();
    expect(first()).toBe('a');
  });

  it('is tried by one request before all go back to it after a failure, and less and less often', () => {
    const { pool, at, clock, first } = poolOf([1, 50, 100]);
    pool.failed(at(0));
    pool.preferNearest();
    expect([first(), first()]).toEqual(['b', 'b']);
    for (const waitMs of [5000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
      clock.nowMs += waitMs - 1;
      pool.preferNearest();
      expect(first()).toBe('b');
      clock.nowMs += 1;
      pool.preferNearest();
      expect([first(), first()]).toEqual(['a', 'b']);
      pool.failed(at(0));
    }
    clock.nowMs += 60_000;
    pool.preferNearest();
    expect(first()).toBe('a');
    pool.served(at(0));
    expect(first()).toBe('b');
    pool.preferNearest();
    expect([first(), first()]).toEqual(['a', 'a']);
  });
});

it('an endpoint is left for no longer where many requests fail at it side by side', () => {
  const { pool, at, clock, first } = poolOf([1, 50, 100]);
  for (let request = 0; request < 3; request += 1) pool.failed(at(0));
  clock.nowMs += 5000;
  pool.preferNearest();
  expect([first(), first()]).toEqual(['a', 'b']);
});

describe('isClearlyNearer', () => {
  it.each([
    [10, 100, true, true],
    [69, 100, true, true],
    [71, 100, false, false],
    [0.1, 2, false, false],
    [0.1, 2.2, true, false],
    [1, 20, true, false],
    [1, 21, true, true],
    [UNKNOWN, 100, false, false],
    [10, UNKNOWN, false, false],
    [UNKNOWN, UNKNOWN, false, false],
  ])('%d ms instead of %d ms: %s; with few samples: %s', (roundTripMs, presentMs, ...expected) => {
    const isNearer = (isSettled: boolean) =>
      isClearlyNearer(roundTripMs, { roundTripMs: presentMs, isSettled });
    expect([isNearer(true), isNearer(false)]).toEqual(expected);
  });
});

describe('RoundTrips', () => {
  it('tells the shortest of the last ones, once there are a few', () => {
    const trips = new RoundTrips();
    for (const ms of [5, 9]) trips.add(ms);
    expect(trips.shortestMs).toBe(UNKNOWN);
    trips.add(7);
    expect(trips.shortestMs).toBe(5);
    for (let index = 0; index < 26; index++) trips.add(8);
    expect(trips.isSettled).toBe(false);
    for (let index = 0; index < 3; index++) trips.add(8);
    expect(trips.isSettled).toBe(true);
    expect(trips.shortestMs).toBe(7);
    trips.add(8);
    expect(trips.shortestMs).toBe(8);
    trips.clear();
    expect(trips.shortestMs).toBe(UNKNOWN);
    expect(trips.isSettled).toBe(false);
  });
});
