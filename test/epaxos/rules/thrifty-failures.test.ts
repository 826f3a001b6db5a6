/** R3.8: thrifty mode, when one of those asked dies or is silent. */
import { describe, expect, test } from 'vitest';
import { put } from '../../support/core-operations.ts';
import { addRival, commits, receivers, thriftyCluster } from '../../support/thrifty-cluster.ts';

describe('three replicas, the follower fails', () => {
  test('it is known to be dead: the other one is the follower, and nobody waits', () => {
    const cluster = thriftyCluster(3);
    cluster.crash(2);
    cluster.propose(1, put('a', 'x'));
    expect(receivers(cluster, 'preAccept')).toEqual([3]);
    cluster.settle();
    expect(cluster.path(1, '1.1')).toBe('fast');
    expect([cluster.log(1), cluster.log(3)]).toEqual([['a'], ['a']]);
  });

  test('it dies meanwhile: the other one is asked at once, and the slow path goes to it alone', () => {
    const cluster = thriftyCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.crash(2);
    cluster.turn(1);
    expect(cluster.messages()).toEqual(['1→3 preAccept 1.1 a seq 1 deps 0,0,0']);
    cluster.deliver();
    cluster.tick(1, [3]);
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.messages()).toEqual(['1→3 accept 1.1 ballot 0 sent seq 1 deps 0,0,0']);
    cluster.settle();
    expect(cluster.path(1, '1.1')).toBe('slow');
    expect([cluster.log(1), cluster.log(3)]).toEqual([['a'], ['a']]);
  });

  test('it is silent: the other one is asked after followerTicks, and its reply suffices', () => {
    const cluster = thriftyCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.drop({ to: 2 });
    cluster.tick(9, [1]);
    expect(cluster.inFlight({ type: 'preAccept' })).toBe(0);
    cluster.tick(1, [1]);
    expect(receivers(cluster, 'preAccept')).toEqual([3]);
    cluster.deliver({ type: 'preAccept' });
    cluster.tick(1, [3]);
    cluster.deliver({ type: 'preAcceptReply' });
    expect(receivers(cluster, 'accept')).toEqual([3]);
    cluster.deliverAll({ type: ['accept', 'acceptReply'] });
    expect(cluster.path(1, '1.1')).toBe('slow');
    expect(commits(cluster)).toEqual({ whole: [], brief: [2, 3] });
  });

  test('it is only slow: its reply still decides', () => {
    const cluster = thriftyCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.tick(10, [1]);
    cluster.deliverAll({ to: 2 });
    cluster.deliver({ from: 2, type: 'preAcceptReply' });
    expect(cluster.path(1, '1.1')).toBe('fast');
  });

  test('it is waited for longer where it usually takes longer; never beyond the first repetition', () => {
    const cluster = thriftyCluster(3, { timing: { retryTicks: 30 } });
    const untilAsked = () => {
      for (let ticks = 1; ; ticks += 1) {
        cluster.tick(1, [1]);
        if (cluster.inFlight({ to: 3, type: 'preAccept' }) > 0) return ticks;
      }
    };
    const askSlowly = (replyTicks: number) => {
      cluster.replica(1).state.peer(2).replyTicks = replyTicks;
      cluster.propose(1, put(`${replyTicks}`, `key ${replyTicks}`));
      return untilAsked();
    };
    expect(askSlowly(1)).toBe(10);
    cluster.settle();
    expect(askSlowly(5)).toBe(20);
    cluster.settle();
    expect(askSlowly(50)).toBe(30);
  });

  test('asked by the repetition, the other one is no reason to stop waiting before that', () => {
    const cluster = thriftyCluster(3);
    cluster.replica(1).state.peer(2).replyTicks = 10;
    cluster.propose(1, put('a', 'x'));
    cluster.drop({ to: 2 });
    cluster.tick(20, [1]);
    cluster.deliver({ type: 'preAccept', to: 3 });
    cluster.tick(1, [3]);
    cluster.deliver({ type: 'preAcceptReply' });
    cluster.tick(19, [1]);
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
    cluster.tick(1, [1]);
    expect(receivers(cluster, 'accept')).toEqual([3]);
  });

  test('what the other one usually takes is counted from when it was asked', () => {
    const cluster = thriftyCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.drop({ to: 2 });
    cluster.tick(10, [1]);
    cluster.deliver({ type: 'preAccept' });
    cluster.tick(1, [3]);
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.replica(1).state.peer(3).replyTicks).toBe(0);
  });
});

