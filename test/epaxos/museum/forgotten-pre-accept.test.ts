/**
 * Fault: a pre-accept is answered before it is durable.
 * Source: github.com/efficient/epaxos/issues/28.
 *
 * Two fast quorums have one member in common. It answers the first PreAccept, crashes, restarts without it, and
 * answers the second as if the first had never been: both commands commit fast, neither depends on the other.
 */
import { expect, test } from 'vitest';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

test('N = 5: the one member that two fast quorums share remembers through a crash', () => {
  const cluster = new CoreCluster(5);
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: [2, 3] });
  cluster.deliver({ type: 'preAcceptReply' });
  expect(cluster.path(1, '1.1')).toBe('fast');
  cluster.drop();
  cluster.crash(3, { losing: 'unsynced' });
  cluster.restart(3);
  cluster.propose(5, put('b', 'x'));
  cluster.deliver({ type: 'preAccept', to: [3, 4] });
  expect(cluster.messages({ type: 'preAcceptReply', from: 3 })).toEqual([
    '3→5 preAcceptReply 5.1 seq 2 deps 1,0,0,0,0',
  ]);
  cluster.deliver({ type: 'preAcceptReply' });
  expect(cluster.decision('5.1')).toBeNull();
  cluster.run(() => cluster.ids.every((id) => cluster.log(id).length === 2));
  for (const id of cluster.ids) expect(cluster.log(id)).toEqual(['a', 'b']);
});

test('N = 3: the follower that both coordinators chose remembers through a crash', () => {
  const cluster = new CoreCluster(3);
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: 2 });
  cluster.deliver({ type: 'preAcceptReply' });
  cluster.drop();
  cluster.crash(2, { losing: 'unsynced' });
  cluster.restart(2);
  cluster.replica(3).setReachable(1, false); // so that 3 chooses 2 as well
  cluster.propose(3, put('b', 'x'));
  cluster.deliver({ type: 'preAccept', to: 2 });
  cluster.deliver({ type: 'preAcceptReply' });
  expect([cluster.path(1, '1.1'), cluster.path(3, '3.1')]).toEqual(['fast', 'fast']);
  expect(cluster.look(3, '3.1').deps).toEqual([1, 0, 0]);
  cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === 'a,b'));
});

test('an answer that was never sent may be forgotten: then nobody has counted it', () => {
  const cluster = new CoreCluster(3);
  cluster.propose(1, put('a', 'x'));
  const [proposal] = cluster.contents({ type: 'preAccept', to: 2 });
  if (proposal === undefined) throw new Error('no proposal');
  cluster.drop();
  cluster.replica(2).step(1, proposal);
  const { messages } = cluster.crashDuring(2, 'before the write');
  expect(messages).toHaveLength(1);
  expect(cluster.inFlight()).toBe(0);
  cluster.restart(2);
  expect(cluster.look(2, '1.1').status).toBe('none');
});
