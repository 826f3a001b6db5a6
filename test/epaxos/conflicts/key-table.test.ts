/** The table of keys against a plain list of what was told: what is forgotten is gone, sooner or later its memory too. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyTable } from '../../../src/epaxos/conflicts/key-table.ts';

const ROWS = [1, 2, 3];
/** So many keys that generations change, and some that everybody touches. */
const MANY = 3_000;

interface Known {
  readonly replica: number;
  readonly slot: number;
  readonly keys: readonly string[];
}

/** A table, and what it was told. Instances are learned in any order in a row, and forgotten in theirs. */
class Bench {
  readonly table = new KeyTable(ROWS.length);
  readonly forgotten = [0, 0, 0];
  known: Known[] = [];

  learn(known: Known): void {
    for (const key of known.keys) {
      const entry = this.table.enter(key);
      entry.add({ ...known, settled: 0 }, { writes: true });
      entry.accessSeq = Math.max(entry.accessSeq, known.slot);
    }
    this.table.learned(known, known.keys.length);
    this.known.push(known);
  }

  /** Forgets one more slot of a row, if anything in it was executed. */
  forget(replica: number): void {
    const row = this.known.filter((each) => each.replica === replica);
    const next = row.reduce<Known | null>(
      (low, each) => (low === null || each.slot < low.slot ? each : low),
      null,
    );
    if (next === null) return;
    this.table.forget(next, next.keys.length);
    this.forgotten[replica - 1] = next.slot;
    this.known = this.known.filter((each) => each !== next);
  }

  expectSame(key: string): void {
    const slots = this.known.filter(({ keys }) => keys.includes(key));
    const entry = this.table.find(key);
    const last = ROWS.map((row) =>
      Math.max(0, ...slots.filter(({ replica }) => replica === row).map(({ slot }) => slot)),
    );
    expect(entry?.lastAccess ?? [0, 0, 0]).toEqual(last);
    for (const { replica, slot } of slots) expect(entry?.isWrittenBy(replica, slot)).toBe(true);
    if (slots.length === 0) expect(entry?.accessSeq ?? 0).toBe(0);
    else expect(entry?.accessSeq).toBeGreaterThanOrEqual(Math.max(...slots.map(({ slot }) => slot)));
  }
}

const own = (name: string) => Array.from({ length: MANY }, (_, number) => `${name}.${number}`);

test('whatever is learned and forgotten, a key has what is known of it', () => {
  const anyKeys = fc.uniqueArray(fc.constantFrom('x', 'y', 'z'), { maxLength: 3 });
  const anyStep = fc.oneof(
    fc.record({ replica: fc.constantFrom(...ROWS), keys: anyKeys, many: fc.boolean(), late: fc.boolean() }),
    fc.constantFrom(...ROWS),
  );
  let generations = 0;
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 40, size: 'max' }), (steps) => {
      const bench = new Bench();
      const highest = [0, 0, 0];
      const gaps: Known[] = [];
      steps.forEach((step, number) => {
        const { younger } = bench.table;
        if (typeof step === 'number') {
          // What is not learned yet is not executed, so nothing behind it is forgotten.
          for (const gap of gaps.splice(0)) bench.learn(gap);
          bench.forget(step);
        } else {
          const { replica, keys, many, late } = step;
          const slot = (highest[replica - 1] ?? 0) + 1;
          highest[replica - 1] = slot;
          const known = { replica, slot, keys: many ? [...keys, ...own(`${number}`)] : keys };
          if (late) gaps.push(known);
          else bench.learn(known);
        }
        if (bench.table.younger !== younger) generations += 1;
        for (const key of ['x', 'y', 'z', '0.1', '1.1', '2.1']) bench.expectSame(key);
      });
    }),
    { numRuns: 60 },
  );
  expect(generations).toBeGreaterThan(20);
});

test('keys that are never touched again do not pile up', () => {
  const bench = new Bench();
  let most = 0;
  for (let slot = 1; slot <= 100; slot += 1) {
    bench.learn({ replica: 1, slot, keys: own(`${slot}`) });
    if (slot > 2) bench.forget(1);
    most = Math.max(most, bench.table.size);
  }
  // Twice what is retained in each generation, and what came before it was forgotten.
  expect(most).toBeLessThan(9 * MANY);
  bench.forget(1);
  bench.forget(1);
  expect(bench.table.retained).toBe(0);
  expect(bench.table.size).toBe(0);
});

test('a key that is touched again and again has one entry through all generations', () => {
  const bench = new Bench();
  const entry = bench.table.enter('x');
  for (let slot = 1; slot <= 50; slot += 1) {
    bench.learn({ replica: 2, slot, keys: ['x', ...own(`${slot}`)] });
    if (slot > 1) bench.forget(2);
    expect(bench.table.find('x')).toBe(entry);
  }
});
