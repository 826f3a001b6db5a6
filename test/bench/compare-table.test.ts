/** What the comparison makes of its rounds: ratios, medians, and whether a bar is met. */
import { describe, expect, it } from 'vitest';
import { type Line, linesOf } from '../../bench/compare-lines.ts';
import { barTable, figureTable, isMet, type LineResult, ratiosOf } from '../../bench/compare-table.ts';
import type { Figures } from '../../bench/measure.ts';

const lines = linesOf({ clients: 2, depth: 10, concurrency: [64], keys: 100 });

function lineNamed(name: string): Line {
  const line = lines.find((one) => one.name === name);
  if (line === undefined) throw new Error(`there is no line ${name}`);
  return line;
}

function figures(perSecond: number, p50 = 1): Figures {
  return {
    label: 'a run',
    perSecond,
    latencyMs: { p50, p99: 10 * p50, p999: 20 * p50 },
    commitMs: null,
    executeMs: null,
    executionDelayMs: null,
    fastPathRatio: null,
    operationsPerInstance: null,
    serverCpuMicroseconds: 3,
    loadCpuMicroseconds: 2,
    residentMib: 100,
    errors: {},
  };
}

/** Rounds of a line, each by what the two sides did a second. */
function throughputs(name: string, ...rounds: readonly (readonly [number, number | null])[]): LineResult {
  return {
    line: lineNamed(name),
    rounds: rounds.map(([first, second]) => ({
      first: figures(first),
      second: second === null ? null : figures(second),
    })),
  };
}

it('takes the median of the ratios of the rounds, not the ratio of the medians', () => {
  const result = throughputs('unary-put', [100, 100], [300, 100], [130, 1000]);
  expect(ratiosOf(result)).toEqual([1, 3, 0.13]);
  expect(isMet(result)).toBe(false);
  expect(barTable([result], null)).toContain(
    '| 130 a second | 100 a second | 1.00 | 0.13 to 3.00 | at least 1.2 | no |',
  );
});

describe('a bar', () => {
  it('is met at its very value, whichever way it goes', () => {
    expect(isMet(throughputs('pipelined-put', [1000, 100]))).toBe(true);
    expect(isMet(throughputs('pipelined-put', [999, 100]))).toBe(false);
    const slow = (ours: number): LineResult => ({
      line: lineNamed('single-put'),
      rounds: [{ first: figures(1, ours), second: figures(1, 2) }],
    });
    expect([isMet(slow(2)), isMet(slow(2.1))]).toEqual([true, false]);
  });

  it('is neither met nor missed without something to compare with', () => {
    const alone = throughputs('pipelined-get', [1000, null]);
    expect(isMet(alone)).toBeNull();
    expect(barTable([alone], null)).toContain('| 1000 a second | - | - | - | at least 10 | - |');
  });

  it('stands for the fast path too', () => {
    expect(barTable([], 1)).toContain('| fast path, 3 replicas | 100 % | - | - | - | 100 % | yes |');
    expect(barTable([], 0.999)).toContain('| 99.9 % | - | - | - | 100 % | no |');
  });
});

it('prints a row for each side that was run, and counts errors', () => {
  const result = throughputs('unary-put', [100, 50], [200, 60], [300, null]);
  const [, failing] = result.rounds;
  Object.assign(failing?.first.errors ?? {}, { overloaded: 3 });
  const rows = figureTable([result]).split('\n').slice(2);
  expect(rows).toEqual([
    '| unary-put | 3 replicas, a run | 200 | 1.00 | 10.0 | 20.0 | - | - | - | - | - | 3.00 | 2.00 | 100 | 3 |',
    '| unary-put | etcd, a run | 60.0 | 1.00 | 10.0 | 20.0 | - | - | - | - | - | 3.00 | 2.00 | 100 | 0 |',
  ]);
});
