/** The state machine: versions, previous rows, batches, exactly-once. Against a model: model.test.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type KvOperation,
  KvState,
  type OperationResult,
  type RecordedAnswer,
  type Row,
  Sessions,
  type StampedRow,
} from '../../src/kv/index.ts';
import { AnywhereState, anywhere, bytesOf, del, get, put, storedRow, withoutStamp } from './operations.ts';

/** What one batch of operations did. */
interface Applied {
  readonly results: readonly OperationResult[];
  /** The keys written, each with its row. */
  readonly rows: readonly (readonly [key: string, row: Row | null])[];
  /** How many answers the pages hold that were added to. */
  readonly answers: number;
}

/** A replica's state, with a store to which every batch is written. */
class State {
  readonly table = new Map<string, StampedRow>();
  readonly kv = new AnywhereState({ stored: (key) => this.table.get(key), sessions: new Sessions() });

  get sessions(): Sessions {
    return this.kv.sessions;
  }

  row(key: string): Row | undefined {
    const row = this.kv.row(key);
    return row && withoutStamp(row);
  }

  apply(...operations: KvOperation[]): Applied {
    const before = this.sessions.size;
    const results = operations.map((operation) => this.kv.apply(operation));
    const changes = this.kv.takeChanges();
    const rows = Array.from(changes.rows, ([key, row]) => [key, row && withoutStamp(row)] as const);
    for (const [key, row] of changes.rows) {
      if (row === null) this.table.delete(key);
      else this.table.set(key, storedRow(row));
    }
    this.kv.written();
    expect(changes.pages.size > 0).toBe(this.sessions.size > before);
    return { results, rows, answers: this.sessions.size - before };
  }

  /** The result of one operation. */
  result(operation: KvOperation): OperationResult | undefined {
    return this.apply(operation).results[0];
  }
}

describe('put', () => {
  it('counts versions from 1, and starts over after a delete', () => {
    const state = new State();
    expect(state.result(put('a', '1'))).toEqual({ version: 1, value: null, previousVersion: 0 });
    expect(state.result(put('a', '2'))).toEqual({ version: 2, value: null, previousVersion: 0 });
    state.apply(del('a'));
    expect(state.result(put('a', '3'))).toEqual({ version: 1, value: null, previousVersion: 0 });
  });

  it('answers with the row it replaced if asked', () => {
    const state = new State();
    const returnPrevious = true;
    expect(state.result(put('a', '1', { returnPrevious }))).toEqual({
      version: 1,
      value: null,
      previousVersion: 0,
    });
    expect(state.result(put('a', '2', { returnPrevious }))).toEqual({
      version: 2,
      value: bytesOf('1'),
      previousVersion: 1,
    });
  });

  it('keeps the very bytes of the value until it is written, and then a copy', () => {
    const state = new State();
    const arrived = Buffer.from('everything that came together');
    state.kv.apply({ ...put('a', 'everything'), source: arrived, valueStart: 0, valueEnd: 10 });
    expect(state.row('a')?.value.buffer).toBe(arrived.buffer);
    state.apply(put('b', '1'));
    const kept = state.row('a')?.value;
    expect(Buffer.from(kept ?? []).toString()).toBe('everything');
    expect(kept?.buffer).not.toBe(arrived.buffer);
  });

  it('keeps no more rows than some, and finds the others in the store', () => {
    const table = new Map<string, StampedRow>();
    const state = new AnywhereState({ stored: (key) => table.get(key), sessions: new Sessions() });
    const flush = () => {
      for (const [key, row] of state.takeChanges().rows) if (row !== null) table.set(key, row);
      state.written();
    };
    for (let number = 0; number < 70_000; number += 1) state.apply(put(`key ${number}`, 'v'));
    flush();
    table.set('key 0', { value: bytesOf('only in the store'), version: 9, stamp: anywhere() });
    expect(state.read(get('key 0')).version).toBe(9);
  });

  it('keeps what was written over while so many rows were on their way to the store', () => {
    const state = new AnywhereState({ stored: () => undefined, sessions: new Sessions() });
    for (let number = 0; number < 70_000; number += 1) state.apply(put(`key ${number}`, 'v'));
    state.takeChanges();
    state.apply(put('key 0', 'w'));
    state.written();
    expect(state.read(get('key 0'))).toMatchObject({ version: 2, value: bytesOf('w') });
  });

  it('stores an empty value, which is not the same as no row', () => {
    const state = new State();
    state.apply(put('a', ''));
    expect(state.result(get('a'))).toEqual({ version: 1, value: bytesOf(''), previousVersion: 0 });
  });
});

