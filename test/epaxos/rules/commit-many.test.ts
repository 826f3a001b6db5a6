/** The rules of section 3: the commit protocol for N ≥ 5. */
import { describe, expect, test } from 'vitest';
import { Replica } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { commandOf, instance, put } from '../../support/core-operations.ts';

const ACCEPT = ['accept', 'acceptReply'] as const;

/** Five replicas; `knowing` have pre-accepted a write of x by replica 2, of which replica 1 has not heard. */
function withRival(...knowing: number[]): CoreCluster {
  const cluster = new CoreCluster(5);
  cluster.propose(2, put('rival', 'x'));
  for (const to of knowing) cluster.deliver({ from: 2, to });
  cluster.drop();
  return cluster;
}

describe('R3.1: submit', () => {
  test('the own contribution is recorded as pre-accepted, and proposed to all', () => {
    const cluster = withRival(1);
    cluster.propose(1, put('a', 'x'));
    expect(cluster.look(1, '1.1')).toEqual({
      status: 'preAccepted',
      ballot: 0,
      acceptedBallot: 0,
      value: 'a',
      seq: 2,
      deps: [0, 1, 0, 0, 0],
    });
    expect(cluster.replica(1).state.space.get(instance('1.1')).initial).toEqual({
      seq: 2,
      deps: [0, 1, 0, 0, 0],
    });
    expect(cluster.messages().sort()).toEqual(
      [2, 3, 4, 5].map((to) => `1→${to} preAccept 1.1 a seq 2 deps 0,1,0,0,0`),
    );
  });

  test('slots are used in order; one that a recovery has touched is skipped', () => {
    const cluster = new CoreCluster(5);
    cluster.propose(1, put('a', 'x'));
    cluster.recover(2, '1.2');
    cluster.deliver({ type: 'prepare', to: 1 });
    expect(cluster.propose(1, put('b', 'y'))).toBe('1.3');
  });
});

describe('R3.2: a follower’s pre-accept', () => {
  test('it merges its own contribution, and records the initial attributes beside the merged ones', () => {
    const cluster = withRival(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: 3 });
    expect(cluster.messages({ from: 3 })).toEqual(['3→1 preAcceptReply 1.1 seq 2 deps 0,1,0,0,0']);
    expect(cluster.replica(3).state.space.get(instance('1.1'))).toMatchObject({
      attributes: { seq: 2, deps: [0, 1, 0, 0, 0] },
      initial: { seq: 1, deps: [0, 0, 0, 0, 0] },
    });
  });

  test('to a duplicate it repeats the recorded answer, whatever it has learned since', () => {
    const cluster = new CoreCluster(5);
    cluster.propose(1, put('a', 'x'));
    cluster.duplicate({ to: 3 });
    cluster.propose(2, put('b', 'x'));
    const [first, second] = [
      cluster.messages({ from: 1, to: 3 })[0],
      cluster.messages({ from: 2, to: 3 })[0],
    ];
    expect([first, second]).not.toContain(undefined);
    cluster.deliver({ from: 1, to: 3 });
    cluster.deliver({ from: 2, to: 3 });
    expect(cluster.messages({ from: 3, about: '1.1' })).toEqual([
      '3→1 preAcceptReply 1.1 seq 1 deps 0,0,0,0,0',
      '3→1 preAcceptReply 1.1 seq 1 deps 0,0,0,0,0',
    ]);
    cluster.tick(40, [1]);
    cluster.deliver({ from: 1, to: 3, type: 'preAccept' });
    expect(new Set(cluster.messages({ from: 3, about: '1.1' })).size).toBe(1);
  });

  test('it is not taken, nor answered, once another ballot was promised', () => {
    const cluster = new CoreCluster(5);
    cluster.propose(1, put('a', 'x'));
    cluster.recover(4, '1.1');
    cluster.deliver({ type: 'prepare', to: 3 });
    const before = cluster.look(3, '1.1');
    cluster.deliver({ type: 'preAccept', to: 3 });
    expect(cluster.look(3, '1.1')).toEqual(before);
    expect(cluster.look(3, '1.1')).toMatchObject({ status: 'none', ballot: 9 });
    expect(cluster.inFlight({ from: 3, type: 'preAcceptReply' })).toBe(0);
  });

  test('it does not replace a later status', () => {
    const cluster = withRival(3, 4, 5);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', to: [3, 4, 5] });
    cluster.deliver({ type: 'preAcceptReply' });
    cluster.deliver({ type: 'accept', to: 2 });
    const before = cluster.look(2, '1.1');
    expect(before.status).toBe('accepted');
    cluster.deliver({ type: 'preAccept', to: 2 });
    expect(cluster.look(2, '1.1')).toEqual(before);
    expect(cluster.inFlight({ from: 2, type: 'preAcceptReply' })).toBe(0);
  });

  test('only the initial coordinator acts at ballot 0', () => {
    const replica = new Replica({ id: 3, replicas: 5, seed: 1 });
    replica.step(2, {
      type: 'preAccept',
      id: instance('1.1'),
      command: commandOf(put('a', 'x')),
      attributes: { seq: 1, deps: [0, 0, 0, 0, 0] },
      follower: null,
      prompt: false,
    });
    expect(replica.takeReady()).toMatchObject({ records: [], messages: [] });
  });
});

