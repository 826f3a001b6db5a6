/** A coordinator that comes back settles what it left open, and starts anew. */
import { describe, expect, test } from 'vitest';
import { CLUSTER_SIZES } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

describe.each(CLUSTER_SIZES)('N = %i', (replicas) => {
  test('an instance that nobody else knows ends as a no-op; its slot is not used again', () => {
    const cluster = new CoreCluster(replicas);
    cluster.propose(1, put('a', 'x'));
    cluster.crash(1);
    cluster.drop();
    cluster.restart(1);
    expect(cluster.propose(1, put('b', 'y'))).toBe('1.2');
    cluster.run(() => cluster.decision('1.1') !== null);
    expect(cluster.decision('1.1')).toBe('no-op');
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === 'b'));
  });

  test('open instances of every kind are settled without anybody waiting for them', () => {
    const cluster = new CoreCluster(replicas);
    cluster.propose(1, put('unheard', 'u'));
    cluster.drop();
    cluster.propose(1, put('heard', 'h'));
    cluster.deliver({ type: 'preAccept', to: 2 });
    cluster.drop();
    cluster.propose(1, put('by all', 'a'));
    cluster.deliver({ type: 'preAccept' });
    cluster.drop();
    cluster.crash(1, { losing: 'unsynced' });
    cluster.restart(1);
    const names = ['1.1', '1.2', '1.3'];
    const ticks = cluster.run(() => names.every((name) => cluster.decision(name) !== null));
    expect(ticks).toBeLessThan(100);
    cluster.run(() => cluster.ids.every((id) => cluster.replica(id).status().rows[0]?.executed === 3));
    for (const id of cluster.ids) expect(cluster.log(id)).toEqual(cluster.log(1));
  });

  test('what a restarted coordinator had committed, others learn from it', () => {
    const cluster = new CoreCluster(replicas);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.path(1, '1.1')).toBe('fast');
    cluster.crash(1);
    cluster.drop();
    cluster.restart(1);
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === 'a'));
  });

  test('all crash at once, in the middle of everything, and come back', () => {
    const cluster = new CoreCluster(replicas);
    for (const id of cluster.ids) cluster.propose(id, put(`${id}`, 'x'));
    cluster.deliver({ type: 'preAccept', to: cluster.ids.slice(0, -1) });
    cluster.deliver({ type: 'preAcceptReply', to: [1, 2] });
    for (const id of cluster.ids) cluster.crash(id, { losing: 'unsynced' });
    for (const id of cluster.ids) cluster.restart(id);
    cluster.propose(1, put('after', 'x'));
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).includes('after')));
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).length === cluster.log(1).length));
    for (const id of cluster.ids) expect(cluster.log(id)).toEqual(cluster.log(1));
  });

  test('a replica that is restarted again and again loses nothing and repeats nothing', () => {
    const cluster = new CoreCluster(replicas);
    for (let round = 1; round <= 10; round += 1) {
      cluster.propose(1, put(`${round}`, 'x'));
      cluster.deliverAll({ from: 1 });
      cluster.crash(2, { losing: 'unsynced' });
      cluster.restart(2);
      cluster.run(() => cluster.log(1).length === round);
    }
    cluster.run(() => cluster.log(2).length === 10);
    expect(cluster.log(2)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10']);
  });
});
