/** Generations: which requests come too late, and which answers are kept (R7.12). */
import { describe, expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { AnswerPage, type KvOperation, PAGE_SEQUENCES, Sessions } from '../../src/kv/index.ts';
import { AnywhereState, advance, bytesOf, del, get, put } from './operations.ts';

/** A state that begins with nothing, and whose store stays empty. */
function newState(): AnywhereState {
  return new AnywhereState({ stored: () => undefined, sessions: new Sessions() });
}

describe('sessions', () => {
  const request = { client: 'the-same-client!', sequence: 1, generation: 1 };
  const result = { version: 1, value: null, previousVersion: 0 };

  it('forget a generation as a whole, when the one after the next begins', () => {
    const sessions = new Sessions();
    const record = (sequence: number, generation: number) =>
      sessions.record({
        request: { ...request, sequence, generation },
        key: 'a',
        result: { version: 2, value: bytesOf('xyz'), previousVersion: 1 },
      });
    for (const sequence of [1, PAGE_SEQUENCES - 1, PAGE_SEQUENCES]) record(sequence, 1);
    expect([sessions.generation, sessions.hasNews]).toEqual([1, true]);
    expect(sessions.advance(1)).toBe(true);
    expect([sessions.generation, sessions.hasNews, sessions.size]).toEqual([2, false, 3]);
    record(1, 2); // the same number, in another generation: another request
    expect(Array.from(sessions.pages(), ({ generation, number }) => [generation, number])).toEqual([
      [1, 0],
      [1, 1],
      [2, 0],
    ]);
    expect([sessions.size, sessions.valueBytes, sessions.hasNews]).toEqual([4, 12, true]);
    expect(sessions.advance(1)).toBe(false);
    expect(sessions.advance(3)).toBe(false);
    expect(sessions.generation).toBe(2);
    expect(sessions.advance(2)).toBe(true);
    expect([sessions.size, sessions.valueBytes]).toEqual([1, 3]);
    expect(sessions.find(request, 'a')).toBeUndefined();
    expect(sessions.find({ ...request, generation: 2 }, 'a')?.version).toBe(2);
  });

  it('start without the pages of generations that are not kept', () => {
    const pages = [1, 2, 3, 4].map((generation) => {
      const page = new AnswerPage({ generation, client: request.client, number: 0 });
      page.add({ request: { ...request, generation }, key: 'a', result });
      return page;
    });
    const sessions = new Sessions(pages, 3);
    expect(Array.from(sessions.pages(), ({ generation }) => generation)).toEqual([2, 3]);
    expect(sessions.hasNews).toBe(true);
    expect(new Sessions(pages.slice(0, 3), 4).hasNews).toBe(false);
  });
});

describe('generations (R7.12)', () => {
  const client = 'the-same-client!';
  const named = (generation: number, sequence = 7) => ({ request: { client, sequence, generation } });
  /** What applying it says: a version, or the code and the outcome of the refusal. */
  const said = (state: AnywhereState, operation: KvOperation) => {
    try {
      return state.apply(operation).version;
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      return `${error.code}, ${error.outcome}`;
    }
  };

  it('an advance of the present generation begins the next one, and any other is void', () => {
    const state = newState();
    const seen = [1, 1, 3, 2, 2].map((generation) => {
      expect(state.apply(advance(generation))).toEqual({ version: 0, value: null, previousVersion: 0 });
      return state.sessions.generation;
    });
    expect(seen).toEqual([2, 2, 2, 3, 3]);
  });

  it('a request of this generation or the last one is executed once, whenever its copies come', () => {
    const state = newState();
    state.apply(advance(1));
    for (const [generation, version] of [
      [1, 1],
      [2, 2],
      [1, 1],
      [2, 2],
    ] as const) {
      expect(said(state, put('a', '1', named(generation)))).toBe(version);
    }
    state.apply(advance(2));
    expect(said(state, put('a', '1', named(2)))).toBe(2);
  });

  it('an older one has no effect, whether its answer was known or not; one to come is invalid', () => {
    const state = newState();
    state.apply(put('a', '1', named(1)));
    state.apply(advance(1));
    state.apply(advance(2));
    for (const operation of [put('a', '2', named(1)), put('b', '2', named(1, 8)), del('a', named(1))]) {
      expect(said(state, operation)).toBe('requestTooOld, unknown');
    }
    expect(said(state, put('a', '2', named(4)))).toBe('invalidArgument, unknown');
    expect(said(state, put('a', '2', named(0)))).toBe('requestTooOld, unknown');
    expect(state.row('a')?.version).toBe(1);
    expect(state.row('b')).toBeUndefined();
    expect(state.sessions.size).toBe(0);
  });

  it('a request without a generation is too old from the beginning', () => {
    expect(said(newState(), put('a', '2', named(0)))).toBe('requestTooOld, unknown');
  });

  it('what nobody can repeat has no generation', () => {
    const state = newState();
    state.apply(advance(1));
    state.apply(advance(2));
    expect(said(state, put('a', '1', { ...named(0), unrecorded: true }))).toBe(1);
    expect(said(state, get('a'))).toBe(1);
  });

  it('are handed over to be written once, without the pages that are gone', () => {
    const kv = newState();
    kv.apply(put('a', '1', named(1)));
    kv.apply(advance(1));
    kv.apply(put('a', '2', named(2)));
    kv.apply(advance(2));
    const { generation, pages, rows } = kv.takeChanges();
    expect(generation).toBe(3);
    expect(Array.from(pages, (page) => page.generation)).toEqual([2]);
    expect(rows.get('a')?.version).toBe(2);
    kv.written();
    kv.apply(put('a', '3', named(3)));
    expect(kv.takeChanges().generation).toBeNull();
  });

  it('two keys of one hash under one id are two requests, in whatever order replicas meet them', () => {
    // Both have the FNV-1a hash 0x98d8fb86, by which a page told keys apart once.
    const a = put('dsmmekes', '1', named(1));
    const b = put('vamkpxtr', '1', named(1));
    expect(fnv1a(a.key)).toBe(fnv1a(b.key));
    const rowsAfter = (order: readonly KvOperation[]) => {
      const state = newState();
      for (const operation of order) state.apply(operation);
      return [...state.changedRows()].map(([key, row]) => [key, row?.version]).sort();
    };
    expect(rowsAfter([a, b])).toEqual(rowsAfter([b, a]));
    expect(rowsAfter([a, b]).map(([key]) => key)).toEqual([a.key, b.key].sort());
  });
});

function fnv1a(key: string): number {
  let hash = 0x811c9dc5;
  for (const character of key) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return hash >>> 0;
}