describe('the stamp of a row (R7.14)', () => {
  it('is that of the write that made it, before, while and after it is written', () => {
    const state = new State();
    const [first, second, third] = [anywhere(), anywhere(), anywhere()];
    state.kv.apply(put('a', '1'), first);
    expect(state.kv.row('a')?.stamp).toEqual(first);
    state.kv.apply(get('a'), anywhere());
    state.kv.apply(put('a', '2'), second);
    expect(state.kv.takeChanges().rows.get('a')?.stamp).toEqual(second);
    expect(state.kv.row('a')?.stamp).toEqual(second);
    state.kv.written();
    expect(state.kv.row('a')?.stamp).toEqual(second);
    state.kv.apply(del('a'), anywhere());
    state.kv.apply(put('a', '3'), third);
    expect(state.kv.row('a')).toMatchObject({ version: 1, stamp: third });
  });

  it('does not change where a copy of the request comes, nor on its way through the store', () => {
    const state = new State();
    const request = { client: 'the-same-client!', sequence: 7, generation: 1 };
    const at = anywhere();
    state.kv.apply(put('a', '1', { request }), at);
    state.kv.apply(put('a', '1', { request }), anywhere());
    expect(state.kv.row('a')?.stamp).toEqual(at);
    for (const [key, row] of state.kv.takeChanges().rows) if (row !== null) state.table.set(key, row);
    state.kv.written();
    expect(state.kv.row('a')?.stamp).toEqual(at);
    const again = new KvState({ stored: (key) => state.table.get(key), sessions: new Sessions() });
    expect(again.row('a')?.stamp).toEqual(at);
  });
});

describe('get', () => {
  it('answers version 0 and no value where there is no row', () => {
    expect(new State().result(get('a'))).toEqual({ version: 0, value: null, previousVersion: 0 });
  });

  it('leaves nothing behind', () => {
    const state = new State();
    state.apply(put('a', '1'));
    const applied = state.apply(get('a'));
    expect(applied.results).toEqual([{ version: 1, value: bytesOf('1'), previousVersion: 0 }]);
    expect(applied.rows).toEqual([]);
    expect(applied.answers).toBe(0);
  });

  it('sees the present, also when its request id was seen before', () => {
    const state = new State();
    const read = get('a');
    expect(state.result(read)?.version).toBe(0);
    state.apply(put('a', '1'));
    expect(state.result(read)?.version).toBe(1);
  });
});

describe('delete', () => {
  it('answers the version it removed, and the row if asked', () => {
    const state = new State();
    state.apply(put('a', '1'), put('a', '2'));
    expect(state.result(del('a', { returnPrevious: true }))).toEqual({
      version: 2,
      value: bytesOf('2'),
      previousVersion: 2,
    });
    expect(state.row('a')).toBeUndefined();
  });

  it('writes no row where there was none, but records its answer', () => {
    const applied = new State().apply(del('a', { returnPrevious: true }));
    expect(applied.results).toEqual([{ version: 0, value: null, previousVersion: 0 }]);
    expect(applied.rows).toEqual([]);
    expect(applied.answers).toBe(1);
  });
});

describe('a batch', () => {
  it('lets later operations see earlier ones, and writes each key once', () => {
    const state = new State();
    const applied = state.apply(put('a', '1'), put('b', '1'), get('a'), del('a'), get('a'), put('a', '2'));
    expect(applied.results.map((result) => result.version)).toEqual([1, 1, 1, 1, 0, 1]);
    expect(applied.rows).toEqual([
      ['a', { value: bytesOf('2'), version: 1 }],
      ['b', { value: bytesOf('1'), version: 1 }],
    ]);
  });

  it('is found before, while and after it is written', () => {
    const table = new Map<string, StampedRow>([
      ['b', { value: bytesOf('stored'), version: 4, stamp: anywhere() }],
    ]);
    const state = new AnywhereState({ stored: (key) => table.get(key), sessions: new Sessions() });
    state.apply(put('a', '1'));
    state.apply(del('b'));
    expect(state.row('a')?.version).toBe(1);
    expect(state.row('b')).toBeUndefined();
    const { rows } = state.takeChanges();
    state.apply(put('b', 'again'));
    expect([...rows.keys()]).toEqual(['a', 'b']);
    expect(state.row('a')?.version).toBe(1);
    expect(state.row('b')?.version).toBe(1);
    expect([...state.changedRows().keys()].sort()).toEqual(['a', 'b']);
    state.written();
    expect(state.row('a')?.version).toBe(1);
    expect([...state.takeChanges().rows.keys()]).toEqual(['b']);
    expect(state.row('a')?.version).toBe(1);
  });
});

