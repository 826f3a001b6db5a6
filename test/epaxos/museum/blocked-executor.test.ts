/**
 * Fault: the executor busy-waits, inside its search for components, for an instance that never comes, while the
 * recovery that would bring it is blocked behind the executor.
 * Source: github.com/efficient/epaxos/issues/26.
 */
import { describe, expect, test } from 'vitest';
import { CoreCluster } from '../../support/core-cluster.ts';
import { get, put } from '../../support/core-operations.ts';

/** At all replicas: 2.1 depends on 1.2, which depends on 1.1; nobody alive has committed 1.1, whose coordinator is gone. */
function chain(replicas: number, knowing: number[]): CoreCluster {
  const cluster = new CoreCluster(replicas);
  cluster.propose(1, get('lost', 'x', 'y'));
  for (const to of knowing) cluster.deliver({ type: 'preAccept', to });
  cluster.clear();
  cluster.propose(1, get('kept', 'x'));
  cluster.deliver({ type: 'preAccept' });
  cluster.deliver({ type: 'preAcceptReply' });
  cluster.deliver({ type: 'commit' });
  cluster.crash(1);
  cluster.clear();
  return cluster;
}

describe.each([3, 5])('N = %i', (replicas) => {
  test('while an instance is blocked, nothing spins, and others are executed', () => {
    const cluster = chain(replicas, [2]);
    cluster.propose(2, put('blocked', 'y'));
    cluster.settle();
    expect(cluster.log(2)).toEqual(['kept']);
    expect(cluster.replica(2).hasReady()).toBe(false);
    expect(cluster.replica(2).status().blockedInstances).toBe(1);
    cluster.propose(3, put('free', 'z'));
    cluster.settle();
    expect(cluster.log(2)).toEqual(['kept', 'free']);
  });

  test('what it lacks is recovered meanwhile, and it goes on', () => {
    const cluster = chain(replicas, [2]);
    cluster.propose(2, put('blocked', 'y'));
    cluster.run(() => cluster.ids.slice(1).every((id) => cluster.log(id).includes('blocked')));
    expect(cluster.decision('1.1')).not.toBeNull();
  });

  test('also over several steps: a lack that shows only behind another', () => {
    const cluster = chain(replicas, [2]);
    cluster.propose(2, put('first', 'y'));
    cluster.settle();
    cluster.propose(3, put('second', 'y', 'z'));
    cluster.propose(3, put('other', 'w'));
    cluster.settle();
    expect(cluster.log(3)).not.toContain('second');
    cluster.run(() => cluster.ids.slice(1).every((id) => cluster.log(id).includes('second')));
    for (const id of cluster.ids.slice(2)) expect(cluster.log(id).sort()).toEqual(cluster.log(2).sort());
  });
});
