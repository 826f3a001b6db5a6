/** The check of what multi-gets saw of pairs finds what it looks for. */
import { describe, expect, it } from 'vitest';
import { brokenReads, type PairRead } from '../support/pair-load.ts';

function read(counts: readonly [first: number, second: number], answered = [0, 0]): PairRead {
  const [first, second] = counts;
  return { pair: 'p', first, second, answered: { first: answered[0] ?? 0, second: answered[1] ?? 0 } };
}

describe('a read is broken', () => {
  it.each([
    ['it saw the second put and not the first', read([0, 1])],
    ['the first key is from before, the second from after', read([4, 6])],
    ['the second key is from before, the first from after', read([6, 4])],
    ['the first key is older than what was answered', read([4, 4], [5, 4])],
    ['the second key is older than what was answered', read([5, 4], [5, 5])],
  ])('if %s', (_, broken) => {
    expect(brokenReads([read([3, 3]), broken, read([3, 2])])).toEqual([broken]);
  });

  it.each([
    ['nothing was written', read([0, 0])],
    ['the first was', read([1, 0])],
    ['both were', read([1, 1])],
    ['it saw what was answered', read([5, 4], [5, 4])],
    ['it saw more', read([7, 7], [5, 4])],
  ])('but not if %s', (_, whole) => {
    expect(brokenReads([whole])).toEqual([]);
  });
});
