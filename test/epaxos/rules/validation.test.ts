/** The rules R5.5 to R5.7: at N ≥ 5, may the initial attributes still be what was committed? */
import { describe, expect, test } from 'vitest';
import { type Message, Replica } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { commandOf, get, instance, put } from '../../support/core-operations.ts';

/** Replica 1 has proposed a write of x, which has reached only `reached`. */
function open(...reached: number[]): CoreCluster {
  const cluster = new CoreCluster(5);
  cluster.propose(1, put('a', 'x'));
  for (const to of reached) cluster.deliver({ type: 'preAccept', to });
  cluster.drop();
  return cluster;
}

/** Replica `by` recovers 1.1 with the promises of exactly itself and `others`. */
function recoverWith(cluster: CoreCluster, by: number, others: number[], name = '1.1'): void {
  cluster.recover(by, name);
  cluster.deliver({ type: 'prepare', from: by, to: others, about: name });
  cluster.drop({ type: 'prepare', from: by, about: name });
  cluster.deliver({ type: 'prepareReply', to: by, about: name });
}

/** 2.1, a write of x too, was proposed and is pre-accepted at 4: at neither is 1.1 known. */
function withRival(cluster: CoreCluster, ...reached: number[]): void {
  cluster.propose(2, put('rival', 'x'));
  for (const to of reached) cluster.deliver({ type: 'preAccept', to });
}

describe('R5.5', () => {
  test('L in Q: a no-op, without asking further', () => {
    const cluster = open(2, 3);
    recoverWith(cluster, 3, [1, 2]);
    expect(cluster.inFlight({ type: 'validate' })).toBe(0);
    expect(cluster.messages({ type: 'accept', to: 5 })).toEqual([
      '3→5 accept 1.1 ballot 8 no-op seq 0 deps 0,0,0,0,0',
    ]);
  });

  test('too few of Q hold the initial attributes: the fast path was impossible, a no-op', () => {
    const cluster = new CoreCluster(5);
    cluster.propose(2, put('rival', 'x'));
    cluster.deliver({ type: 'preAccept', to: 3 });
    cluster.drop();
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', to: 3 });
    cluster.drop();
    recoverWith(cluster, 3, [4, 5]);
    expect(cluster.inFlight({ type: 'validate' })).toBe(0);
    cluster.deliverAll();
    expect(cluster.decision('1.1')).toBe('no-op');
  });

  test('otherwise the initial attributes are validated, by the members of Q and nobody else', () => {
    const cluster = open(3);
    recoverWith(cluster, 4, [3, 5]);
    expect(cluster.messages({ type: 'validate' })).toEqual([
      '4→5 validate 1.1 ballot 9 a seq 1 deps 0,0,0,0,0',
      '4→3 validate 1.1 ballot 9 a seq 1 deps 0,0,0,0,0',
    ]);
  });
});

