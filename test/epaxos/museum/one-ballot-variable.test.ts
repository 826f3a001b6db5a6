/**
 * Fault: one ballot variable for promise and vote.
 * Sources: Sutra, "On the correctness of Egalitarian Paxos" (2019); github.com/efficient/epaxos/issues/20.
 *
 * A replica votes for one value at a low ballot. Later it promises a much higher ballot to somebody who then
 * does nothing. If the promise overwrites the ballot of the vote, its old vote looks newer than another value that
 * a majority has accepted, and been committed with, in between; and the next recovery commits the old one.
 */
import { expect, test } from 'vitest';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

test.each([
  [4, 5],
  [5, 4],
])('N = 5: a vote keeps its own ballot, however high the promise (%i recovers)', (by, other) => {
  const cluster = new CoreCluster(5);
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: 3 });
  cluster.drop();
  // 5 recovers with 3 and 4, and votes for a at ballot 10; its Accepts are lost.
  cluster.recover(5, '1.1');
  cluster.deliver({ type: 'prepare', to: [3, 4] });
  cluster.deliver({ type: 'prepareReply' });
  cluster.deliver({ type: 'validate' });
  cluster.deliver({ type: 'validateReply' });
  cluster.drop();
  expect(cluster.look(5, '1.1')).toMatchObject({ acceptedBallot: 10, value: 'a' });
  // 2 recovers with 1 and 4 at ballot 12, and a no-op is accepted by that majority and committed; 2 is gone.
  cluster.recover(2, '1.1');
  cluster.recover(2, '1.1');
  cluster.deliver({ type: 'prepare', from: 2, to: [1, 4] });
  cluster.deliver({ type: 'prepareReply', to: 2 });
  cluster.deliver({ type: 'accept', to: [1, 4] });
  cluster.deliver({ type: 'acceptReply' });
  expect(cluster.decision('1.1')).toBe('no-op');
  cluster.crash(2, { losing: 'unsynced' });
  cluster.drop();
  // 3 gets the promise of 5 for ballot 13, and is gone too.
  cluster.recover(3, '1.1');
  cluster.deliver({ type: 'prepare', to: 5 });
  cluster.crash(3);
  cluster.clear();
  expect(cluster.look(5, '1.1')).toMatchObject({ ballot: 13, acceptedBallot: 10, value: 'a' });
  // The next recovery has both votes, that of 4 at ballot 12 and that of 5 at 10: the latter is the older one.
  cluster.recover(by, '1.1');
  cluster.deliver({ type: 'prepare', to: other });
  cluster.deliver({ type: 'prepare', to: 1 });
  cluster.deliverAll();
  expect(cluster.look(by, '1.1')).toMatchObject({ status: 'executed', value: 'no-op' });
});

test.each([1, 3])('N = 3: the same with two different deps for one command (%i recovers)', (by) => {
  const cluster = new CoreCluster(3);
  cluster.propose(2, put('by 2', 'x'));
  cluster.propose(3, put('by 3', 'x'));
  cluster.drop();
  cluster.propose(1, put('a', 'x')); // with 2 it depends on 2.1, with 3 on 3.1
  cluster.deliver({ type: 'preAccept' });
  cluster.drop();
  // 1 recovers its own with 3: it votes for the merge of both, at ballot 4.
  cluster.recover(1, '1.1');
  cluster.deliver({ type: 'prepare', to: 3 });
  cluster.deliver({ type: 'prepareReply' });
  cluster.drop();
  expect(cluster.look(1, '1.1')).toMatchObject({ acceptedBallot: 4, deps: [0, 0, 1] });
  // 2 recovers with 3 at ballot 5: what the follower has is accepted by both, and so it is chosen.
  cluster.recover(2, '1.1');
  cluster.deliver({ type: 'prepare', to: 3 });
  cluster.deliver({ type: 'prepareReply' });
  cluster.deliver({ type: 'accept', to: 3 });
  cluster.drop();
  expect(cluster.look(3, '1.1')).toMatchObject({ status: 'accepted', acceptedBallot: 5, deps: [0, 1, 0] });
  // 2 has not heard so, begins anew at ballot 8, gets the promise of 1, and is gone.
  cluster.recover(2, '1.1');
  cluster.deliver({ type: 'prepare', to: 1 });
  cluster.crash(2, { losing: 'unsynced' });
  cluster.clear();
  expect(cluster.look(1, '1.1')).toMatchObject({ ballot: 8, acceptedBallot: 4 });
  // 1 and 3 have both votes: that of 3 at ballot 5 is the later one, though 1 has promised 8.
  while (cluster.decision('1.1') === null) {
    cluster.recover(by, '1.1');
    cluster.deliverAll(); // the first attempt of 3 is refused by the promise
  }
  expect(cluster.look(by, '1.1')).toMatchObject({ value: 'a', deps: [0, 1, 0] });
  cluster.restart(2);
  cluster.run(() => cluster.ids.every((id) => cluster.log(id).includes('a')));
});
