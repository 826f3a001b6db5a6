/**
 * Fault: the fast path is taken with a flat majority, which is too small from N = 7 on.
 * Source: github.com/efficient/epaxos/issues/10.
 *
 * With four of seven, a recovery that hears from four others may find only one that pre-accepted, or as many
 * for one command as for another that contradicts it, and cannot tell which was committed.
 */
import { expect, test } from 'vitest';
import { quorumsOf } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

test('at N = 7 a majority of equal replies does not commit; a fast quorum does', () => {
  const cluster = new CoreCluster(7);
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: [2, 3, 4, 5] });
  cluster.deliver({ type: 'preAcceptReply', from: [2, 3, 4] });
  expect(quorumsOf(7).majority).toBe(4);
  expect(cluster.decision('1.1')).toBeNull();
  cluster.deliver({ type: 'preAcceptReply', from: 5 });
  expect(cluster.path(1, '1.1')).toBe('fast');
});

test('with a majority alone it takes the slow path, so that every recovery finds the value', () => {
  const cluster = new CoreCluster(7);
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: [2, 3, 4] });
  cluster.deliver({ type: 'preAcceptReply' });
  cluster.tick(2, [1]);
  cluster.deliver({ type: 'accept', to: [2, 3, 4] });
  cluster.deliver({ type: 'acceptReply' });
  expect(cluster.path(1, '1.1')).toBe('slow');
  cluster.crash(1, { losing: 'unsynced' });
  cluster.clear();
  cluster.recover(7, '1.1');
  cluster.deliver({ type: 'prepare', to: [4, 5, 6] }); // one of those who have it
  cluster.deliverAll();
  expect(cluster.decision('1.1')).toBe('a');
});

test('two contradicting proposals, each pre-accepted by a flat majority: at most one has been committed', () => {
  const cluster = new CoreCluster(7);
  cluster.propose(1, put('a', 'x'));
  cluster.propose(7, put('b', 'x'));
  cluster.deliver({ type: 'preAccept', from: 1, to: [2, 3] });
  cluster.deliver({ type: 'preAccept', from: 7, to: [5, 6] });
  cluster.deliver({ type: 'preAccept', from: 1, to: 4 });
  cluster.deliver({ type: 'preAccept', from: 7, to: 4 });
  cluster.deliver({ type: 'preAcceptReply' });
  expect([cluster.decision('1.1'), cluster.decision('7.1')]).toEqual([null, null]);
  cluster.crash(1);
  cluster.crash(7);
  cluster.clear();
  cluster.recover(3, '1.1');
  cluster.recover(5, '7.1');
  cluster.propose(4, put('after', 'x'));
  cluster.run(() => [2, 3, 4, 5, 6].every((id) => cluster.log(id).includes('after')));
});