describe('R5.6: Validate', () => {
  test('no contradictions: the initial attributes are accepted, which may have been committed', () => {
    const cluster = new CoreCluster(5);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', to: [3, 4] });
    cluster.deliver({ type: 'preAcceptReply' }); // 1 commits
    expect(cluster.path(1, '1.1')).toBe('fast');
    cluster.crash(1);
    cluster.drop();
    recoverWith(cluster, 2, [3, 5]);
    expect(cluster.decision('1.1')).toBe('a');
    cluster.deliverAll();
    expect(cluster.look(2, '1.1')).toMatchObject({ status: 'executed', value: 'a', deps: [0, 0, 0, 0, 0] });
  });

  test('nothing is decided before all of Q have answered', () => {
    const cluster = open(3);
    recoverWith(cluster, 4, [3, 5]);
    cluster.deliver({ type: 'validate', to: 3 });
    cluster.duplicate({ type: 'validateReply' });
    cluster.deliver({ type: 'validateReply' });
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
    cluster.deliver({ type: 'validate', to: 5 });
    cluster.deliver({ type: 'validateReply' });
    expect(cluster.inFlight({ type: 'accept' })).toBe(4);
  });

  test('a member stores the initial attributes, and counts the command from then on', () => {
    const cluster = open(3);
    recoverWith(cluster, 4, [3, 5]);
    cluster.deliver({ type: 'validate', to: 5 });
    expect(cluster.replica(5).state.space.get(instance('1.1'))).toMatchObject({
      status: 0,
      initial: { seq: 1, deps: [0, 0, 0, 0, 0] },
    });
    cluster.propose(5, put('b', 'x'));
    expect(cluster.look(5, '5.1').deps).toEqual([1, 0, 0, 0, 0]);
  });

  test('a committed contradiction: a no-op', () => {
    const cluster = open(3);
    withRival(cluster, 4, 5);
    cluster.deliver({ type: 'preAcceptReply', to: 2 });
    cluster.deliver({ type: 'commit', to: 5 });
    cluster.drop();
    recoverWith(cluster, 4, [3, 5]);
    cluster.deliverAll();
    expect([cluster.decision('1.1'), cluster.decision('2.1')]).toEqual(['no-op', 'rival']);
  });

  test('|R| = |Q| − e and an open contradiction whose coordinator is not in Q: a no-op', () => {
    const cluster = open(3);
    withRival(cluster, 4, 5);
    cluster.deliver({ type: 'preAcceptReply', to: 2 }); // committed, and nobody else knows
    cluster.drop();
    recoverWith(cluster, 4, [3, 5]);
    cluster.deliver({ type: 'validate' });
    cluster.deliver({ type: 'validateReply' });
    expect(cluster.messages({ type: 'accept', to: 3 })).toEqual([
      '4→3 accept 1.1 ballot 9 no-op seq 0 deps 0,0,0,0,0',
    ]);
    cluster.deliverAll();
    expect(cluster.decision('2.1')).toBe('rival');
  });

  test('|R| = |Q| − e and an open contradiction whose coordinator is in Q: it waits, and says so', () => {
    const cluster = open(3);
    withRival(cluster, 4);
    cluster.drop();
    recoverWith(cluster, 3, [2, 4]);
    cluster.deliver({ type: 'validate' });
    cluster.deliver({ type: 'validateReply' });
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
    expect(cluster.contents({ type: 'waiting', to: 5 })).toEqual([
      { type: 'waiting', id: instance('1.1'), matching: 1 },
    ]);
    expect(cluster.inFlight({ type: 'waiting' })).toBe(4);
    cluster.clear();
    cluster.tick(20, [3]);
    expect(cluster.inFlight({ type: 'waiting' })).toBe(4);
  });

  test('|R| > |Q| − e and an open contradiction whose coordinator is not in Q: it waits', () => {
    const cluster = open(3, 4);
    withRival(cluster, 5);
    cluster.drop();
    recoverWith(cluster, 3, [4, 5]);
    cluster.deliver({ type: 'validate' });
    cluster.deliver({ type: 'validateReply' });
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
    expect(cluster.contents({ type: 'waiting', to: 5 })).toEqual([
      { type: 'waiting', id: instance('1.1'), matching: 2 },
    ]);
  });

  describe('what a member reports', () => {
    const id = instance('1.1');
    const command = commandOf(put('a', 'x'));
    const none = { seq: 1, deps: [0, 0, 0, 0, 0] };
    const withId = { seq: 2, deps: [1, 0, 0, 0, 0] };
    const other = instance('2.1');
    const rival = commandOf(put('rival', 'x'));

    /** The contradictions that a replica reports which has got `messages` from 2 and recoverers. */
    function report(...messages: Message[]) {
      const replica = new Replica({ id: 5, replicas: 5, seed: 1 });
      for (const message of messages)
        replica.step('ballot' in message && message.ballot === 9 ? 4 : 2, message);
      replica.step(4, { type: 'prepare', id, ballot: 9 });
      replica.takeReady();
      replica.step(4, { type: 'validate', id, ballot: 9, command, attributes: none });
      const [envelope] = replica.takeReady().messages;
      if (envelope?.message.type !== 'validateReply') throw new Error('no reply to the Validate');
      return envelope.message.contradictions;
    }

    const preAccept = (attributes: typeof none, proposal = rival): Message => {
      return { type: 'preAccept', id: other, command: proposal, attributes, follower: null, prompt: false };
    };
    const table: [string, Message[], unknown[]][] = [
      ['nothing', [], []],
      ['open, without id in its initial deps', [preAccept(none)], [{ id: other, committed: false }]],
      ['open, with id in its initial deps', [preAccept(withId)], []],
      [
        'open, accepted with id in its deps, but without it in its initial ones',
        [preAccept(none), { type: 'accept', id: other, ballot: 0, command: rival, attributes: withId }],
        [{ id: other, committed: false }],
      ],
      [
        'committed without id in its deps',
        [{ type: 'commit', id: other, command: rival, attributes: none }],
        [{ id: other, committed: true }],
      ],
      [
        'committed with id in its deps, without it in its initial ones',
        [preAccept(none), { type: 'commit', id: other, command: rival, attributes: withId }],
        [],
      ],
      [
        'committed as a no-op',
        [preAccept(none), { type: 'commit', id: other, command: null, attributes: { ...none, seq: 0 } }],
        [],
      ],
      ['open, but not interfering', [preAccept(none, commandOf(put('rival', 'y')))], []],
      [
        'open, known by a Validate',
        [
          { type: 'prepare', id: other, ballot: 9 },
          { type: 'validate', id: other, ballot: 9, command: rival, attributes: none },
        ],
        [{ id: other, committed: false }],
      ],
    ];
    test.each(table)('another instance that is %s', (_, messages, expected) => {
      expect(report(...messages)).toEqual(expected);
    });

    test('an instance that is in the validated deps is never a contradiction', () => {
      const replica = new Replica({ id: 5, replicas: 5, seed: 1 });
      replica.step(2, preAccept(none));
      replica.step(4, { type: 'prepare', id, ballot: 9 });
      replica.takeReady();
      const attributes = { seq: 2, deps: [0, 1, 0, 0, 0] };
      replica.step(4, { type: 'validate', id, ballot: 9, command, attributes });
      expect(replica.takeReady().messages).toMatchObject([{ message: { contradictions: [] } }]);
    });
  });

  test('a member that has promised more refuses, and the recovery ends', () => {
    const cluster = open(3);
    recoverWith(cluster, 4, [3, 5]);
    cluster.recover(2, '1.1');
    cluster.recover(2, '1.1'); // ballot 12
    cluster.deliver({ type: 'prepare', to: 5 });
    cluster.deliver({ type: 'validate', to: 5 });
    expect(cluster.contents({ type: 'validateReply', from: 5 })).toEqual([
      {
        type: 'validateReply',
        id: instance('1.1'),
        ballot: 9,
        promised: 12,
        contradictions: [],
        more: false,
      },
    ]);
    cluster.deliver({ type: 'validateReply', from: 5 });
    cluster.deliver({ type: 'validate', to: 3 });
    cluster.deliver({ type: 'validateReply' });
    expect(cluster.inFlight({ type: 'accept', from: 4 })).toBe(0);
  });
});

