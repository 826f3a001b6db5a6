/** The serializability checker on histories that are known to be good or bad. */
import { describe, expect, test } from 'vitest';
import { Prng } from '../../../src/util/prng.ts';
import { type ClientOperation, checkSerializability, type OrderedWrite } from './serializability.ts';

type Span = readonly [invokedAt: number, answeredAt: number];

const NEVER = Number.POSITIVE_INFINITY;

/**
 * A history being written down. Keys are single letters. Writes are called as their values, which begin with their key;
 * what was seen is the value, or '-' and the key that was not there.
 */
class Story {
  readonly operations: ClientOperation[] = [];
  readonly orders = new Map<string, OrderedWrite[]>();

  /** The next write of a key in the order of its writes. */
  put(value: string, span: Span, ...seen: readonly string[]): this {
    return this.#write(value, { by: this.#add(value, span, seen), value });
  }

  /** @param name begins with the key */
  delete(name: string, span: Span): this {
    return this.#write(name, { by: this.#add(name, span, []), value: null });
  }

  read(name: string, span: Span, ...seen: readonly string[]): this {
    this.#add(name, span, seen);
    return this;
  }

  #write(name: string, write: OrderedWrite): this {
    const order = this.orders.get(keyOf(name)) ?? [];
    this.orders.set(keyOf(name), [...order, write]);
    return this;
  }

  #add(name: string, [invokedAt, answeredAt]: Span, seen: readonly string[]): ClientOperation {
    const reads = seen.map((each) =>
      each.startsWith('-') ? { key: each.slice(1), value: null } : { key: keyOf(each), value: each },
    );
    const operation = { name, invokedAt, answeredAt, reads };
    this.operations.push(operation);
    return operation;
  }
}

function keyOf(value: string): string {
  return value.slice(0, 1);
}

const story = () => new Story();

describe('good histories', () => {
  test.each<[string, Story]>([
    ['nothing', story()],
    ['a read of keys that never were', story().read('r', [1, 2], '-a', '-b')],
    [
      'a snapshot between two writes',
      story().put('a1', [1, 2]).put('b1', [5, 6]).read('r', [3, 4], 'a1', '-b'),
    ],
    [
      'snapshots beside two writes see both, the first, or none',
      story()
        .put('a1', [4, 5])
        .put('b1', [6, 7])
        .read('both', [1, 9], 'a1', 'b1')
        .read('first', [2, 10], 'a1', '-b')
        .read('none', [3, 11], '-a', '-b'),
    ],
    [
      'two snapshots that agree on two writes',
      story().put('a1', [1, 8]).put('b1', [2, 9]).read('r', [3, 4], 'a1', '-b').read('s', [5, 6], 'a1', 'b1'),
    ],
    ['a key that is named twice', story().put('a1', [1, 2]).read('r', [3, 4], 'a1', 'a1')],
    [
      'a write of unknown outcome that took effect late',
      story().put('a1', [1, NEVER]).put('b1', [2, 3]).read('r', [4, 5], '-a', 'b1').read('s', [6, 7], 'a1'),
    ],
    ['an operation that reads what it overwrites', story().put('a1', [1, 2]).put('a2', [3, 4], 'a1')],
  ])('%s', (_, history) => {
    expect(checkSerializability(history)).toEqual({ type: 'serializable' });
  });

  test('a write that never took effect is in no order', () => {
    const { operations } = story().put('a1', [1, NEVER]).read('r', [2, 3], '-a');
    expect(checkSerializability({ operations, orders: new Map() })).toEqual({ type: 'serializable' });
  });
});

