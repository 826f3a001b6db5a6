/** The linearizability checker on histories that are known to be good or bad. */
import { describe, expect, test } from 'vitest';
import { Prng } from '../../../src/util/prng.ts';
import { checkLinearizability, type HistoryOperation, type SeenResult } from './linearizability.ts';

type Span = readonly [invokedAt: number, answeredAt: number];

function operation(
  kind: HistoryOperation['kind'],
  [invokedAt, answeredAt]: Span,
  fields: { readonly value?: string; readonly key?: string; readonly returnPrevious?: boolean },
  result: Partial<SeenResult> | null,
): HistoryOperation {
  const { value = null, key = 'k', returnPrevious = false } = fields;
  const seen = result && { version: 0, value: null, previousVersion: 0, ...result };
  return { kind, key, value, returnPrevious, invokedAt, answeredAt, result: seen };
}

const put = (span: Span, value: string, version: number) => operation('put', span, { value }, { version });
const get = (span: Span, value: string | null, version: number) =>
  operation('get', span, {}, { value, version });
const remove = (span: Span, version: number) => operation('delete', span, {}, { version });
const lostPut = (invokedAt: number, value: string) =>
  operation('put', [invokedAt, Number.POSITIVE_INFINITY], { value }, null);
const lostDelete = (invokedAt: number) =>
  operation('delete', [invokedAt, Number.POSITIVE_INFINITY], {}, null);

describe('good histories', () => {
  test.each<[string, HistoryOperation[]]>([
    ['nothing', []],
    ['a get of nothing', [get([1, 2], null, 0)]],
    [
      'one after another',
      [put([1, 2], 'a', 1), get([3, 4], 'a', 1), put([5, 6], 'b', 2), get([7, 8], 'b', 2)],
    ],
    [
      'a get beside a put sees the old value',
      [put([1, 2], 'a', 1), put([3, 6], 'b', 2), get([4, 5], 'a', 1)],
    ],
    [
      'a get beside a put sees the new value',
      [put([1, 2], 'a', 1), put([3, 6], 'b', 2), get([4, 5], 'b', 2)],
    ],
    ['puts side by side in the other order', [put([1, 4], 'a', 2), put([2, 3], 'b', 1), get([5, 6], 'a', 2)]],
    [
      'delete starts versions over',
      [put([1, 2], 'a', 1), remove([3, 4], 1), get([5, 6], null, 0), put([7, 8], 'b', 1)],
    ],
    ['delete of nothing', [remove([1, 2], 0), put([3, 4], 'a', 1)]],
    ['a lost put that was never applied', [put([1, 2], 'a', 1), lostPut(3, 'b'), get([4, 5], 'a', 1)]],
    [
      'a lost put that was applied late',
      [lostPut(1, 'b'), put([2, 3], 'a', 1), get([4, 5], 'a', 1), get([6, 7], 'b', 2)],
    ],
    ['a lost put that nobody saw', [lostPut(1, 'b'), put([2, 3], 'a', 2), get([4, 5], 'a', 2)]],
    ['a lost delete', [put([1, 2], 'a', 1), lostDelete(3), get([4, 5], 'a', 1), get([6, 7], null, 0)]],
    ['keys are apart', [put([1, 2], 'a', 1), operation('get', [3, 4], { key: 'other' }, { version: 0 })]],
    [
      'previous values',
      [
        put([1, 2], 'a', 1),
        operation(
          'put',
          [3, 4],
          { value: 'b', returnPrevious: true },
          { version: 2, value: 'a', previousVersion: 1 },
        ),
      ],
    ],
  ])('%s', (_, history) => {
    expect(checkLinearizability(history)).toEqual({ type: 'linearizable' });
  });
});

