/** When a core is at rest, and what ticks do then. */
import { describe, expect, test } from 'vitest';
import { Proposal } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { get, put } from '../../support/core-operations.ts';

/** Which replicas are at rest. */
function resting(cluster: CoreCluster): readonly number[] {
  return cluster.ids.filter((id) => cluster.replica(id).isAtRest());
}

const allRest = (cluster: CoreCluster) => cluster.run(() => resting(cluster).length === cluster.ids.length);

describe('a core is at rest', () => {
  test('when it has just begun, and again when a proposal is executed everywhere', () => {
    const cluster = new CoreCluster(3);
    expect(resting(cluster)).toEqual([1, 2, 3]);
    cluster.propose(1, put('a'));
    expect(resting(cluster)).toEqual([2, 3]);
    cluster.deliver({ type: 'preAccept' });
    expect(resting(cluster)).toEqual([]);
    allRest(cluster);
    expect(cluster.ids.map((id) => cluster.log(id))).toEqual([['a'], ['a'], ['a']]);
  });

  test('not while an operation waits to be proposed', () => {
    const cluster = new CoreCluster(3, { limits: { openInstances: 0 } });
    const [proposal] = cluster.submit(1, put('a'));
    expect(resting(cluster)).toEqual([2, 3]);
    expect(cluster.replica(1).withdraw(proposal ?? new Proposal(put('none')))).toBe(true);
    expect(resting(cluster)).toEqual([1, 2, 3]);
  });

  test('not while a read is under way', () => {
    const cluster = new CoreCluster(3);
    cluster.replica(1).read(get('a', 'key'));
    cluster.turn(1);
    expect(resting(cluster)).toEqual([2, 3]);
    allRest(cluster);
  });

  test('not while it lacks commits that a peer has told of', () => {
    const cluster = new CoreCluster(3);
    cluster.isolate(3);
    cluster.propose(1, put('a'));
    allRest(cluster);
    cluster.rejoin(3);
    cluster.run(() => !cluster.replica(3).isAtRest());
    expect(resting(cluster)).toEqual([1, 2]);
    allRest(cluster);
    expect(cluster.look(3, '1.1')).toMatchObject({ status: 'executed', value: 'a' });
  });

  test('not while an own instance is unsettled after a restart', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a'));
    cluster.drop({ from: 1 });
    cluster.crash(1);
    cluster.restart(1);
    expect(resting(cluster)).toEqual([2, 3]);
    allRest(cluster);
  });
});

test('at rest, ticks only have effects written and tell the peers', () => {
  const cluster = new CoreCluster(3, { timing: { flushTicks: 500 } });
  cluster.propose(1, put('a'));
  allRest(cluster);
  const replica = cluster.replica(1);
  let flushes = 0;
  for (let tick = 0; tick < 1_000; tick += 1) {
    replica.tick();
    expect(replica.isAtRest()).toBe(true);
    const { messages, early, records, executions, reads, events, flush } = replica.takeReady();
    expect([early, records, executions, reads, events].flat()).toEqual([]);
    expect(messages.every(({ message }) => message.type === 'watermarks')).toBe(true);
    if (flush) flushes += 1;
  }
  expect(flushes).toBe(1);
});
