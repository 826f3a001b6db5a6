/** Replicas that have missed something: one Commit, or a thousand. */
import { describe, expect, test } from 'vitest';
import { CLUSTER_SIZES } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

describe.each(CLUSTER_SIZES)('N = %i', (replicas) => {
  test('a Commit that is lost is fetched by whoever needs it, without a recovery', () => {
    const cluster = new CoreCluster(replicas);
    const last = replicas;
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    cluster.deliver({ type: 'preAcceptReply' });
    cluster.drop({ type: 'commit', to: last });
    cluster.propose(last, put('b', 'x'));
    cluster.run(() => cluster.log(last).join() === 'a,b');
    expect(cluster.path(last, '1.1')).toBe('learned');
    expect(cluster.events(last).some(({ type }) => type === 'fetched')).toBe(true);
    expect(cluster.ids.some((id) => cluster.events(id).some(({ type }) => type === 'recoveryStarted'))).toBe(
      false,
    );
  });

  test('also one that nobody needs is learned in the end', () => {
    const cluster = new CoreCluster(replicas);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    cluster.deliver({ type: 'preAcceptReply' });
    cluster.drop({ type: 'commit' });
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === 'a'));
  });

  test('a replica that has missed 1,000 commits of several rows catches up, in order', () => {
    const cluster = new CoreCluster(replicas);
    const last = replicas;
    cluster.isolate(last);
    for (let count = 0; count < 1_000; count += 1) {
      cluster.propose((count % 2) + 1, put(`${count}`, `key ${count % 10}`));
      cluster.deliverAll();
    }
    expect(cluster.log(1)).toHaveLength(1_000);
    expect(cluster.log(last)).toEqual([]);
    cluster.rejoin(last);
    const ticks = cluster.run(() => cluster.log(last).length === 1_000);
    expect(ticks).toBeLessThan(60);
    const recoveries = cluster.ids.flatMap((id) =>
      cluster.events(id).filter(({ type }) => type === 'recoveryStarted'),
    );
    expect(recoveries).toEqual([]);
  });

  test('a replica that missed everything takes part at once, and nothing it proposes is out of order', () => {
    const cluster = new CoreCluster(replicas);
    const last = replicas;
    cluster.isolate(last);
    for (let count = 0; count < 50; count += 1) {
      cluster.propose(1, put(`${count}`, 'x'));
      cluster.deliverAll();
    }
    cluster.rejoin(last);
    cluster.propose(last, put('late', 'x'));
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).at(-1) === 'late'));
    expect(cluster.log(last)).toHaveLength(51);
  });
});