describe('R5.7: waiting', () => {
  /** 3 waits in the recovery of 1.1, with Q = {2, 3, 4} and |R| = 1, for 2.1, which 2 and 4 have pre-accepted. */
  function waiting(): CoreCluster {
    const cluster = open(3);
    withRival(cluster, 4);
    recoverWith(cluster, 3, [2, 4]);
    cluster.deliver({ type: 'validate' });
    cluster.deliver({ type: 'validateReply' });
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
    return cluster;
  }
  const outcome = (cluster: CoreCluster) =>
    cluster.messages({ type: 'accept', from: 3, about: '1.1', to: 4 });
  const CONFIRMED = ['3→4 accept 1.1 ballot 8 a seq 1 deps 0,0,0,0,0'];
  const REFUTED = ['3→4 accept 1.1 ballot 8 no-op seq 0 deps 0,0,0,0,0'];

  test('what it waits for commits without 1.1 in its deps: a no-op', () => {
    const cluster = waiting();
    cluster.deliver({ type: 'preAccept', to: 5 });
    cluster.deliver({ type: 'preAcceptReply', to: 2 });
    expect(cluster.path(2, '2.1')).toBe('fast');
    cluster.drop({ type: 'preAccept', about: '2.1', to: 3 });
    cluster.deliver({ type: 'commit', to: 3 }); // replica 3 never saw the command, and fetches it
    cluster.deliver({ type: 'fetch', from: 3 });
    cluster.deliver({ type: 'commit', to: 3 });
    expect(outcome(cluster)).toEqual(REFUTED);
  });

  test('what it waits for commits with 1.1 in its deps: the initial attributes', () => {
    const cluster = waiting();
    cluster.deliver({ type: 'preAccept', about: '2.1', to: 3 });
    cluster.drop({ type: 'preAcceptReply', from: 4 });
    cluster.drop({ type: 'preAccept', about: '2.1', to: 1 });
    cluster.deliver({ type: 'preAccept', about: '2.1', to: 5 });
    cluster.deliver({ type: 'preAcceptReply', to: 2 });
    cluster.tick(2, [2]);
    cluster.deliver({ type: 'accept', about: '2.1', to: [3, 5] });
    cluster.deliver({ type: 'acceptReply', to: 2 });
    expect(cluster.look(2, '2.1')).toMatchObject({ status: 'committed', deps: [1, 0, 0, 0, 0] });
    cluster.deliver({ type: 'commit', to: 3 });
    expect(outcome(cluster)).toEqual(CONFIRMED);
    cluster.settle();
    cluster.run(() => [2, 3, 4, 5].every((id) => cluster.log(id).join() === 'a,rival'));
  });

  test('what it waits for becomes a no-op: the initial attributes', () => {
    const cluster = waiting();
    cluster.clear();
    recoverWith(cluster, 5, [1, 2], '2.1');
    cluster.deliverAll({ about: '2.1' });
    expect(cluster.decision('2.1')).toBe('no-op');
    expect(outcome(cluster)).toEqual(CONFIRMED);
  });

  test('the escape: somebody waits with more than N − f − e matching replies: a no-op', () => {
    const cluster = waiting();
    cluster.replica(3).step(5, { type: 'waiting', id: instance('2.1'), matching: 1 });
    cluster.turn(3);
    expect(outcome(cluster)).toEqual([]);
    cluster.replica(3).step(5, { type: 'waiting', id: instance('5.9'), matching: 2 });
    cluster.turn(3);
    expect(outcome(cluster)).toEqual([]);
    cluster.replica(3).step(5, { type: 'waiting', id: instance('2.1'), matching: 2 });
    cluster.turn(3);
    expect(outcome(cluster)).toEqual(REFUTED);
  });

  test('a late promise of the initial coordinator: a no-op', () => {
    const cluster = waiting();
    cluster.tick(20, [3]); // asks again, also outside of Q
    cluster.deliver({ type: 'prepare', to: 1, about: '1.1' });
    cluster.deliver({ type: 'prepareReply', from: 1 });
    expect(outcome(cluster)).toEqual(REFUTED);
  });

  test('a late promise of another that has nothing settles nothing', () => {
    const cluster = waiting();
    cluster.tick(20, [3]);
    cluster.deliver({ type: 'prepare', to: 5, about: '1.1' });
    cluster.deliver({ type: 'prepareReply', from: 5 });
    expect(outcome(cluster)).toEqual([]);
  });

  test('a late promise with something accepted: that', () => {
    const cluster = waiting();
    const record = {
      ...cluster.replica(5).state.space.get(instance('1.1')),
      status: 2 as const,
      ballot: 8,
      acceptedBallot: 6,
      command: commandOf(put('a', 'x')),
      attributes: { seq: 5, deps: [0, 0, 1, 0, 0] },
    };
    cluster.replica(3).step(5, { type: 'prepareReply', ballot: 8, record });
    cluster.turn(3);
    expect(outcome(cluster)).toEqual(['3→4 accept 1.1 ballot 8 a seq 5 deps 0,0,1,0,0']);
  });

  test('a late answer that it is committed: that', () => {
    const cluster = waiting();
    cluster.replica(3).step(5, {
      type: 'commit',
      id: instance('1.1'),
      command: null,
      attributes: { seq: 0, deps: [0, 0, 0, 0, 0] },
    });
    cluster.turn(3);
    expect(cluster.look(3, '1.1')).toMatchObject({ status: 'executed', value: 'no-op' });
    expect(outcome(cluster)).toEqual([]);
  });

  test('what it waits for is recovered too, if it stalls', () => {
    const cluster = waiting();
    cluster.crash(1);
    cluster.crash(2);
    cluster.clear();
    cluster.run(() => cluster.decision('1.1') !== null && cluster.decision('2.1') !== null);
  });
});

test('two reads do not contradict each other, however open they are', () => {
  const cluster = new CoreCluster(5);
  cluster.propose(1, get('r1', 'x'));
  cluster.deliver({ type: 'preAccept', to: 3 });
  cluster.drop();
  cluster.propose(2, get('r2', 'x'));
  cluster.deliver({ type: 'preAccept', to: 4 });
  cluster.drop();
  recoverWith(cluster, 3, [4, 5]);
  cluster.deliverAll();
  expect(cluster.decision('1.1')).toBe('r1');
});
