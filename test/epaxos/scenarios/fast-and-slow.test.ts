/** The ordinary life of an instance: one round trip without conflicts, two with them, and who must be alive for it. */
import { describe, expect, test } from 'vitest';
import {
  CLUSTER_SIZES,
  formatInstance,
  quorumsOf,
  replicaIds,
  type TraceEvent,
} from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

describe.each(CLUSTER_SIZES)('the fast path, N = %i', (replicas) => {
  const { fastFaults, faults } = quorumsOf(replicas);

  test('whoever proposes: one round trip, then everybody executes', () => {
    for (const id of replicaIds(replicas)) {
      const cluster = new CoreCluster(replicas);
      const name = cluster.propose(id, put('a', 'x'));
      expect(cluster.inFlight({ type: 'preAccept' })).toBe(replicas - 1);
      cluster.deliver();
      expect(cluster.inFlight({ type: 'preAcceptReply', to: id })).toBe(replicas === 3 ? 1 : replicas - 1);
      cluster.deliver();
      expect(cluster.path(id, name)).toBe('fast');
      expect(cluster.log(id)).toEqual(['a']);
      cluster.deliver();
      expect(cluster.inFlight()).toBe(0);
      for (const other of cluster.ids) {
        expect(cluster.look(other, name)).toMatchObject({ status: 'executed', value: 'a' });
        expect(cluster.log(other)).toEqual(['a']);
      }
    }
  });

  test('commands on different keys, proposed at the same time by all, are all fast', () => {
    const cluster = new CoreCluster(replicas);
    for (const id of cluster.ids) cluster.propose(id, put(`${id}`, `key ${id}`));
    cluster.settle();
    for (const id of cluster.ids) {
      expect(cluster.path(id, `${id}.1`)).toBe('fast');
      expect(cluster.log(id)).toHaveLength(replicas);
    }
  });

  test('it is open with e replicas down, and with f down there is progress', () => {
    for (const [down, path] of [
      [fastFaults, 'fast'],
      [faults, replicas === 7 ? 'slow' : 'fast'],
    ] as const) {
      const cluster = new CoreCluster(replicas);
      for (const id of replicaIds(down)) cluster.crash(id);
      const coordinator = replicas;
      const name = cluster.propose(coordinator, put('a', 'x'));
      cluster.run(() => cluster.log(coordinator).join() === 'a');
      expect(cluster.path(coordinator, name)).toBe(path);
    }
  });

  test('with more than f down nothing commits, and it goes on when they are back', () => {
    const cluster = new CoreCluster(replicas);
    for (const id of replicaIds(faults + 1)) cluster.crash(id);
    const coordinator = replicas;
    const name = cluster.propose(coordinator, put('a', 'x'));
    for (let tick = 0; tick < 300; tick += 1) {
      cluster.tick();
      cluster.settle();
    }
    expect(cluster.decision(name)).toBeNull();
    cluster.restart(1);
    cluster.run(() => cluster.log(1).join() === 'a');
  });
});

describe.each([5, 7])('the slow path, N = %i', (replicas) => {
  test('two proposals that cross: one is fast, one is slow, and all execute them in one order', () => {
    const { majority } = quorumsOf(replicas);
    const cluster = new CoreCluster(replicas);
    cluster.propose(1, put('a', 'x'));
    cluster.propose(replicas, put('b', 'x'));
    const near = replicaIds(majority).slice(1);
    cluster.deliver({ from: 1, to: near });
    cluster.settle();
    const paths = [cluster.path(1, '1.1'), cluster.path(replicas, `${replicas}.1`)];
    expect(paths).toContain('slow');
    for (const id of cluster.ids) {
      expect(cluster.log(id)).toHaveLength(2);
      expect(cluster.log(id)).toEqual(cluster.log(1));
    }
  });

  test('it takes one more round trip, and everybody learns of the merged attributes', () => {
    const others = replicaIds(replicas).slice(2);
    // 1 has not heard of the rival that all others know.
    const cluster = new CoreCluster(replicas);
    cluster.propose(2, put('rival', 'x'));
    cluster.deliver({ type: 'preAccept', to: others });
    cluster.drop();
    cluster.crash(2);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver();
    cluster.deliver();
    expect(cluster.inFlight({ type: 'accept' })).toBe(replicas - 2);
    cluster.deliver();
    cluster.deliver();
    expect(cluster.path(1, '1.1')).toBe('slow');
    cluster.deliver();
    for (const id of others) expect(cluster.look(id, '1.1')).toMatchObject({ status: 'committed', seq: 2 });
    cluster.run(() => cluster.log(1).includes('a'));
  });
});

function isRecoveryOf(event: TraceEvent, name: string): boolean {
  return event.type === 'recoveryStarted' && formatInstance(event.id) === name;
}

describe.each(CLUSTER_SIZES)('messages that are lost, N = %i', (replicas) => {
  const REQUESTS = ['preAccept', 'preAcceptReply', 'accept', 'acceptReply'] as const;

  /** What follows a proposal of replica 1 that goes slow: of three its follower stays away, of more all others know a rival. */
  function slowProposal(): { cluster: CoreCluster; others: number[] } {
    const cluster = new CoreCluster(replicas);
    const others = replicaIds(replicas).slice(2);
    if (replicas > 3) {
      cluster.propose(2, put('rival', 'x'));
      cluster.deliver({ type: 'preAccept', to: others });
      cluster.clear();
    }
    cluster.propose(1, put('a', 'x'));
    cluster.isolate(2);
    return { cluster, others };
  }

  test.each(REQUESTS)('a lost %s is sent again, and its coordinator commits', (type) => {
    const { cluster, others } = slowProposal();
    const sent: string[] = [];
    const present = [1, ...others];
    let isLost = false;
    for (let ticks = 0; cluster.path(1, '1.1') === null; ticks += 1) {
      expect(ticks).toBeLessThan(40);
      while (cluster.inFlight() > 0) {
        if (cluster.inFlight({ type }) > 0) {
          if (isLost) sent.push(...cluster.messages({ type }));
          else cluster.drop({ type }); // all of them, once
          isLost = true;
        }
        if (cluster.inFlight() > 0) cluster.deliver();
      }
      cluster.tick(1, present);
    }
    expect(isLost).toBe(true);
    expect(sent.length).toBeGreaterThanOrEqual(quorumsOf(replicas).majority - 1);
    expect(cluster.path(1, '1.1')).toBe('slow');
    // Nobody else had to do anything about it.
    const recovered = present.flatMap((id) =>
      cluster.events(id).filter((event) => isRecoveryOf(event, '1.1')),
    );
    expect(recovered).toEqual([]);
  });

  test('a lost Commit is not sent again: whoever missed it asks for it', () => {
    const { cluster, others } = slowProposal();
    for (let ticks = 0; cluster.path(1, '1.1') === null; ticks += 1) {
      expect(ticks).toBeLessThan(40);
      while (cluster.inFlight({ type: REQUESTS }) > 0) cluster.deliver({ type: REQUESTS });
      cluster.tick(1, [1, ...others]);
    }
    cluster.drop({ type: 'commit', about: '1.1' });
    cluster.rejoin(2);
    cluster.run(() => cluster.ids.every((id) => cluster.path(id, '1.1') !== null), { atMost: 60 });
    for (const id of cluster.ids.slice(1)) {
      expect(cluster.path(id, '1.1')).toBe('learned');
      expect(cluster.events(id).filter(({ type }) => type === 'fetched')).not.toEqual([]);
    }
  });
});