describe('bad histories', () => {
  test.each<[string, HistoryOperation[]]>([
    ['a stale get', [put([1, 2], 'a', 1), put([3, 4], 'b', 2), get([5, 6], 'a', 1)]],
    ['a get of a value from the future', [get([1, 2], 'a', 1), put([3, 4], 'a', 1)]],
    ['a get of what was never put', [put([1, 2], 'a', 1), get([3, 4], 'x', 1)]],
    ['a lost update', [put([1, 2], 'a', 1), put([3, 4], 'b', 1), get([5, 6], 'b', 1)]],
    ['a put applied twice', [put([1, 2], 'a', 1), put([3, 4], 'b', 3)]],
    [
      'two gets that disagree on the order',
      [put([1, 9], 'a', 1), put([2, 8], 'b', 2), get([3, 4], 'b', 2), get([5, 6], 'a', 1)],
    ],
    [
      'old after new beside a put',
      [put([1, 2], 'a', 1), put([3, 9], 'b', 2), get([4, 5], 'b', 2), get([6, 7], 'a', 1)],
    ],
    [
      'a lost put that is seen and then not',
      [put([1, 2], 'a', 1), lostPut(3, 'b'), get([4, 5], 'b', 2), get([6, 7], 'a', 1)],
    ],
    ['a lost put that is seen before it began', [get([1, 2], 'b', 1), lostPut(3, 'b')]],
    ['a lost put that counts twice', [lostPut(1, 'b'), put([2, 3], 'a', 3)]],
    ['an acknowledged put that is gone', [put([1, 2], 'a', 1), get([3, 4], null, 0)]],
    ['a delete that removed nothing', [put([1, 2], 'a', 1), remove([3, 4], 0)]],
    [
      'a wrong previous value',
      [
        put([1, 2], 'a', 1),
        operation(
          'put',
          [3, 4],
          { value: 'b', returnPrevious: true },
          { version: 2, value: 'x', previousVersion: 1 },
        ),
      ],
    ],
  ])('%s', (_, history) => {
    expect(checkLinearizability(history)).toMatchObject({ type: 'violated', key: 'k' });
  });

  test('only one key of many', () => {
    const history = [put([1, 2], 'a', 1), get([3, 4], 'a', 1)].map((each) => ({ ...each, key: 'good' }));
    expect(checkLinearizability([...history, get([5, 6], 'x', 7)])).toMatchObject({
      type: 'violated',
      key: 'k',
    });
  });
});

describe('against trying every order', () => {
  test('short random histories', () => {
    const prng = new Prng(7);
    const verdicts = { linearizable: 0, violated: 0, undecided: 0 };
    for (let round = 0; round < 3_000; round += 1) {
      const history = randomHistory(prng);
      const verdict = checkLinearizability(history).type;
      verdicts[verdict] += 1;
      expect(verdict, JSON.stringify(history)).toBe(tryEveryOrder(history) ? 'linearizable' : 'violated');
    }
    expect(verdicts.linearizable).toBeGreaterThan(300);
    expect(verdicts.violated).toBeGreaterThan(300);
  });
});

test('a search that takes too long is given up, and says so', () => {
  const history = Array.from({ length: 24 }, (_, index) => lostPut(index, `lost ${index}`));
  const seen = Array.from({ length: 12 }, (_, index) =>
    get([100 + index, 200 + index], `lost ${index}`, index + 20),
  );
  expect(checkLinearizability([...history, ...seen], 200)).toEqual({ type: 'undecided', keys: ['k'] });
});

/** A few operations with intervals and answers that may or may not fit together. */
function randomHistory(prng: Prng): HistoryOperation[] {
  const instants = Array.from({ length: 12 }, (_, index) => index).sort(() => prng.next() - 0.5);
  let writes = 0;
  return Array.from({ length: prng.integer(2, 5) }, (_, index) => {
    const [one = 0, other = 0] = instants.slice(2 * index, 2 * index + 2);
    const span: Span = [Math.min(one, other), Math.max(one, other)];
    const kind = prng.integer(0, 9);
    if (kind < 5) {
      writes += 1;
      const value = `v${index}`;
      return prng.next() < 0.3
        ? lostPut(span[0], value)
        : put(span, value, prng.integer(1, Math.max(1, writes)));
    }
    if (kind < 7) return prng.next() < 0.4 ? lostDelete(span[0]) : remove(span, prng.integer(0, 1));
    const version = prng.integer(0, 2);
    return get(span, version === 0 ? null : `v${prng.integer(0, 4)}`, version);
  });
}

/** The definition itself: some order of all answered and some lost operations, in real time, explains all answers. */
function tryEveryOrder(
  history: readonly HistoryOperation[],
  version = 0,
  value: string | null = null,
): boolean {
  if (history.every(({ result }) => result === null)) return true;
  return history.some((next) => {
    if (history.some(({ answeredAt }) => answeredAt < next.invokedAt)) return false;
    const rest = history.filter((each) => each !== next);
    const { kind, result } = next;
    if (kind === 'get') {
      const fits = result === null || (result.version === version && result.value === value);
      return fits && tryEveryOrder(rest, version, value);
    }
    const expected = kind === 'put' ? version + 1 : version;
    if (result !== null && result.version !== expected) return false;
    return kind === 'put' ? tryEveryOrder(rest, expected, next.value) : tryEveryOrder(rest, 0, null);
  });
}
