/** Multi-gets in the simulator: what its naive state machine demands of them, and what is written into the history. */

import { describe, expect, test } from 'vitest';
import { Command } from '../../src/epaxos/index.ts';
import type { KvOperation, OperationResult, Row } from '../../src/kv/index.ts';
import { getOperation, multiGetOperation, putOperation } from '../support/kv-operations.ts';
import { Effects } from './checkers/effects.ts';
import { checkLinearizability } from './checkers/linearizability.ts';
import { checkSerializability } from './checkers/serializability.ts';
import { Violation } from './checkers/violation.ts';
import { History } from './history.ts';
import { drawOptions } from './options.ts';

const CLIENT = 'client'.padEnd(16);
const NOTHING: OperationResult = { version: 0, value: null, previousVersion: 0 };

function put(key: string, sequence: number): KvOperation {
  const value = Buffer.from(`value ${sequence}`);
  const request = { client: CLIENT, sequence, generation: 1 };
  return putOperation({ request, key: Buffer.from(key), value, returnPrevious: false });
}

function get(key: string, sequence: number): KvOperation {
  return getOperation({ request: { client: CLIENT, sequence, generation: 1 }, key: Buffer.from(key) });
}

function multiGet(keys: readonly string[], sequence: number): KvOperation {
  const request = { client: CLIENT, sequence, generation: 1 };
  return multiGetOperation({ request, keys: keys.map((key) => Buffer.from(key)) });
}

function row(sequence: number, version = 1): Row {
  return { value: Buffer.from(`value ${sequence}`), version };
}

describe('effects', () => {
  /** What is said of the answer of a multi-get of three keys, of which one exists. */
  function judged(rows: OperationResult['rows']): string | null {
    const effects = new Effects(1);
    const execute = (operation: KvOperation, result: OperationResult, slot: number) => {
      const execution = { id: { replica: 1, slot }, command: new Command([operation]) };
      effects.executed(1, { executions: [execution], results: [result], rows: new Map() });
    };
    execute(put('a', 1), { ...NOTHING, version: 1 }, 1);
    try {
      execute(multiGet(['b', 'a', 'b'], 2), rows === undefined ? NOTHING : { ...NOTHING, rows }, 2);
      return null;
    } catch (error) {
      if (error instanceof Violation) return error.check;
      throw error;
    }
  }

  test('a row for each key, or none where nobody waits', () => {
    expect(judged([null, row(1), null])).toBeNull();
    expect(judged(undefined)).toBeNull();
  });

  test.each<[string, OperationResult['rows']]>([
    ['another version', [null, row(1, 2), null]],
    ['another value', [null, row(3), null]],
    ['a row too many', [row(1), row(1), null]],
    ['a row too few', [null, null, null]],
    ['fewer rows than keys', [null, row(1)]],
    ['another order', [row(1), null, null]],
  ])('%s', (_, rows) => {
    expect(judged(rows)).toBe('effects');
  });

  test('the order of the writes of each key, each request once', () => {
    const effects = new Effects(1);
    const operations = [put('a', 1), put('b', 2), get('a', 3), put('a', 4), put('a', 1)];
    const versions = [1, 1, 1, 2, 1];
    effects.executed(1, {
      executions: [{ id: { replica: 1, slot: 1 }, command: new Command(operations) }],
      results: versions.map((version, index) => ({
        ...NOTHING,
        version,
        value: index === 2 ? row(1).value : null,
      })),
      rows: new Map(),
    });
    const requests = [...effects.writes(1)].map(([key, writes]) => [
      key,
      writes.map(({ request }) => request),
    ]);
    expect(requests).toEqual([
      ['a', [`${CLIENT}/1`, `${CLIENT}/4`]],
      ['b', [`${CLIENT}/2`]],
    ]);
  });
});

describe('the history', () => {
  /** Puts to a and then b, and a multi-get beside both. */
  function history(rows: readonly (Row | null)[] | undefined): History {
    const written = new History();
    const read = written.begin(multiGet(['a', 'b'], 1));
    for (const operation of [put('a', 2), put('b', 3)]) {
      written.answer(written.begin(operation), { ...NOTHING, version: 1 });
    }
    written.answer(read, rows === undefined ? NOTHING : { ...NOTHING, rows });
    return written;
  }

  const orders = new Map(
    ['a', 'b'].map((key, index) => [
      key,
      [{ request: `${CLIENT}/${index + 2}`, value: row(index + 2).value }],
    ]),
  );
  const verdicts = (written: History) => [
    checkLinearizability(written.operations()).type,
    checkSerializability(written.transactions(orders)).type,
  ];

  test('a multi-get is a get of each of its keys, and one operation on all of them', () => {
    expect(verdicts(history([null, null]))).toEqual(['linearizable', 'serializable']);
    expect(verdicts(history([row(2), null]))).toEqual(['linearizable', 'serializable']);
    expect(verdicts(history([row(2), row(3)]))).toEqual(['linearizable', 'serializable']);
    expect(verdicts(history([null, row(3)]))).toEqual(['linearizable', 'violated']);
    expect(verdicts(history([row(2), row(4)]))).toEqual(['violated', 'violated']);
  });

  test('a multi-get that was not answered saw nothing', () => {
    const written = history([null, null]);
    written.giveUp(written.begin(multiGet(['a', 'b'], 9)), 'unknown');
    written.giveUp(written.begin(put('b', 10)), 'notApplied');
    expect(verdicts(written)).toEqual(['linearizable', 'serializable']);
    expect(written.transactions(orders).operations.at(-2)).toMatchObject({
      name: 'multiGet a,b (client/9)',
      reads: [],
    });
  });

  test('an answer without a row for each key is refused', () => {
    expect(() => history([null]).operations()).toThrow('a row for each key');
    expect(() => history(undefined).operations()).toThrow('a row for each key');
  });
});

test('there are worlds with multi-gets and worlds without', () => {
  const rates = Array.from({ length: 100 }, (_, seed) => drawOptions(seed, 3).workload.multiGetRate);
  expect(rates.filter((rate) => rate === 0).length).toBeGreaterThan(25);
  expect(rates.filter((rate) => rate > 0).length).toBeGreaterThan(25);
});