describe('bad histories', () => {
  test.each<[string, Story, string[]]>([
    [
      'a torn snapshot: the later of two writes without the earlier',
      story().put('a1', [2, 3]).put('b1', [4, 5]).read('r', [1, 6], '-a', 'b1'),
      ['a1', 'b1', 'r'],
    ],
    [
      'a torn snapshot of values',
      story()
        .put('a1', [1, 2])
        .put('b1', [3, 4])
        .put('a2', [6, 7])
        .put('b2', [8, 9])
        .read('r', [5, 10], 'a1', 'b2'),
      ['a2', 'b2', 'r'],
    ],
    [
      'two snapshots that see two writes in opposite orders',
      story()
        .put('a1', [1, 9])
        .put('b1', [2, 10])
        .read('r', [3, 7], 'a1', '-b')
        .read('s', [4, 8], '-a', 'b1'),
      ['a1', 'b1', 'r', 's'],
    ],
    [
      'gets of single keys that do the same, one after another',
      story()
        .put('a1', [1, NEVER])
        .put('b1', [2, NEVER])
        .read('r1', [3, 4], 'a1')
        .read('r2', [5, 6], '-b')
        .read('s1', [3.5, 4.5], 'b1')
        .read('s2', [5.5, 6.5], '-a'),
      ['a1', 'r1', 's2'],
    ],
    [
      'a write of unknown outcome that is seen, and then not',
      story().put('a1', [1, NEVER]).read('r', [2, 3], 'a1', '-b').read('s', [4, 5], '-a', '-b'),
      ['a1', 'r', 's'],
    ],
    [
      'a snapshot that misses what was answered before it began',
      story().put('a1', [1, 2]).put('b1', [3, 4]).read('r', [5, 6], '-a', 'b1'),
      ['r'],
    ],
    [
      'time that turns around across three keys',
      story()
        .put('a1', [1, 20])
        .put('b1', [2, 21])
        .put('c1', [3, 22])
        .read('r', [4, 5], 'a1', '-b')
        .read('s', [6, 7], 'b1', '-c')
        .read('t', [8, 9], 'c1', '-a'),
      ['a1', 'r', 't'],
    ],
    ['a value that nobody wrote', story().put('a1', [1, 2]).read('r', [3, 4], 'a9'), ['r']],
    [
      'a write that takes effect before it begins',
      story().read('r', [1, 2], 'a1').put('a1', [3, 4]),
      ['a1', 'r'],
    ],
    ['one key in two states', story().put('a1', [1, 4]).read('r', [2, 3], 'a1', '-a'), ['r']],
    ['an order of writes against time', story().put('a1', [3, 4]).put('a2', [1, 2]), ['a1', 'a2']],
  ])('%s', (_, history, expected) => {
    const verdict = checkSerializability(history);
    const found = verdict.type === 'violated' ? verdict.operations.map(({ name }) => name).sort() : [];
    expect(found).toEqual(expected);
  });

  test('the reason tells the way around', () => {
    const history = story().put('a1', [2, 3]).put('b1', [4, 5]).read('r', [1, 6], '-a', 'b1');
    const verdict = checkSerializability(history);
    const reason = verdict.type === 'violated' ? verdict.reason : '';
    // It may begin anywhere.
    for (const step of [
      'a1, which was answered before b1',
      'b1, which wrote b as seen by r',
      'r, which saw a without what was written by a1',
    ]) {
      expect(reason).toContain(step);
    }
  });
});

describe('what was not there', () => {
  const created = () => story().put('a1', [1, 2]).delete('a2', [5, 8]);

  test('may have been seen before a key was first written, or after any delete', () => {
    const history = created().put('a3', [9, 12]).delete('a4', [13, 14]).read('r', [0, 20], '-a');
    expect(checkSerializability(history).type).toBe('serializable');
  });

  test('a snapshot beside a delete fits before and after it', () => {
    const before = created().put('b1', [3, 4]).read('r', [6, 7], 'a1', 'b1');
    expect(checkSerializability(before).type).toBe('serializable');
    const after = created().put('b1', [3, 4]).read('r', [6, 7], '-a', 'b1');
    expect(checkSerializability(after).type).toBe('serializable');
  });

  test('a place that real time excludes does not count', () => {
    // Not after the delete, which begins later, and so before a1.
    const early = created().put('b1', [3, 3.5]).read('r', [0, 4], '-a', 'b1');
    expect(checkSerializability(early).type).toBe('violated');
    // Not before a1, which was answered by then, and so after the delete.
    const late = created().put('b1', [9, 10]).read('r', [3, 11], '-a', 'b1').read('s', [12, 13], 'a1');
    expect(checkSerializability(late).type).toBe('violated');
  });

  test('what is left of several places holds them all together', () => {
    // After one of both deletes, and so after a1, which r did not see.
    const history = story()
      .put('a1', [2, 20])
      .delete('a2', [3, 21])
      .put('a3', [4, 22])
      .delete('a4', [5, 23])
      .put('b1', [1, 24])
      .read('s', [6, 7], 'a3')
      .read('r', [8, 9], '-a', '-b')
      .read('t', [10, 11], '-a', 'b1');
    expect(checkSerializability(history).type).toBe('serializable');
    const earlier = history.read('q', [5.5, 5.8], '-a', 'b1');
    expect(checkSerializability(earlier).type).toBe('violated');
  });

  test('a delete of nothing has its place in the order', () => {
    const history = story().delete('a1', [1, 2]).put('a2', [3, 4]).delete('a3', [5, 6]).delete('a4', [7, 8]);
    expect(checkSerializability(history.read('r', [9, 10], '-a')).type).toBe('serializable');
    expect(checkSerializability(history.read('s', [11, 12], 'a2')).type).toBe('violated');
  });
});

describe('against trying every order', () => {
  test.each([0, 0.4])('short random histories, with so many deletes: %d', (deleteRate) => {
    const prng = new Prng(11);
    const counts = { both: 0, neither: 0, missed: 0 };
    for (let round = 0; round < 4_000; round += 1) {
      const history = randomHistory(prng, deleteRate);
      const isFound = checkSerializability(history).type === 'violated';
      const isBad = !tryEveryOrder(history);
      expect(isFound && !isBad, JSON.stringify([history.operations, ...history.orders])).toBe(false);
      counts[isBad ? (isFound ? 'both' : 'missed') : 'neither'] += 1;
    }

    expect(counts.both).toBeGreaterThan(500);
    expect(counts.neither).toBeGreaterThan(500);
    // Without deletes every state of a key is unique.
    if (deleteRate === 0) expect(counts.missed).toBe(0);
    else expect(counts.missed).toBeLessThan(counts.both / 10);
  });
});

