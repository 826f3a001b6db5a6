/** The state machine: versions, previous rows, batches, exactly-once; and against a model. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Applied,
  answerId,
  applyOperations,
  type KvOperation,
  type OperationResult,
  type Row,
  Sessions,
  type StateView,
} from '../../src/kv/index.ts';
import { bytesOf, del, describeOperation, get, put } from './operations.ts';

/** A replica's state: what is applied to it stays. */
class State implements StateView {
  readonly table = new Map<string, Row>();
  readonly sessions = new Sessions();

  row(key: string): Row | undefined {
    return this.table.get(key);
  }

  apply(...operations: KvOperation[]): Applied {
    const applied = applyOperations(this, operations);
    for (const { key, row } of applied.rows) {
      if (row === null) this.table.delete(key);
      else this.table.set(key, row);
    }
    this.sessions.record(applied.answers);
    return applied;
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

  it('keeps the very bytes of the value', () => {
    const state = new State();
    const operation = put('a', '1');
    state.apply(operation);
    expect(state.row('a')?.value).toBe(operation.value);
  });

  it('stores an empty value, which is not the same as no row', () => {
    const state = new State();
    state.apply(put('a', ''));
    expect(state.result(get('a'))).toEqual({ version: 1, value: bytesOf(''), previousVersion: 0 });
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
    expect(applied.answers).toEqual([]);
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
    expect(applied.answers).toHaveLength(1);
  });
});

describe('a batch', () => {
  it('lets later operations see earlier ones, and writes each key once', () => {
    const state = new State();
    const applied = state.apply(put('a', '1'), put('b', '1'), get('a'), del('a'), get('a'), put('a', '2'));
    expect(applied.results.map((result) => result.version)).toEqual([1, 1, 1, 1, 0, 1]);
    expect(applied.rows).toEqual([
      { key: 'a', row: { value: bytesOf('2'), version: 1 } },
      { key: 'b', row: { value: bytesOf('1'), version: 1 } },
    ]);
  });

  it('changes nothing of the state it is given', () => {
    const sessions = new Sessions();
    applyOperations({ row: () => undefined, sessions }, [put('a', '1')]);
    expect(sessions.size).toBe(0);
  });
});

