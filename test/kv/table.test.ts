/** A key's cell, found again by what the core keeps of the key. */
import { expect, test } from 'vitest';
import { Table } from '../../src/kv/table.ts';
import type { StampedRow } from '../../src/kv/types.ts';
import { bytesOf } from './operations.ts';

const at = (slot: number) => ({ epoch: 1, id: { replica: 1, slot }, place: 0 });
const extent = (text: string) => ({ source: bytesOf(text), valueStart: 0, valueEnd: text.length });
const handleOf = (key: string) => ({ key, attachment: null as object | null });

/** A table over a store to which it writes. */
function tableOn(stored: Map<string, StampedRow>) {
  const table = new Table((key) => stored.get(key));
  return {
    table,
    put: (key: string, text: string, handle = handleOf(key)) => {
      table.put(table.cell(key, handle), extent(text), at(1));
    },
    flush: () => {
      for (const [key, row] of table.takeChanges()) {
        if (row === null) stored.delete(key);
        else stored.set(key, row);
      }
      table.written();
    },
  };
}

test('is the same with a handle and without, however many handles a key has had', () => {
  const { table } = tableOn(new Map());
  const handle = handleOf('a');
  const cell = table.cell('a', handle);
  expect(handle.attachment).toBe(cell);
  expect(table.cell('a', handle)).toBe(cell);
  expect(table.cell('a')).toBe(cell);
  expect(table.cell('a', handleOf('a'))).toBe(cell);
});

test('is not used any more once the table has let go of it, as its value is too large or gone', () => {
  for (const change of ['large', 'removed']) {
    const { table, put, flush } = tableOn(new Map());
    const handle = handleOf('a');
    put('a', change === 'large' ? 'x'.repeat(2_000) : 'x', handle);
    if (change === 'removed') table.remove(table.cell('a', handle));
    const before = handle.attachment;
    flush();
    expect(table.cell('a', handle)).not.toBe(before);
    put('a', 'new', handle);
    expect(table.row('a')?.version).toBe(change === 'large' ? 2 : 1);
  }
});

test('is not used any more once too many are kept; one that was changed meanwhile is', () => {
  const { table, put, flush } = tableOn(new Map());
  const [idle, busy] = [handleOf('idle'), handleOf('busy')];
  put('idle', 'x', idle);
  put('busy', 'x', busy);
  for (let index = 0; index < 65_536; index += 1) put(`k${index}`, 'x');
  const [ofIdle, ofBusy] = [idle.attachment, busy.attachment];
  const stored = table.takeChanges();
  expect(stored.size).toBe(65_538);
  put('busy', 'y', busy);
  table.written();
  expect(table.cell('busy', busy)).toBe(ofBusy);
  expect(table.cell('idle', idle)).not.toBe(ofIdle);
  flush();
});

test('is never that of another table', () => {
  const handle = handleOf('a');
  const one = tableOn(new Map());
  one.put('a', 'of one', handle);
  const two = tableOn(new Map());
  expect(two.table.cell('a', handle).version).toBe(0);
  expect(two.table.row('a')).toBeUndefined();
});