describe('five and seven replicas, one of those asked fails', () => {
  test('it dies: the others are asked at once, and the fast path stays open', () => {
    const cluster = thriftyCluster(5);
    cluster.propose(1, put('a', 'x'));
    cluster.crash(3);
    cluster.turn(1);
    expect(receivers(cluster, 'preAccept').sort()).toEqual([2, 4, 5]);
    cluster.settle();
    expect(cluster.path(1, '1.1')).toBe('fast');
    for (const id of [1, 2, 4, 5]) expect(cluster.log(id)).toEqual(['a']);
  });

  test('one that was not asked dies: nothing changes', () => {
    const cluster = thriftyCluster(5);
    cluster.propose(1, put('a', 'x'));
    cluster.crash(4);
    cluster.turn(1);
    expect(receivers(cluster, 'preAccept')).toEqual([2, 3]);
  });

  test('one that has answered dies: nothing changes', () => {
    const cluster = thriftyCluster(5);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: 2 });
    cluster.deliver({ type: 'preAcceptReply' });
    cluster.crash(2);
    cluster.turn(1);
    expect(receivers(cluster, 'preAccept')).toEqual([3]);
  });

  test('it is silent: the others are asked after followerTicks', () => {
    const cluster = thriftyCluster(5);
    cluster.propose(1, put('a', 'x'));
    cluster.drop({ to: 3 });
    cluster.deliverAll();
    expect(cluster.decision('1.1')).toBeNull();
    cluster.tick(9, [1]);
    expect(cluster.inFlight()).toBe(0);
    cluster.tick(1, [1]);
    expect(receivers(cluster, 'preAccept')).toEqual([4, 5]);
    cluster.deliver();
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.path(1, '1.1')).toBe('fast');
    expect(commits(cluster)).toEqual({ whole: [], brief: [2, 3, 4, 5] });
  });

  test('of seven, with two silent the others are asked, and the fast path stays open', () => {
    const cluster = thriftyCluster(7);
    cluster.propose(1, put('a', 'x'));
    cluster.drop({ to: [4, 5] });
    cluster.deliverAll();
    cluster.tick(9, [1]);
    expect(cluster.inFlight()).toBe(0);
    cluster.tick(1, [1]);
    expect(receivers(cluster, 'preAccept')).toEqual([6, 7]);
    cluster.deliver({ type: 'preAccept' });
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.path(1, '1.1')).toBe('fast');
  });

  test('of seven, three replies are a majority: the slow path goes on without asking others', () => {
    const cluster = thriftyCluster(7);
    cluster.propose(1, put('a', 'x'));
    cluster.drop({ to: 5 });
    cluster.deliverAll();
    cluster.tick(2, [1]);
    expect(receivers(cluster, 'accept')).toEqual([2, 3, 4]);
    expect(cluster.inFlight({ type: 'preAccept' })).toBe(0);
    cluster.deliverAll({ type: ['accept', 'acceptReply'] });
    expect(cluster.path(1, '1.1')).toBe('slow');
    expect(commits(cluster)).toEqual({ whole: [6, 7], brief: [2, 3, 4, 5] });
  });

  test.each([
    ['dies: at once', 0],
    ['is silent: after followerTicks', 10],
  ])('on the slow path: who was asked to accept %s', (_, ticks) => {
    const cluster = thriftyCluster(5);
    addRival(cluster, 5, 2);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    cluster.deliver({ type: 'preAcceptReply' });
    cluster.drop({ to: 3, type: 'accept' });
    if (ticks === 0) {
      cluster.crash(3);
      cluster.turn(1);
      expect(receivers(cluster, 'accept').sort()).toEqual([2, 4, 5]);
    } else {
      cluster.tick(ticks - 1, [1]);
      expect(receivers(cluster, 'accept')).toEqual([2]);
      cluster.tick(1, [1]);
      expect(receivers(cluster, 'accept').sort()).toEqual([2, 4, 5]);
    }
    cluster.deliverAll({ type: ['accept', 'acceptReply'] });
    expect(cluster.path(1, '1.1')).toBe('slow');
    expect(commits(cluster).whole).toEqual([]);
  });

  test('a repetition goes to everybody who has not answered', () => {
    const cluster = thriftyCluster(5, { timing: { retryTicks: 5 } });
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: 2 });
    cluster.deliver({ type: 'preAcceptReply' });
    cluster.clear();
    cluster.tick(5, [1]);
    expect(receivers(cluster, 'preAccept')).toEqual([3, 4, 5]);
    cluster.clear();
    cluster.tick(5, [1]);
    expect(cluster.inFlight({ type: 'preAccept' })).toBe(0);
  });
});

test.each([3, 5, 7])('of %i replicas a minority dies one by one under load, and all goes on', (replicas) => {
  const cluster = thriftyCluster(replicas);
  const alive = new Set(cluster.ids);
  for (let round = 0; round < 8; round += 1) {
    for (const id of alive) cluster.propose(id, put(`${id} in round ${round}`, `key ${round % 2}`));
    const victim = replicas - round;
    if (alive.size > (replicas + 1) / 2) {
      cluster.crash(victim);
      alive.delete(victim);
    }
    cluster.run(() => [...alive].every((id) => cluster.replica(id).status().openInstances === 0));
  }
  const [first = [], ...others] = [...alive].map((id) => cluster.log(id));
  expect(first.length).toBeGreaterThanOrEqual(8 * alive.size);
  for (const log of others) expect([...log].sort()).toEqual([...first].sort());
});
