/**
 * Fault: a recovery builds on its own, incomplete pre-accept, and drops a dependency.
 * Source: github.com/efficient/epaxos/issues/29.
 *
 * The PreAccepts of two interfering commands are lost asymmetrically: the recovering replica has pre-accepted
 * the one without ever hearing of the other; another member of its quorum has both. If its own record is taken
 * as the answer, the dependency that only the other knows is lost, and the commands are committed unordered.
 */
import { describe, expect, test } from 'vitest';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

describe('N = 3', () => {
  test('the recovering replica’s own record does not hide what the follower has merged', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(2, put('b', 'x'));
    cluster.drop({ to: 1 });
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', about: '1.1' }); // at 2 behind b, at 3 alone
    expect(cluster.look(2, '1.1').deps).toEqual([0, 1, 0]);
    expect(cluster.look(3, '1.1').deps).toEqual([0, 0, 0]);
    cluster.crash(1); // the replies are lost with it; b is still on its way to 3
    cluster.recover(3, '1.1');
    cluster.deliverAll({ about: '1.1' });
    expect(cluster.look(3, '1.1')).toMatchObject({ value: 'a', deps: [0, 1, 0] });
    cluster.run(() => cluster.log(2).length === 2 && cluster.log(3).length === 2);
    expect(cluster.log(2)).toEqual(cluster.log(3));
  });

  test('with the coordinator in the quorum both records are merged, whoever recovers', () => {
    for (const by of [1, 3]) {
      const cluster = new CoreCluster(3);
      cluster.propose(3, put('b', 'x'));
      cluster.drop();
      cluster.propose(1, put('a', 'x'));
      cluster.deliver({ type: 'preAccept', to: 3 });
      cluster.drop();
      expect([cluster.look(1, '1.1').deps, cluster.look(3, '1.1').deps]).toEqual([
        [0, 0, 0],
        [0, 0, 1],
      ]);
      cluster.recover(by, '1.1');
      cluster.deliver({ type: 'prepare', to: 4 - by });
      cluster.deliver({ type: 'prepareReply' });
      cluster.deliverAll({ type: ['accept', 'acceptReply'] });
      expect(cluster.look(by, '1.1')).toMatchObject({ value: 'a', deps: [0, 0, 1] });
    }
  });
});

test('N = 5: the dependency that another member knows stops the incomplete attributes', () => {
  const cluster = new CoreCluster(5);
  // b is committed by 2, 4 and 5; 3 has never heard of it.
  cluster.propose(2, put('b', 'x'));
  cluster.deliver({ type: 'preAccept', to: [4, 5] });
  cluster.deliver({ type: 'preAcceptReply' });
  cluster.drop({ to: [1, 3] });
  cluster.deliver({ type: 'commit', to: 4 });
  cluster.drop();
  expect(cluster.decision('2.1')).toBe('b');
  // a reaches 3, which has nothing to add, and 4, which has.
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: [3, 4] });
  cluster.crash(1);
  cluster.clear();
  expect([cluster.look(3, '1.1').deps, cluster.look(4, '1.1').deps]).toEqual([
    [0, 0, 0, 0, 0],
    [0, 1, 0, 0, 0],
  ]);
  cluster.recover(3, '1.1');
  cluster.deliver({ type: 'prepare', to: [4, 5] });
  cluster.deliverAll();
  // The two were ordered, or a has no effect: the observer fails otherwise.
  expect(cluster.decision('1.1')).toBe('no-op');
  cluster.restart(1);
  cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === 'b'));
});
