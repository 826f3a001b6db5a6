/**
 * Faults: recoveries by TryPreAccept wait for each other for ever with finitely many commands; and their test for
 * a conflict looks at the wrong dependencies, so that it overlooks one.
 * Source: Ryabinin, Gotsman, Sutra, "Making Democracy Work: Fixing and Simplifying Egalitarian Paxos" (OPODIS 2025).
 */
import { describe, expect, test } from 'vitest';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';
import { begunRecoveries, waitingRecoveries } from '../../support/core-recoveries.ts';

/** Delivers what is about one of the two until its recovery waits. */
function untilWaiting(cluster: CoreCluster, about: string): void {
  cluster.deliver({ type: 'prepareReply', about });
  cluster.deliver({ type: 'validate', about });
  cluster.deliver({ type: 'validateReply', about });
  expect(cluster.inFlight({ type: 'waiting', about })).toBe(4);
}

describe('recoveries that wait for each other', () => {
  test('the one that hears of a better founded other gives way, and the other goes on', () => {
    const cluster = waitingRecoveries([3, 4], [5]);
    expect(cluster.contents({ type: 'waiting', to: 1 })).toMatchObject([{ matching: 2 }, { matching: 1 }]);
    cluster.deliverAll(); // no time passes
    expect([cluster.decision('1.1'), cluster.decision('2.1')]).toEqual(['a', 'no-op']);
  });

  test.each([
    ['1.1', '2.1'],
    ['2.1', '1.1'],
  ])('also if both are at one replica, which sends itself no message; %s waits first', (first, second) => {
    const cluster = begunRecoveries([3, 4], [5], 3);
    untilWaiting(cluster, first);
    cluster.drop({ type: 'waiting' });
    cluster.deliver({ about: second });
    cluster.deliver({ about: second });
    cluster.deliver({ about: second });
    cluster.deliverAll(); // no time passes
    expect([cluster.decision('1.1'), cluster.decision('2.1')]).toEqual(['a', 'no-op']);
  });

  test('also if the better founded one said so before the other one waited: it says so again', () => {
    const cluster = begunRecoveries([3, 4], [5]);
    untilWaiting(cluster, '1.1');
    cluster.deliver({ type: 'waiting' });
    untilWaiting(cluster, '2.1');
    cluster.deliverAll(); // no time passes
    expect([cluster.decision('1.1'), cluster.decision('2.1')]).toEqual(['a', 'no-op']);
  });

  test('neither says anything again to one that is no better founded', () => {
    const cluster = waitingRecoveries([3], [5]);
    expect(cluster.contents({ type: 'waiting', to: 1 })).toMatchObject([{ matching: 1 }, { matching: 1 }]);
    cluster.deliverAll({ type: 'waiting' });
    expect(cluster.inFlight()).toBe(0);
  });

  test('also if the message that says so is lost: it is repeated', () => {
    const cluster = waitingRecoveries([3, 4], [5]);
    cluster.drop({ type: 'waiting' });
    cluster.tick(20, [3]);
    cluster.deliver({ type: 'waiting', from: 3, to: 5 });
    cluster.deliverAll({ about: '2.1' });
    expect(cluster.decision('2.1')).toBe('no-op');
    cluster.deliverAll({ about: '1.1' });
    expect(cluster.decision('1.1')).not.toBeNull();
  });

  test('neither better founded than the other: the coordinators, or new quorums, settle it', () => {
    for (const crashed of [[], [1], [2], [1, 2], [3, 5]]) {
      const cluster = waitingRecoveries([3], [5]);
      for (const id of crashed) cluster.crash(id);
      const alive = cluster.ids.filter((id) => !crashed.includes(id));
      cluster.propose(4, put('after', 'x'));
      cluster.run(() => alive.every((id) => cluster.log(id).includes('after')));
      for (const id of alive) expect(cluster.log(id)).toEqual(cluster.log(4));
    }
  });
});

test('an instance whose current deps have the one in doubt, but whose proposal has not, contradicts it', () => {
  const cluster = new CoreCluster(5);
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: 3 });
  cluster.clear();
  // b is pre-accepted as proposed at 4 and 5, behind a at 3; its coordinator misses the reply of 5 and goes slow.
  cluster.propose(2, put('b', 'x'));
  cluster.deliver({ type: 'preAccept', to: [3, 4, 5] });
  cluster.deliver({ type: 'preAcceptReply', from: [3, 4] });
  cluster.tick(2, [2]);
  cluster.deliver({ type: 'accept', to: 4 });
  cluster.crash(2);
  cluster.clear();
  expect(cluster.look(4, '2.1')).toMatchObject({ status: 'accepted', deps: [1, 0, 0, 0, 0] });
  // The recovery of 1.1 hears of it from 4: b may yet be recovered as it was proposed, without a.
  cluster.recover(3, '1.1');
  cluster.deliver({ type: 'prepare', to: [4, 5] });
  cluster.drop({ type: 'prepare' });
  cluster.deliver({ type: 'prepareReply' });
  cluster.deliver({ type: 'validate', to: 4 });
  expect(cluster.contents({ type: 'validateReply' })).toMatchObject([
    { contradictions: [{ id: { replica: 2, slot: 1 }, committed: false }] },
  ]);
  cluster.deliverAll();
  cluster.recover(5, '2.1');
  cluster.deliver({ type: 'prepare', to: [1, 3] }); // without 4: nobody here has accepted anything
  cluster.settle();
  cluster.propose(5, put('after', 'x'));
  cluster.run(() => [1, 3, 4, 5].every((id) => cluster.log(id).includes('after')));
});
