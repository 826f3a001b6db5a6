/** How keys are drawn: frequencies against theory, by fixed seeds and with wide bounds. */
import { describe, expect, it } from 'vitest';
import { type KeyOptions, KeySource, keyAt, Zipf } from '../../src/load/index.ts';
import { Prng } from '../../src/util/prng.ts';

const DRAWS = 200_000;

/** How often each key number was drawn. */
function draw(keys: KeyOptions, { client = 0, clients = 1, seed = 7, draws = DRAWS } = {}) {
  const source = new KeySource({ keys, seed, client, clients });
  const counts = new Map<number, number>();
  for (let index = 0; index < draws; index += 1) {
    const number = Number(Buffer.from(source.next()).toString().slice('bench/'.length));
    counts.set(number, (counts.get(number) ?? 0) + 1);
  }
  return counts;
}

it('a key has 16 bytes and a prefix of its own', () => {
  expect(Buffer.from(keyAt(0)).toString()).toBe('bench/0000000000');
  expect(Buffer.from(keyAt(99_999_999)).toString()).toBe('bench/0099999999');
});

it('uniform: every key about as often', () => {
  const counts = draw({ distribution: 'uniform', keys: 20 });
  expect([...counts.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, key) => key));
  for (const count of counts.values()) expect(Math.abs(count / DRAWS - 0.05)).toBeLessThan(0.005);
});

describe.each([0.5, 0.75, 0.99])('Zipf with the exponent %d', (exponent) => {
  it('draws every key as often as it should', () => {
    const keys = 1000;
    const counts = draw({ distribution: 'zipf', keys, exponent });
    const weights = Array.from({ length: keys }, (_, key) => (key + 1) ** -exponent);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    expect(Math.max(...counts.keys())).toBeLessThan(keys);
    for (const key of [0, 1, 2, 9, 99]) {
      const expected = ((weights[key] ?? 0) / total) * DRAWS;
      const actual = counts.get(key) ?? 0;
      expect(Math.abs(actual - expected), `key ${key}`).toBeLessThan(6 * Math.sqrt(expected));
    }
    const tail = [...counts].reduce((sum, [key, count]) => (key >= 500 ? sum + count : sum), 0);
    const expectedTail = weights.slice(500).reduce((sum, weight) => sum + weight, 0) / total;
    expect(Math.abs(tail / DRAWS - expectedTail)).toBeLessThan(0.01);
  });

  it('takes a hundred million keys as well, and a single one', () => {
    const random = new Prng(3);
    const many = new Zipf({ count: 100_000_000, exponent });
    const drawn = Array.from({ length: 10_000 }, () => many.draw(random));
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...drawn)).toBeLessThanOrEqual(100_000_000);
    // The upper half of the keys has the part 1 - 2^(exponent - 1) of the draws.
    const upper = drawn.filter((number) => number > 50_000_000).length / drawn.length;
    const area = (n: number) => (n ** (1 - exponent) - 1) / (1 - exponent);
    const expected = (area(1e8) - area(5e7)) / area(1e8);
    expect(Math.abs(upper - expected)).toBeLessThan(0.03);
    const one = new Zipf({ count: 1, exponent });
    expect(Array.from({ length: 100 }, () => one.draw(random))).toEqual(Array.from({ length: 100 }, () => 1));
  });
});

describe('a hot key', () => {
  it.each([0, 0.02, 0.5, 1])('comes with the probability %d', (conflict) => {
    const counts = draw({ distribution: 'hot', keys: 1001, conflict });
    expect(Math.abs((counts.get(0) ?? 0) / DRAWS - conflict)).toBeLessThan(conflict % 1 === 0 ? 1e-9 : 0.01);
  });

  it('is the only one that clients share', () => {
    const sets = [0, 1, 2].map(
      (client) =>
        new Set(draw({ distribution: 'hot', keys: 31, conflict: 0.5 }, { client, clients: 3 }).keys()),
    );
    const all = sets.flatMap((set) => [...set]);
    expect(all.filter((key) => key === 0)).toHaveLength(3);
    const own = all.filter((key) => key !== 0);
    expect(new Set(own).size).toBe(own.length);
    expect(own).toHaveLength(30);
  });
});

it('the same seed gives the same keys, and every client others', () => {
  const keys: KeyOptions = { distribution: 'uniform', keys: 1_000_000 };
  const few = { draws: 1000 };
  expect(draw(keys, few)).toEqual(draw(keys, few));
  expect(draw(keys, { ...few, client: 1, clients: 2 })).not.toEqual(draw(keys, { ...few, clients: 2 }));
  expect(draw(keys, { ...few, seed: 8 })).not.toEqual(draw(keys, few));
});
