/** The check for lost writes finds what it looks for. (That of linearizability has its own tests.) */
import { describe, expect, it } from 'vitest';
import type { HistoryOperation } from '../sim/checkers/linearizability.ts';
import type { Table } from './support/cluster.ts';
import { lostWrites } from './support/verdict.ts';

function put(value: string, invokedAt: number, answeredAt: number): HistoryOperation {
  const result =
    answeredAt === Number.POSITIVE_INFINITY ? null : { version: 1, value: null, previousVersion: 0 };
  return { kind: 'put', key: 'k', value, returnPrevious: true, invokedAt, answeredAt, result };
}

function remove(invokedAt: number, answeredAt: number): HistoryOperation {
  return { ...put('', invokedAt, answeredAt), kind: 'delete', value: null };
}

function tableOf(value: string | null): Table {
  return new Map(value === null ? [] : [['k', { version: 1, value }]]);
}

const NEVER = Number.POSITIVE_INFINITY;

describe('a write is lost', () => {
  it.each([
    ['the last one is not there', [put('a', 1, 2), put('b', 3, 4)], tableOf('a'), 'b'],
    ['nothing is there', [put('a', 1, 2)], tableOf(null), 'a'],
    ['what was deleted is there', [put('a', 1, 2), remove(3, 4)], tableOf('a'), null],
  ])('if %s', (_, history, table, value) => {
    expect(lostWrites(history, table)).toMatchObject([{ value }]);
  });

  it.each([
    ['it is there', [put('a', 1, 2), put('b', 3, 4)], tableOf('b')],
    ['another one was under way beside it', [put('a', 1, 4), put('b', 2, 3)], tableOf('b')],
    ['one of unknown outcome may have come after it', [put('a', 1, NEVER), put('b', 2, 3)], tableOf('a')],
    ['it was a delete and nothing is there', [put('a', 1, 2), remove(3, 4)], tableOf(null)],
  ])('but not if %s', (_, history, table) => {
    expect(lostWrites(history, table)).toEqual([]);
  });
});
