/** Reads of several keys at one moment: a row for each key, the limit of the answer, and nothing left behind. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import {
  isRecorded,
  isWrite,
  type KvOperation,
  LIMITS,
  Sessions,
  type StampedRow,
} from '../../src/kv/index.ts';
import {
  AnywhereState,
  anywhere,
  bytesOf,
  del,
  describeOperation,
  get,
  multiGet,
  put,
  storedRow,
} from './operations.ts';

/** A state whose store is a map. */
class State {
  readonly table = new Map<string, StampedRow>();
  /** How often the store was asked for a row. */
  lookUps = 0;
  readonly kv = new AnywhereState({
    stored: (key) => {
      this.lookUps += 1;
      return this.table.get(key);
    },
    sessions: new Sessions(),
  });

  apply(...operations: readonly KvOperation[]): void {
    for (const operation of operations) this.kv.apply(operation);
  }

  flush(): void {
    for (const [key, row] of this.kv.takeChanges().rows) {
      if (row === null) this.table.delete(key);
      else this.table.set(key, storedRow(row));
    }
    this.kv.written();
  }

  store(key: string, bytes: number): void {
    this.table.set(key, { value: new Uint8Array(bytes), version: 1, stamp: anywhere() });
  }
}

describe('a multi-get', () => {
  it('answers a row for each key in the order of the keys, null where there is none', () => {
    const state = new State();
    state.apply(put('a', '1'), put('b', '1'), put('b', '2'), put('c', '1'), del('c'));
    const expected = {
      version: 0,
      value: null,
      previousVersion: 0,
      rows: [{ value: bytesOf('2'), version: 2 }, null, { value: bytesOf('1'), version: 1 }, null],
    };
    expect(state.kv.apply(multiGet('b', 'c', 'a', 'none'))).toEqual(expected);
    state.flush();
    expect(state.kv.apply(multiGet('b', 'c', 'a', 'none'))).toEqual(expected);
    expect(state.kv.read(multiGet('b', 'c', 'a', 'none'))).toEqual(expected);
  });

  it('answers a key that is named twice twice', () => {
    const state = new State();
    state.apply(put('a', '1'));
    const row = { value: bytesOf('1'), version: 1 };
    expect(state.kv.apply(multiGet('a', 'a')).rows).toEqual([row, row]);
  });

  it('tells a row with an empty value from none', () => {
    const state = new State();
    state.apply(put('a', ''));
    expect(state.kv.apply(multiGet('a', 'b')).rows).toEqual([{ value: bytesOf(''), version: 1 }, null]);
  });

  it('is no write, and leaves nothing behind', () => {
    const state = new State();
    state.apply(put('a', '1'));
    state.flush();
    const read = multiGet('a', 'b');
    state.apply(read, read);
    const { rows, pages } = state.kv.takeChanges();
    expect([rows.size, pages.size, state.kv.sessions.size]).toEqual([0, 0, 1]);
    expect([isWrite(read), isRecorded(read)]).toEqual([false, false]);
    expect([put('a', ''), del('a'), get('a')].map(isWrite)).toEqual([true, true, false]);
  });

  it('sees the present, also when its request id was seen before', () => {
    const state = new State();
    const read = multiGet('a');
    expect(state.kv.apply(read).rows).toEqual([null]);
    state.apply(put('a', '1'));
    expect(state.kv.apply(read).rows).toEqual([{ value: bytesOf('1'), version: 1 }]);
  });

  it('may answer values of so many bytes, and not one more', () => {
    const state = new State();
    const count = LIMITS.answerBytes / LIMITS.valueBytes;
    const keys = Array.from({ length: count }, (_, index) => `large ${index}`);
    for (const key of keys) state.store(key, LIMITS.valueBytes);
    state.store('small', 1);
    expect(state.kv.apply(multiGet(...keys)).rows).toHaveLength(count);
    for (const tooMany of [multiGet(...keys, 'none', 'small'), multiGet('small', ...keys)]) {
      const refusal = expect.objectContaining({ code: 'limitExceeded', outcome: 'notApplied' });
      for (const read of [() => state.kv.apply(tooMany), () => state.kv.read(tooMany)]) {
        expect(read).toThrow(KvError);
        expect(read).toThrow(refusal);
        expect(read).toThrow(/ask for fewer keys/);
      }
    }
  });

  it('looks up no more than it can answer', () => {
    const state = new State();
    state.store('large', LIMITS.valueBytes);
    const fitting = LIMITS.answerBytes / LIMITS.valueBytes;
    const keys = new Array<string>(LIMITS.multiGetKeys).fill('large');
    expect(() => state.kv.apply(multiGet(...keys))).toThrow(KvError);
    expect(state.lookUps).toBe(fitting + 1);
  });

  it('answers what gets of its keys would answer at that moment', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd');
    const write = fc.oneof(
      fc.tuple(key, fc.string({ maxLength: 3 })).map(([k, value]) => put(k, value)),
      key.map((k) => del(k)),
    );
    const step = fc.oneof(
      { weight: 5, arbitrary: write },
      { weight: 3, arbitrary: fc.array(key, { minLength: 1, maxLength: 6 }).map((k) => multiGet(...k)) },
      { weight: 1, arbitrary: fc.constant('flush' as const) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const state = new State();
        for (const each of steps) {
          if (each === 'flush') state.flush();
          else if (each.kind !== 'multiGet') state.apply(each);
          else {
            const alone = each.keys.map((k) => {
              const { value, version } = state.kv.apply(get(k));
              return value && { value, version };
            });
            expect(state.kv.apply(each).rows, describeOperation(each)).toEqual(alone);
          }
        }
      }),
    );
  });
});
