/** From operations to instances in a running cluster: batching under contention, and commands that a no-op displaced. */
import { describe, expect, test } from 'vitest';
import { CLUSTER_SIZES, formatInstance, Proposal } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

describe.each(CLUSTER_SIZES)('N = %i', (replicas) => {
  test('at most one open instance per key and coordinator, however many arrive', () => {
    const cluster = new CoreCluster(replicas);
    let arrived = 0;
    for (let round = 0; round < 30; round += 1) {
      for (const id of cluster.ids) {
        cluster.submit(id, put(`${arrived}`, 'x'), put(`${arrived + 1}`, 'x'));
        arrived += 2;
        cluster.turn(id);
        expect(cluster.replica(id).status().openInstances).toBeLessThanOrEqual(1);
      }
      if (cluster.inFlight() > 0) cluster.deliver();
    }
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).join('+').split('+').length === arrived));
    const instances = cluster.events(1).filter(({ type }) => type === 'proposed').length;
    expect(instances).toBeLessThan(30); // contention has become batching
  });

  test('an instance that became a no-op: its command is proposed again and executed exactly once', () => {
    const cluster = new CoreCluster(replicas);
    cluster.propose(1, put('a', 'x'));
    cluster.drop();
    cluster.submit(1, put('behind', 'x'));
    cluster.turn(1);
    cluster.isolate(1);
    cluster.recover(2, '1.1');
    cluster.deliverAll();
    expect(cluster.decision('1.1')).toBe('no-op');
    cluster.propose(2, put('b', 'x'));
    cluster.deliverAll();
    cluster.rejoin(1);
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).includes('a+behind')));
    for (const id of cluster.ids) expect(cluster.log(id)).toEqual(['b', 'a+behind']);
    const again = cluster.events(1).filter(({ type }) => type === 'reproposed');
    expect(again).toHaveLength(1);
  });

  test('also if it becomes one again and again', () => {
    const cluster = new CoreCluster(replicas);
    cluster.submit(1, put('a', 'x'));
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      cluster.turn(1);
      const [latest] = cluster
        .events(1)
        .filter(({ type }) => type === 'proposed')
        .slice(-1);
      if (latest?.type !== 'proposed') throw new Error('nothing was proposed');
      expect(latest.id.slot).toBe(attempt);
      cluster.drop({ from: 1, type: 'preAccept' });
      cluster.recover(2, formatInstance(latest.id));
      const others = cluster.ids.slice(2);
      cluster.deliver({ type: 'prepare', to: others });
      cluster.drop({ type: 'prepare' });
      cluster.deliver({ type: 'prepareReply' });
      cluster.deliver({ type: 'accept', to: others });
      cluster.deliver({ type: 'acceptReply' });
      expect(cluster.decision(formatInstance(latest.id))).toBe('no-op');
      cluster.deliver({ type: 'commit', to: others });
      const [commit] = cluster.contents({ type: 'commit', to: 1 });
      if (commit === undefined) throw new Error('no commit');
      cluster.drop();
      cluster.replica(1).step(2, commit);
      cluster.turn(1);
    }
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === 'a'));
  });
});

test('a queue that is full refuses, and is open again when it has drained', () => {
  const cluster = new CoreCluster(3, { limits: { heldOperations: 3 } });
  cluster.propose(1, put('a', 'x'));
  cluster.submit(1, put('b', 'x'), put('c', 'x'), put('d', 'x'));
  cluster.turn(1);
  expect(cluster.replica(1).propose(new Proposal(put('e', 'y')))).toBe(false);
  cluster.settle();
  expect(cluster.replica(1).propose(new Proposal(put('e', 'y')))).toBe(true);
  cluster.run(() => cluster.ids.every((id) => cluster.log(id).includes('e')));
});