describe('exactly once (R7.6)', () => {
  const request = { client: 'the-same-client!', sequence: 7 };

  it('answers a second copy from the record, in a later batch', () => {
    const state = new State();
    const first = state.result(put('a', '1', { request, returnPrevious: true }));
    state.apply(put('a', '2'));
    const again = state.apply(put('a', '1', { request, returnPrevious: true }));
    expect(again).toEqual({ results: [first], rows: [], answers: [] });
    expect(state.row('a')).toEqual({ value: bytesOf('2'), version: 2 });
  });

  it('answers a second copy from the record, in the same batch', () => {
    const state = new State();
    const applied = state.apply(del('a', { request }), put('a', '1'), del('a', { request }));
    expect(applied.results.map((result) => result.version)).toEqual([0, 1, 0]);
    expect(applied.answers).toHaveLength(2);
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
    expect(state.apply(write).answers).toEqual([]);
    expect(state.sessions.size).toBe(0);
    expect(state.result(write)?.version).toBe(2); // nothing would hold a copy back, so there must be none
  });

  it('keeps replicas equal although a client uses one id for two keys, in whatever order they meet them', () => {
    const a = put('a', '1', { request });
    const b = put('b', '1', { request });
    const rowsAfter = (order: readonly KvOperation[]) => {
      const state = new State();
      const results = order.map((operation) => [operation.key, state.result(operation)?.version]);
      return { rows: [...state.table].sort(), results: results.sort() };
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
  const request = { client: 'the-same-client!', sequence: 1 };
  const result = { version: 1, value: null, previousVersion: 0 };

  it('starts from the answers of the store', () => {
    const sessions = new Sessions([{ request, key: 'a', result }]);
    expect(sessions.find(request, 'a')).toBe(result);
    expect(sessions.find({ ...request, sequence: 2 }, 'a')).toBeUndefined();
    expect(sessions.find(request, 'b')).toBeUndefined();
    expect(sessions.size).toBe(1);
  });

  it('keeps the first answer of a request', () => {
    const sessions = new Sessions([{ request, key: 'a', result }]);
    expect(sessions.record([{ request, key: 'a', result: { ...result, version: 9 } }])).toEqual([]);
    expect(sessions.find(request, 'a')).toBe(result);
    expect(sessions.size).toBe(1);
  });

  it('names what is new, and forgets by name', () => {
    const sessions = new Sessions();
    const ids = sessions.record([
      { request, key: 'a', result },
      { request, key: 'b', result },
      { request: { ...request, sequence: Number.MAX_SAFE_INTEGER }, key: 'a', result },
    ]);
    expect(new Set(ids).size).toBe(3);
    expect([...sessions.ids()]).toEqual(ids);
    sessions.forget([...ids.slice(0, 2), 'never there']);
    expect(sessions.find(request, 'a')).toBeUndefined();
    expect(sessions.find({ ...request, sequence: Number.MAX_SAFE_INTEGER }, 'a')).toBe(result);
    expect(sessions.size).toBe(1);
  });

  it('never gives one name to two answers', () => {
    const client = fc.string({ minLength: 16, maxLength: 16, unit: 'binary-ascii' });
    const sequence = fc.oneof(
      fc.integer({ min: 1, max: 70_000 }),
      fc.maxSafeInteger().filter((n) => n > 0),
    );
    const name = fc.tuple(client, sequence, fc.string({ minLength: 1, maxLength: 9, unit: 'binary-ascii' }));
    fc.assert(
      fc.property(name, name, ([c1, s1, k1], [c2, s2, k2]) => {
        const isSame = c1 === c2 && s1 === s2 && k1 === k2;
        const [left, right] = [
          answerId({ client: c1, sequence: s1 }, k1),
          answerId({ client: c2, sequence: s2 }, k2),
        ];
        expect(left === right).toBe(isSame);
      }),
    );
    const near = [1, 2, 255, 256, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1].map((one) =>
      answerId({ client: 'c'.repeat(16), sequence: one }, 'k'),
    );
    expect(new Set(near).size).toBe(near.length);
    expect(near.toSorted()).toEqual(near);
  });
});

/** An independent, plain model: it repeats no code of the state machine. */
class Model {
  readonly #rows = new Map<string, [value: string, version: number]>();
  readonly #done = new Map<string, unknown>();

  run(operation: KvOperation): unknown {
    const [value, version] = this.#rows.get(operation.key) ?? [null, 0];
    if (operation.kind === 'get') return { version, value, previousVersion: 0 };
    const id = `${operation.request.client}/${operation.request.sequence}/${operation.key}`;
    if (!this.#done.has(id)) {
      const asked = operation.returnPrevious;
      if (operation.kind === 'put') {
        this.#rows.set(operation.key, [Buffer.from(operation.value).toString('utf8'), version + 1]);
      } else {
        this.#rows.delete(operation.key);
      }
      this.#done.set(id, {
        version: operation.kind === 'put' ? version + 1 : version,
        value: asked ? value : null,
        previousVersion: asked ? version : 0,
      });
    }
    return this.#done.get(id);
  }

  rows(): unknown {
    return [...this.#rows].sort();
  }
}

describe('against a model', () => {
  const key = fc.constantFrom('a', 'b', 'c');
  const options = fc.record({
    request: fc.record({
      client: fc.constantFrom('client-number-01', 'client-number-02'),
      sequence: fc.integer({ min: 1, max: 12 }),
    }),
    returnPrevious: fc.boolean(),
  });
  const operation: fc.Arbitrary<KvOperation> = fc.oneof(
    fc.tuple(key, fc.string({ maxLength: 3 }), options).map(([k, value, rest]) => put(k, value, rest)),
    fc.tuple(key, options).map(([k, rest]) => del(k, rest)),
    key.map((k) => get(k)),
  );
  const batches = fc.array(fc.array(operation, { minLength: 1, maxLength: 6 }), { maxLength: 12 });

  it('gives the model’s answers and rows, however the operations are cut into batches', () => {
    fc.assert(
      fc.property(batches, (cut) => {
        const state = new State();
        const model = new Model();
        for (const batch of cut) {
          const results = state.apply(...batch).results;
          const text = results.map((result) => ({
            ...result,
            value: result.value && Buffer.from(result.value).toString('utf8'),
          }));
          expect(text, batch.map(describeOperation).join(', ')).toEqual(batch.map((one) => model.run(one)));
        }
        const rows = [...state.table].map(([k, row]) => [
          k,
          [Buffer.from(row.value).toString('utf8'), row.version],
        ]);
        expect(rows.sort()).toEqual(model.rows());
      }),
    );
  });
});