describe('R3.3: the fast path', () => {
  test.each([
    [5, [2, 3]],
    [5, [4, 5]],
    [7, [2, 3, 4, 5]],
    [7, [3, 5, 6, 7]],
  ])('N = %i: equal replies of %j complete a fast quorum, and not one fewer', (replicas, quorum) => {
    const cluster = new CoreCluster(replicas);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: quorum });
    const [last, ...first] = [...quorum].reverse();
    cluster.deliver({ type: 'preAcceptReply', from: first });
    expect(cluster.decision('1.1')).toBeNull();
    cluster.deliver({ type: 'preAcceptReply', from: last ?? 0 });
    expect(cluster.path(1, '1.1')).toBe('fast');
    expect(cluster.log(1)).toEqual(['a']);
  });

  test('the fast path commits the initial attributes', () => {
    const cluster = withRival(1, 3, 4);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: [3, 4] });
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.messages({ type: 'commit', to: 5 })).toEqual(['1→5 commit 1.1 sent seq 2 deps 0,1,0,0,0']);
  });

  test('replies that agree with each other but not with the initial deps do not commit', () => {
    const cluster = withRival(3, 4);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: [3, 4] });
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.look(1, '1.1').status).toBe('preAccepted');
    expect(cluster.inFlight({ type: 'commit' })).toBe(0);
  });

  test('a differing reply is no harm while a fast quorum of equal ones is left', () => {
    const cluster = withRival(3, 4);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: [3, 5, 2] });
    cluster.deliver({ type: 'preAcceptReply', from: [3, 5] });
    expect(cluster.decision('1.1')).toBeNull();
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
  });

  test('a repeated reply does not count twice', () => {
    const cluster = new CoreCluster(5);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: 3 });
    cluster.duplicate({ type: 'preAcceptReply' });
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.decision('1.1')).toBeNull();
  });
});

describe('R3.4: the slow path', () => {
  test('is taken at once when differing replies make a fast quorum impossible', () => {
    const cluster = withRival(3, 4, 5);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: [3, 4, 5] });
    cluster.deliver({ type: 'preAcceptReply', from: [3, 4] });
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
    cluster.deliver({ type: 'preAcceptReply', from: 5 });
    // Who has answered knows the command; replica 2 may not.
    expect(cluster.messages({ type: 'accept' })).toEqual(
      ['a', 'sent', 'sent', 'sent'].map(
        (command, index) => `1→${index + 2} accept 1.1 ballot 0 ${command} seq 2 deps 0,1,0,0,0`,
      ),
    );
  });

  test('is taken after a while with a majority’s replies, and never with fewer', () => {
    const cluster = withRival(3, 4);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: [3, 4] });
    cluster.deliver({ type: 'preAcceptReply', from: 3 });
    cluster.tick(100, [1]);
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
    cluster.deliver({ type: 'preAcceptReply', from: 4 });
    expect(cluster.messages({ type: 'accept', to: 5 })).toEqual([
      '1→5 accept 1.1 ballot 0 a seq 2 deps 0,1,0,0,0',
    ]);
  });

  test('a majority that accepted, the coordinator included, commits; a repeated vote counts once', () => {
    const cluster = withRival(3, 4, 5);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: [3, 4, 5] });
    cluster.deliver({ type: 'preAcceptReply' });
    cluster.deliver({ type: 'accept', to: [2, 5] });
    cluster.duplicate({ type: 'acceptReply', from: 2 });
    cluster.deliver({ type: 'acceptReply', from: 2 });
    expect(cluster.decision('1.1')).toBeNull();
    cluster.deliver({ type: 'acceptReply', from: 5 });
    expect(cluster.decision('1.1')).toBe('a');
    expect(cluster.path(1, '1.1')).toBe('slow');
  });

  test('peers that cannot be reached are not waited for', () => {
    const cluster = withRival(3);
    cluster.isolate(4);
    cluster.isolate(5);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: [2, 3] });
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.inFlight({ type: 'accept' })).toBe(4 - 2);
  });
});

