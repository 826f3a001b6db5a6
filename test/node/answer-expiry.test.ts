/** When pages of recorded answers may go: by age, by what every replica knew, and by what is executed here (R7.6). */
import { describe, expect, it } from 'vitest';
import type { Deps } from '../../src/epaxos/index.ts';
import { AnswerPage } from '../../src/kv/index.ts';
import {
  AnswerExpiry,
  type AnswerExpiryLimits,
  DEFAULT_ANSWER_EXPIRY,
} from '../../src/node/answer-expiry.ts';
import { TIMEOUTS } from '../../src/node/timeouts.ts';

const LIMITS: AnswerExpiryLimits = {
  retentionMs: 100,
  bucketMs: 10,
  longestStepMs: 5,
  answers: 1_000,
  silentMs: 50,
  perTurn: 1_000,
};

/** An expiry whose time is moved by hand, in steps as long as a process that runs takes. */
function setUp(limits: Partial<AnswerExpiryLimits> = {}) {
  const expiry = new AnswerExpiry({ peers: [2, 3], limits: { ...LIMITS, ...limits }, nowMs: 0 });
  const state: { nowMs: number; highest: Deps; executed: Deps; answers: number } = {
    nowMs: 0,
    highest: [0, 0, 0],
    executed: [0, 0, 0],
    answers: 0,
  };
  const pages = new Map<string, AnswerPage>();
  /** Answers were added to the pages of these names. */
  const add = (names: readonly string[]) => {
    for (const name of names) {
      const page = pages.get(name) ?? new AnswerPage({ client: name, number: 0 });
      pages.set(name, page);
      expiry.touched(page);
      state.answers += 1;
    }
  };
  const take = () => expiry.take().map(({ client }) => client);
  const run = (ms: number) => {
    for (const end = state.nowMs + ms; state.nowMs < end; ) {
      state.nowMs += 5;
      expiry.tick(state);
    }
  };
  const hearAll = (highest: Deps) => {
    expiry.heard(2, highest);
    expiry.heard(3, highest);
  };
  const due = () => (expiry.hasDue ? take() : []);
  return { expiry, state, add, take, run, hearAll, due };
}

describe('an answer', () => {
  it('goes when it is old, every replica has told what it knows, and all of that is executed', () => {
    const { add, run, hearAll, due } = setUp();
    add(['a']);
    run(200);
    expect(due()).toEqual([]);
    hearAll([0, 0, 0]);
    run(5);
    expect(due()).toEqual(['a']);
    expect(due()).toEqual([]);
  });

  it('stays while it is young, whatever is told', () => {
    const { add, run, hearAll, due } = setUp();
    add(['a']);
    for (let ms = 0; ms < 105; ms += 5) {
      run(5);
      hearAll([0, 0, 0]);
    }
    expect(due()).toEqual([]);
    run(5);
    hearAll([0, 0, 0]);
    run(5);
    expect(due()).toEqual(['a']);
  });

  it('waits for what was told after it had become old: what was told before does not count', () => {
    const { expiry, add, run, hearAll, due } = setUp();
    add(['a']);
    hearAll([0, 0, 0]);
    run(300);
    expect(due()).toEqual([]);
    expiry.heard(2, [0, 0, 0]);
    run(5);
    expect(due()).toEqual([]);
    expiry.heard(3, [0, 0, 0]);
    run(5);
    expect(due()).toEqual(['a']);
  });

  it('waits until everything that anybody knew then is executed here', () => {
    const { expiry, state, add, run, due } = setUp();
    add(['a']);
    state.highest = [3, 0, 0]; // known here
    run(150);
    expiry.heard(2, [0, 7, 0]); // a copy may be in 2.7, of which this replica has not heard
    expiry.heard(3, [0, 5, 2]);
    state.highest = [99, 99, 99]; // later ones do not matter
    for (const executed of [
      [2, 7, 2],
      [3, 6, 2],
      [3, 7, 1],
    ]) {
      state.executed = executed;
      run(20);
      expect(due()).toEqual([]);
    }
    state.executed = [3, 7, 2];
    run(5);
    expect(due()).toEqual(['a']);
  });

  it('is not older for a time in which the process stood still', () => {
    const { state, add, run, hearAll, due } = setUp();
    add(['a']);
    run(50);
    state.nowMs += 1_000_000;
    run(50);
    hearAll([0, 0, 0]);
    run(5);
    expect(due()).toEqual([]);
    run(50);
    hearAll([0, 0, 0]);
    run(5);
    expect(due()).toEqual(['a']);
  });

  it('waits for a silent replica, unless there are too many answers', () => {
    const { expiry, add, run, due } = setUp({ answers: 3 });
    add(['a', 'b', 'c']);
    run(150);
    expiry.heard(2, [0, 0, 0]);
    run(10_000);
    expect(due()).toEqual([]);
    add(['d']);
    run(5);
    expect(due()).toEqual(['a', 'b', 'c']);
  });

  it('is not dropped the sooner for the many others before a replica counts as silent', () => {
    const { add, run, due } = setUp({ answers: 3 });
    add(['a', 'b', 'c', 'd']);
    run(150); // old after 110
    expect(due()).toEqual([]);
    run(15);
    expect(due()).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('a page', () => {
  it('is as young as its youngest answer', () => {
    const { add, run, hearAll, due } = setUp();
    add(['a', 'b']);
    run(50);
    add(['a']);
    run(60);
    hearAll([0, 0, 0]);
    run(5);
    expect(due()).toEqual(['b']);
    run(60);
    hearAll([0, 0, 0]);
    run(5);
    expect(due()).toEqual(['a']);
  });

  it('that was added to when it was to go stays', () => {
    const { expiry, add, run, hearAll, due } = setUp();
    add(['a']);
    run(200);
    hearAll([0, 0, 0]);
    run(5);
    expect(expiry.hasDue).toBe(true);
    add(['a']);
    expect(due()).toEqual([]);
  });
});

describe('pages', () => {
  it('go in the order of their time, bucket by bucket', () => {
    const { add, run, hearAll, due } = setUp();
    add(['a1']);
    run(5);
    add(['a2']);
    run(20);
    add(['b']);
    run(90);
    hearAll([0, 0, 0]);
    run(5);
    expect(due()).toEqual(['a1', 'a2']);
    run(20);
    hearAll([0, 0, 0]);
    run(5);
    expect(due()).toEqual(['b']);
  });

  it('go a bounded number a turn', () => {
    const { expiry, add, take, run, hearAll } = setUp({ perTurn: 2 });
    add(['a', 'b', 'c', 'd', 'e']);
    run(150);
    hearAll([0, 0, 0]);
    run(5);
    const turns: (readonly string[])[] = [];
    while (expiry.hasDue) turns.push(take());
    expect(turns).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });
});

it('by default answers outlive every copy of their request twice over', () => {
  expect(DEFAULT_ANSWER_EXPIRY.retentionMs).toBeGreaterThan(2 * TIMEOUTS.maxMs);
});
