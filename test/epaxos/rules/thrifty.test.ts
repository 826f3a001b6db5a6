/** R3.8: thrifty mode. Who is asked first, who gets the command with the Commit, and how many messages that takes. */
import { describe, expect, test } from 'vitest';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';
import { addRival, commits, receivers, thriftyCluster } from '../../support/thrifty-cluster.ts';

describe('who is asked first', () => {
  test.each([
    [3, [2]],
    [5, [2, 3]],
    [7, [2, 3, 4, 5]],
  ])('of %i replicas, the fast quorum: the next in the ring where nothing is measured', (replicas, asked) => {
    const cluster = thriftyCluster(replicas);
    cluster.propose(1, put('a', 'x'));
    expect(receivers(cluster, 'preAccept')).toEqual(asked);
  });

  test.each([3, 5, 7])('of %i replicas, all of them without thrift', (replicas) => {
    const cluster = new CoreCluster(replicas);
    cluster.propose(1, put('a', 'x'));
    expect(receivers(cluster, 'preAccept')).toHaveLength(replicas - 1);
  });

  test('the nearest', () => {
    const cluster = thriftyCluster(5);
    for (const [peer, milliseconds] of [40, 30, 20, 10].entries()) {
      cluster.replica(1).setRoundTrip(peer + 2, milliseconds);
    }
    cluster.propose(1, put('a', 'x'));
    expect(receivers(cluster, 'preAccept')).toEqual([5, 4]);
  });

  test('those that can be reached', () => {
    const cluster = thriftyCluster(5);
    cluster.crash(2);
    cluster.propose(1, put('a', 'x'));
    expect(receivers(cluster, 'preAccept')).toEqual([3, 4]);
  });

  test('everybody, if too few for a fast quorum can be reached', () => {
    const cluster = thriftyCluster(7);
    for (const id of [2, 3, 4]) cluster.replica(1).setReachable(id, false);
    cluster.propose(1, put('a', 'x'));
    expect(receivers(cluster, 'preAccept').sort()).toEqual([2, 3, 4, 5, 6, 7]);
  });
});

describe('without failures', () => {
  test.each([
    [3, { whole: [3], brief: [2] }],
    [5, { whole: [4, 5], brief: [2, 3] }],
    [7, { whole: [6, 7], brief: [2, 3, 4, 5] }],
  ])('of %i replicas, who was not asked gets the command with the Commit', (replicas, expected) => {
    const cluster = thriftyCluster(replicas);
    cluster.propose(1, put('a', 'x'));
    cluster.deliverAll({ type: ['preAccept', 'preAcceptReply'] });
    expect(cluster.path(1, '1.1')).toBe('fast');
    expect(commits(cluster)).toEqual(expected);
    cluster.settle();
    for (const id of cluster.ids) expect(cluster.log(id)).toEqual(['a']);
    expect(cluster.ids.flatMap((id) => cluster.events(id)).map(({ type }) => type)).not.toContain('fetched');
  });

  test('the slow path asks as many as make a majority, those first that have replied', () => {
    const cluster = thriftyCluster(7);
    addRival(cluster, 7, 2);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ from: 1, to: [2, 4, 5] });
    cluster.deliverAll({ type: 'preAcceptReply' });
    expect(receivers(cluster, 'accept')).toEqual([2, 4, 5]);
    cluster.deliverAll({ type: ['accept', 'acceptReply'] });
    expect(cluster.path(1, '1.1')).toBe('slow');
    expect(commits(cluster)).toEqual({ whole: [6, 7], brief: [2, 3, 4, 5] });
  });

  test('a single reply that disagrees costs five replicas the fast path, as nobody else is asked', () => {
    const cluster = thriftyCluster(5);
    addRival(cluster, 5, 2);
    cluster.propose(1, put('a', 'x'));
    cluster.deliverAll({ from: 1, type: 'preAccept' });
    cluster.deliverAll({ type: 'preAcceptReply' });
    expect(cluster.look(1, '1.1')).toMatchObject({ status: 'accepted', deps: [0, 0, 0, 0, 1] });
    expect(receivers(cluster, 'accept')).toEqual([2, 3]);
  });

  test('a recovery asks everybody, and its Commit has the command', () => {
    const cluster = thriftyCluster(5);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    cluster.crash(1);
    cluster.clear();
    cluster.recover(2, '1.1');
    expect(cluster.inFlight({ type: 'prepare' })).toBe(3);
    cluster.deliverAll({ type: ['prepare', 'prepareReply', 'validate', 'validateReply'] });
    expect(cluster.inFlight({ type: 'accept', from: 2 })).toBe(3);
    cluster.deliverAll({ type: ['accept', 'acceptReply'] });
    expect(cluster.messages({ type: 'commit' })).toHaveLength(3);
    expect(cluster.messages({ type: 'commit' }).join()).not.toContain('sent');
    expect(cluster.decision('1.1')).toBe('a');
  });
});