test('R3.5: having gone slow, the coordinator never commits fast on late replies', () => {
  const cluster = withRival(3);
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ to: [3, 4, 5] });
  cluster.deliver({ type: 'preAcceptReply', from: [3, 4] });
  cluster.tick(2, [1]);
  expect(cluster.look(1, '1.1')).toMatchObject({ status: 'accepted', deps: [0, 1, 0, 0, 0] });
  cluster.deliver({ type: 'preAcceptReply', from: 5 }); // with 4 and 1 these would be a fast quorum
  expect(cluster.look(1, '1.1').status).toBe('accepted');
  cluster.deliverAll({ type: ACCEPT });
  expect(cluster.path(1, '1.1')).toBe('slow');
  expect(cluster.look(1, '1.1').deps).toEqual([0, 1, 0, 0, 0]);
});

describe('R3.6: Accept(b)', () => {
  const id = instance('1.1');
  const command = commandOf(put('a', 'x'));
  const attributes = { seq: 1, deps: [0, 0, 0, 0, 0] };
  const accept = (ballot: number) => ({ type: 'accept' as const, id, ballot, command, attributes });

  function replicaThatPromised(ballot: number): Replica {
    const replica = new Replica({ id: 5, replicas: 5, seed: 1 });
    replica.step(((ballot - 1) % 5) + 1, { type: 'prepare', id, ballot });
    replica.takeReady();
    return replica;
  }

  test('at the promised ballot or above it is taken, and sets both ballots', () => {
    for (const ballot of [7, 12]) {
      const replica = replicaThatPromised(7);
      replica.step(2, accept(ballot));
      expect(replica.state.space.get(id)).toMatchObject({ status: 2, ballot, acceptedBallot: ballot });
      expect(replica.takeReady().messages).toEqual([
        { to: 2, message: { type: 'acceptReply', id, ballot, promised: ballot } },
      ]);
    }
  });

  test('below the promise it is refused, and the promise is told', () => {
    const replica = replicaThatPromised(12);
    replica.step(2, accept(7));
    expect(replica.state.space.get(id)).toMatchObject({ status: 0, ballot: 12, acceptedBallot: 0 });
    expect(replica.takeReady()).toMatchObject({
      records: [],
      messages: [{ to: 2, message: { type: 'acceptReply', id, ballot: 7, promised: 12 } }],
    });
  });

  test('to one that is committed already, the commit is the answer', () => {
    const replica = replicaThatPromised(7);
    replica.step(2, { type: 'commit', id, command, attributes });
    replica.takeReady();
    replica.step(3, accept(8));
    expect(replica.takeReady().messages).toEqual([
      { to: 3, message: { type: 'commit', id, command, attributes } },
    ]);
  });

  test('a repeated Accept is answered again, without another write', () => {
    const replica = replicaThatPromised(7);
    replica.step(2, accept(7));
    replica.takeReady();
    replica.step(2, accept(7));
    const { records, messages } = replica.takeReady();
    expect(records).toEqual([]);
    expect(messages).toEqual([{ to: 2, message: { type: 'acceptReply', id, ballot: 7, promised: 7 } }]);
  });
});

describe('R3.7: Commit', () => {
  const id = instance('1.1');
  const command = commandOf(put('a', 'x'));
  const commit = { type: 'commit', id, command, attributes: { seq: 1, deps: [0, 0, 0, 0, 0] } } as const;

  test('is taken whatever was promised, and not acknowledged', () => {
    const replica = new Replica({ id: 5, replicas: 5, seed: 1 });
    replica.step(4, { type: 'prepare', id, ballot: 9 });
    replica.takeReady();
    replica.step(2, commit);
    const ready = replica.takeReady();
    expect(ready.executions).toMatchObject([{ id, command }]);
    expect(ready.messages).toEqual([]);
  });

  test.each([
    ['another seq', { ...commit, attributes: { seq: 2, deps: [0, 0, 0, 0, 0] } }],
    ['other deps', { ...commit, attributes: { seq: 1, deps: [0, 1, 0, 0, 0] } }],
    ['a no-op', { ...commit, command: null }],
  ])('is final: %s for the same instance stops the process', (_, other) => {
    const replica = new Replica({ id: 5, replicas: 5, seed: 1 });
    replica.step(2, commit);
    replica.step(3, commit);
    expect(() => replica.step(3, other)).toThrow('1.1 is committed with two different values');
  });
});