describe('a large history', { timeout: 120_000 }, () => {
  const LENGTH = 100_000;

  /** Writes of two keys in turn and snapshots of both, each beside its neighbours. */
  function largeHistory(): Story {
    const history = story();
    const [a, b]: [OrderedWrite[], OrderedWrite[]] = [[], []];
    for (let index = 0; index < LENGTH; index += 1) {
      const isRead = index % 3 === 2;
      const reads = [
        { key: 'a', value: a.at(-1)?.value ?? null },
        { key: 'b', value: b.at(-1)?.value ?? null },
      ];
      const name = `${index}`;
      const by = { name, invokedAt: 3 * index, answeredAt: 3 * index + 7, reads: isRead ? reads : [] };
      history.operations.push(by);
      if (!isRead) (index % 3 === 0 ? a : b).push({ by, value: index % 30 === 0 ? null : name });
    }
    history.orders.set('a', a).set('b', b);
    return history;
  }

  test('that is good', () => {
    expect(checkSerializability(largeHistory()).type).toBe('serializable');
  });

  test('with one fault in the middle, which is found in few operations', () => {
    const history = largeHistory();
    const [invokedAt, answeredAt] = [LENGTH, 2 * LENGTH];
    const reads = [
      { key: 'a', value: '39999' },
      { key: 'b', value: '60001' },
    ];
    history.operations.push({ name: 'torn', invokedAt, answeredAt, reads });
    const verdict = checkSerializability(history);
    const names = verdict.type === 'violated' ? verdict.operations.map(({ name }) => name) : [];
    expect(names).toContain('torn');
    expect(names).toHaveLength(3);
  });
});

/** A few operations with intervals, an order of what they write, and reads that may or may not fit. */
function randomHistory(prng: Prng, deleteRate: number): Story {
  const instants = shuffled(
    prng,
    Array.from({ length: 14 }, (_, index) => index),
  );
  const history = story();
  const spans = Array.from({ length: prng.integer(3, 6) }, (_, index): Span => {
    const [one = 0, other = 0] = instants.slice(2 * index, 2 * index + 2);
    return [Math.min(one, other), Math.max(one, other)];
  });
  const seen = { a: ['-a'], b: ['-b'] };
  const readers: Span[] = [];
  // Mostly in the order in which they began, or hardly any history would be good.
  if (prng.next() < 0.8) spans.sort(([one], [other]) => one - other);
  for (const [index, span] of spans.entries()) {
    const key = prng.next() < 0.5 ? 'a' : 'b';
    if (prng.next() < 0.5) {
      readers.push(span);
      continue;
    }
    const lasting: Span = [span[0], prng.next() < 0.2 ? NEVER : span[1]];
    const isDelete = seen[key].length > 1 && prng.next() < deleteRate;
    if (isDelete) history.delete(`${key}${index}`, lasting);
    else history.put(`${key}${index}`, lasting);
    if (!isDelete) seen[key].push(`${key}${index}`);
  }
  for (const [index, span] of readers.entries()) {
    const keys = prng.next() < 0.7 ? (['a', 'b'] as const) : ([prng.next() < 0.5 ? 'a' : 'b'] as const);
    history.read(
      `r${index}`,
      span,
      ...keys.map((key) => seen[key][prng.integer(0, seen[key].length - 1)] ?? ''),
    );
  }
  return history;
}

function shuffled<T>(prng: Prng, list: readonly T[]): T[] {
  return list
    .map((element) => ({ element, at: prng.next() }))
    .sort((one, other) => one.at - other.at)
    .map(({ element }) => element);
}

/** The definition itself: some order of all that took effect, in real time and with each key's writes in theirs, explains all reads. */
function tryEveryOrder({ operations, orders }: Story): boolean {
  const writer = new Map<ClientOperation, string>();
  for (const [key, writes] of orders) for (const { by } of writes) writer.set(by, key);
  const go = (left: readonly ClientOperation[], done: ReadonlyMap<string, number>): boolean => {
    if (left.length === 0) return true;
    return left.some((next) => {
      if (left.some(({ answeredAt }) => answeredAt < next.invokedAt)) return false;
      const value = (key: string) => orders.get(key)?.[(done.get(key) ?? 0) - 1]?.value ?? null;
      if (!next.reads.every((read) => value(read.key) === read.value)) return false;
      const key = writer.get(next);
      const rest = left.filter((each) => each !== next);
      if (key === undefined) return go(rest, done);
      const count = done.get(key) ?? 0;
      if (orders.get(key)?.[count]?.by !== next) return false;
      return go(rest, new Map(done).set(key, count + 1));
    });
  };
  return go(operations, new Map());
}
