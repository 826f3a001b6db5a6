/**
 * Fault: the followers agree with each other, but not with the coordinator, and that is taken for a fast quorum.
 * Source: charap.co, reading group on "EPaxos Revisited".
 *
 * The proposal goes to all, and the fast quorum is small. Two followers answer with the same dependency, which the
 * coordinator did not propose, and it commits with it. Then it fails, with one of them. Among those that are left
 * one has that dependency and others have none: which of the two was committed nobody can tell.
 */
import { expect, test } from 'vitest';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

test.each([
  [5, [3, 4]],
  [7, [3, 4, 5, 6]],
])('N = %i: replies that agree, but not with the proposal, never commit fast', (replicas, agreeing) => {
  const cluster = new CoreCluster(replicas);
  cluster.propose(2, put('b', 'x'));
  cluster.deliver({ type: 'preAccept', to: agreeing });
  cluster.clear();
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: agreeing });
  const replies = new Set(cluster.messages({ type: 'preAcceptReply' }).map((line) => line.slice(3)));
  expect(replies.size).toBe(1);
  cluster.deliver({ type: 'preAcceptReply' });
  expect(cluster.decision('1.1')).toBeNull();
  expect(cluster.inFlight({ type: 'commit' })).toBe(0);
  // Time does not turn them into a fast quorum either: the merge is accepted by a majority first.
  cluster.tick(2, [1]);
  expect(cluster.look(1, '1.1').status).toBe('accepted');
  cluster.deliver({ type: 'accept' });
  cluster.deliver({ type: 'acceptReply' });
  expect(cluster.path(1, '1.1')).toBe('slow');
  expect(cluster.look(1, '1.1').deps?.[1]).toBe(1);
});

test('the coordinator and one of the agreeing fail: the recovery is free, and what it chooses is ordered', () => {
  const cluster = new CoreCluster(5);
  cluster.propose(2, put('b', 'x'));
  cluster.deliver({ type: 'preAccept', to: [3, 4] });
  cluster.deliver({ type: 'preAcceptReply' }); // b is committed
  cluster.clear();
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: [3, 4, 5] });
  cluster.deliver({ type: 'preAcceptReply', from: [3, 4] });
  expect(cluster.decision('1.1')).toBeNull();
  cluster.crash(1);
  cluster.crash(3);
  cluster.clear();
  cluster.recover(5, '1.1');
  cluster.deliverAll();
  cluster.run(() => cluster.decision('1.1') !== null);
  cluster.propose(5, put('after', 'x'));
  cluster.run(() => [2, 4, 5].every((id) => cluster.log(id).includes('after')));
  for (const id of [4, 5]) expect(cluster.log(id)).toEqual(cluster.log(2));
});
