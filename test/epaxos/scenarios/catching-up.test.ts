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

/** Replica 3 writes so often, while replica 1 is cut off. */
function writeWithout1(cluster: CoreCluster, count: number, value = ''): void {
  cluster.isolate(1);
  for (let n = 1; n <= count; n += 1) {
    cluster.propose(3, put(`${n}${value}`, `key ${n % 7}`));
    cluster.settle();
  }
  cluster.rejoin(1);
}

/**
 * Lets time pass until replica 1 has executed so much, in a network where every message takes so many ticks. Returns the
 * ticks that took.
 */
function untilCaughtUp(
  cluster: CoreCluster,
  count: number,
  options: { readonly delay: number; readonly loses?: () => void },
): number {
  for (let ticks = 0; ticks < 3_000; ticks += 1) {
    if (cluster.log(1).length >= count) return ticks;
    cluster.tick();
    options.loses?.();
    cluster.advance(options.delay);
  }
  throw new Error(`replica 1 has executed ${cluster.log(1).length} of ${count}`);
}

/** How many ranges replica 1 has asked for. */
function fetches(cluster: CoreCluster): number {
  return cluster.events(1).filter(({ type }) => type === 'fetched').length;
}

describe('how fast a replica catches up', () => {
  test('thousands of slots in a few round trips', () => {
    const cluster = new CoreCluster(3);
    writeWithout1(cluster, 3_000);
    for (const peer of [2, 3]) cluster.replica(1).setRoundTrip(peer, 200);
    // It is told within 10 ticks and one way, notices after 4, and asks three times, with a round trip of 20 for each.
    expect(untilCaughtUp(cluster, 3_000, { delay: 10 })).toBeLessThan(10 + 10 + 4 + 3 * 20 + 10);
    expect(fetches(cluster)).toBe(3);
  });

  test('also when its peers had answered slowly before, and the slower one is the first to tell it that it is behind', () => {
    const cluster = new CoreCluster(3);
    for (const [round, nearest] of [3, 2].entries()) {
      cluster.replica(1).setRoundTrip(nearest, 1);
      cluster.replica(1).setRoundTrip(5 - nearest, 100);
      for (let n = 0; n < 20; n += 1) {
        cluster.propose(1, put(`${round} ${n}`, `key ${n}`));
        for (let tick = 0; tick < 60 + 40 * round; tick += 1) {
          cluster.replica(1).tick();
          cluster.turn(1);
        }
        cluster.settle();
      }
    }
    for (const peer of [2, 3]) cluster.replica(1).setRoundTrip(peer, 1);
    writeWithout1(cluster, 200);
    const all = 240;
    expect(cluster.log(1)).toHaveLength(40);
    cluster.tick(10, [2]);
    cluster.deliver({ from: 2, to: 1, type: 'watermarks' });
    expect(untilCaughtUp(cluster, all, { delay: 1 })).toBeLessThan(150);
    expect(fetches(cluster)).toBeLessThan(5);
  });

  test('what it is sent slot by slot meanwhile does not put it off', () => {
    const cluster = new CoreCluster(3);
    writeWithout1(cluster, 1_000);
    cluster.tick(10, [2]);
    cluster.deliver({ from: 2, to: 1, type: 'watermarks' });
    let slot = 0;
    const drip = () => {
      const { records } = cluster.replica(2).state.space.row(3);
      const record = records.get(slot + 1);
      if (record?.attributes === undefined || record.attributes === null) return;
      slot += 1;
      const { id, command, attributes } = record;
      cluster.replica(1).step(3, { type: 'commit', id, command, attributes });
    };
    expect(untilCaughtUp(cluster, 1_000, { delay: 1, loses: drip })).toBeLessThan(130);
  });

  test('without a pause where an answer has an end before the range has, as values are large', () => {
    const cluster = new CoreCluster(3, { limits: { bytesPerInstance: 100 } });
    writeWithout1(cluster, 200, 'x'.repeat(20));
    // About five commits in each answer.
    expect(untilCaughtUp(cluster, 200, { delay: 1 })).toBeLessThan(400);
  });

  test('all at once where every second commit is missing', () => {
    const cluster = new CoreCluster(3);
    for (let n = 1; n <= 400; n += 1) {
      cluster.propose(3, put(`${n}`, `key ${n}`));
      cluster.deliver({ type: ['preAccept', 'preAcceptReply'] });
      cluster.deliver({ type: 'preAcceptReply' });
      if (n % 2 === 1) cluster.drop({ to: 1, type: 'commit' });
      cluster.deliver({ type: 'commit' });
    }
    expect(untilCaughtUp(cluster, 400, { delay: 2 })).toBeLessThan(40);
    // Once for the first slot, as soon as it is seen to be missing, and once for all.
    expect(fetches(cluster)).toBe(2);
  });

  test('from another one, if who was asked does not answer', () => {
    const cluster = new CoreCluster(3);
    writeWithout1(cluster, 100);
    cluster.replica(1).setRoundTrip(2, 1);
    cluster.replica(1).setRoundTrip(3, 50);
    const loses = () => {
      for (const type of ['fetch', 'commit'] as const) {
        if (cluster.inFlight({ from: [1, 2], to: [1, 2], type }) > 0)
          cluster.drop({ from: [1, 2], to: [1, 2], type });
      }
    };
    expect(untilCaughtUp(cluster, 100, { delay: 1, loses })).toBeLessThan(60);
  });
});

test.each([3, 5])(
  'what only one has committed that hears nothing is settled by the others (N = %i), though it tells that it has it',
  (replicas) => {
    const cluster = new CoreCluster(replicas);
    cluster.propose(replicas, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.path(replicas, `${replicas}.1`)).toBe('fast');
    cluster.drop({ type: 'commit' });
    cluster.tick(10, [replicas]);
    cluster.deliver({ type: 'watermarks' });
    cluster.propose(1, put('b', 'x'));
    // From now on the one that has it is deaf: it is heard, and can be reached, and all that is sent to it is lost.
    const deliver = () => {
      while (cluster.inFlight() > 0) {
        if (cluster.inFlight({ to: replicas }) > 0) cluster.drop({ to: replicas });
        if (cluster.inFlight() > 0) cluster.deliver();
      }
    };
    const done = () => cluster.log(1).join() === 'a,b' && cluster.log(2).join() === 'a,b';
    for (let ticks = 0; !done() && ticks < 2_000; ticks += 1) {
      deliver();
      cluster.tick();
    }
    expect([cluster.log(1), cluster.log(2)]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
  },
);