/** Counts what one write takes until everybody has committed it. With a rival, everybody else knows of one. */
function messagesOfAWrite(replicas: number, options: { thrifty: boolean; rival: boolean }) {
  const cluster = new CoreCluster(replicas, { thrifty: options.thrifty });
  const counts = { preAccept: 0, preAcceptReply: 0, accept: 0, acceptReply: 0, commit: 0, total: 0 };
  if (options.rival) {
    cluster.propose(2, put('rival', 'x'));
    cluster.clear();
    cluster.tick(20, [2]); // a repetition goes to all
    cluster.drop({ to: 1 });
    cluster.deliver({ from: 2 });
    cluster.clear();
  }
  cluster.propose(1, put('a', 'x'));
  while (cluster.inFlight() > 0) {
    for (const { type } of cluster.contents()) {
      if (type in counts) counts[type as keyof typeof counts] += 1;
      counts.total += 1;
    }
    cluster.deliver();
  }
  for (const id of cluster.ids) expect(cluster.look(id, '1.1').value).toBe('a');
  expect(cluster.ids.map((id) => cluster.path(id, '1.1'))).not.toContain(null);
  return { path: cluster.path(1, '1.1'), ...counts };
}

/** These figures stand in docs/operations.md. */
describe('how many messages a write takes', () => {
  const FAST = { path: 'fast', accept: 0, acceptReply: 0 };
  test.each([
    [3, false, { ...FAST, preAccept: 2, preAcceptReply: 1, commit: 2, total: 5 }],
    [3, true, { ...FAST, preAccept: 1, preAcceptReply: 1, commit: 2, total: 4 }],
    [5, false, { ...FAST, preAccept: 4, preAcceptReply: 4, commit: 4, total: 12 }],
    [5, true, { ...FAST, preAccept: 2, preAcceptReply: 2, commit: 4, total: 8 }],
    [7, false, { ...FAST, preAccept: 6, preAcceptReply: 6, commit: 6, total: 18 }],
    [7, true, { ...FAST, preAccept: 4, preAcceptReply: 4, commit: 6, total: 14 }],
  ])('of %i replicas, thrifty %s, on the fast path', (replicas, thrifty, expected) => {
    expect(messagesOfAWrite(replicas, { thrifty, rival: false })).toEqual(expected);
  });

  test('of three replicas, conflicts change nothing', () => {
    expect(messagesOfAWrite(3, { thrifty: true, rival: true })).toMatchObject({ path: 'fast', total: 4 });
  });

  test.each([
    [5, false, { preAccept: 4, preAcceptReply: 4, accept: 4, acceptReply: 4, commit: 4, total: 20 }],
    [5, true, { preAccept: 2, preAcceptReply: 2, accept: 2, acceptReply: 2, commit: 4, total: 12 }],
    [7, false, { preAccept: 6, preAcceptReply: 6, accept: 6, acceptReply: 6, commit: 6, total: 30 }],
    [7, true, { preAccept: 4, preAcceptReply: 4, accept: 3, acceptReply: 3, commit: 6, total: 20 }],
  ])('of %i replicas, thrifty %s, on the slow path', (replicas, thrifty, expected) => {
    expect(messagesOfAWrite(replicas, { thrifty, rival: true })).toEqual({ path: 'slow', ...expected });
  });
});