describe('exactly once (R7.6)', () => {
  const request = { client: 'the-same-client!', sequence: 7, generation: 1 };

  it('answers a second copy from the record, in a later batch', () => {
    const state = new State();
    const first = state.result(put('a', '1', { request, returnPrevious: true }));
    state.apply(put('a', '2'));
    const again = state.apply(put('a', '1', { request, returnPrevious: true }));
    expect(again).toEqual({ results: [first], rows: [], answers: 0 });
    expect(state.row('a')).toEqual({ value: bytesOf('2'), version: 2 });
  });

  it('answers a second copy from the record, in the same batch', () => {
    const state = new State();
    const applied = state.apply(del('a', { request }), put('a', '1'), del('a', { request }));
    expect(applied.results.map((result) => result.version)).toEqual([0, 1, 0]);
    expect(applied.answers).toBe(2);
    expect(state.row('a')?.version).toBe(1);
  });

  it('tells requests apart by client and by sequence', () => {
    const state = new State();
    state.apply(put('a', '1', { request }));
    state.apply(put('a', '2', { request: { ...request, sequence: 8 } }));
    state.apply(put('a', '3', { request: { ...request, client: 'some-other-one!!' } }));
    expect(state.row('a')).toEqual({ value: bytesOf('3'), version: 3 });
  });

  it('keeps no answer of a request that nobody can repeat', () => {
    const state = new State();
    const write = put('a', '1', { request, unrecorded: true });
    expect(state.apply(write).answers).toBe(0);
    expect(state.sessions.size).toBe(0);
    expect(state.result(write)?.version).toBe(2); // nothing would hold a copy back, so there must be none
  });

  it('keeps replicas equal although a client uses one id for two keys, in whatever order they meet them', () => {
    const a = put('a', '1', { request });
    const b = put('b', '1', { request });
    const rowsAfter = (order: readonly KvOperation[]) => {
      const state = new State();
      const results = order.map((operation) => [operation.key, state.result(operation)?.version]);
      return {
        rows: [...state.table].map(([key, row]) => [key, withoutStamp(row)] as const).sort(),
        results: results.sort(),
      };
    };
    // The two touch different keys, so that replicas may execute them in different orders; the retries
    // touch the key of their first copy, so that they come after it everywhere.
    const one = rowsAfter([a, b, a, b]);
    for (const other of [
      [b, a, b, a],
      [a, a, b, b],
      [b, b, a, a],
      [b, a, a, b],
    ]) {
      expect(rowsAfter(other)).toEqual(one);
    }
    expect(one.rows).toEqual([
      ['a', { value: bytesOf('1'), version: 1 }],
      ['b', { value: bytesOf('1'), version: 1 }],
    ]);
  });
});

describe('sessions', () => {
  const request = { client: 'the-same-client!', sequence: 1, generation: 1 };
  const result = { version: 1, value: null, previousVersion: 0 };
  const filled = (answers: readonly RecordedAnswer[]) => {
    const sessions = new Sessions();
    for (const answer of answers) sessions.record(answer);
    return sessions;
  };

  it('start from the pages of the store', () => {
    const sessions = new Sessions(filled([{ request, key: 'a', result }]).pages());
    expect(sessions.find(request, 'a')).toEqual(result);
    expect(sessions.find({ ...request, sequence: 2 }, 'a')).toBeUndefined();
    expect(sessions.find({ ...request, client: 'some-other-one!!' }, 'a')).toBeUndefined();
    expect(sessions.find(request, 'b')).toBeUndefined();
    expect(sessions.size).toBe(1);
  });

  it('keep the whole answer of every request, whatever it says', () => {
    const sequence = fc.oneof(
      fc.integer({ min: 1, max: 200 }),
      fc.maxSafeInteger().filter((n) => n > 0),
    );
    const answer = fc.record({
      request: fc.record({
        client: fc.constantFrom('client-number-01', 'client-number-02'),
        sequence,
        generation: fc.constant(1),
      }),
      key: fc.constantFrom('a', 'b', 'ab', '\xff'),
      result: fc.record({
        version: fc.oneof(
          fc.nat(),
          fc.maxSafeInteger().map(Math.abs),
          fc.constant(2 ** 32 - 1),
          fc.constant(2 ** 32),
        ),
        value: fc.option(fc.uint8Array({ maxLength: 3 })),
        previousVersion: fc.oneof(fc.constant(0), fc.nat()),
      }),
    });
    const name = ({ request: { client, sequence: n }, key }: RecordedAnswer) => `${client}/${n}/${key}`;
    fc.assert(
      fc.property(fc.uniqueArray(answer, { selector: name, maxLength: 60 }), (answers) => {
        const sessions = filled(answers);
        expect(sessions.size).toBe(answers.length);
        for (const each of answers) expect(sessions.find(each.request, each.key)).toEqual(each.result);
        const bytes = answers.reduce((sum, each) => sum + (each.result.value?.length ?? 0), 0);
        expect(sessions.valueBytes).toBe(bytes);
      }),
    );
  });
});
