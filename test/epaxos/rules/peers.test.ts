/** How peers are seen to answer: what is estimated, and how long that is believed. */
import { describe, expect, test } from 'vitest';
import type { Message } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

describe('how long a peer usually takes to reply', () => {
  /** A proposal of replica 1 that replica 2 answers after so many ticks. */
  function propose(cluster: CoreCluster, ticks: number): void {
    cluster.propose(1, put('a', 'x'));
    cluster.tick(ticks, [1]);
    cluster.settle();
  }
  const usual = (cluster: CoreCluster) => cluster.replica(1).state.peer(2).replyTicks;

  test('one reply counts for a second at the most', () => {
    const cluster = new CoreCluster(3, { timing: { followerTicks: 5_000 } });
    for (let n = 0; n < 40; n += 1) cluster.propose(1, put(`${n}`, `key ${n}`));
    propose(cluster, 400);
    expect(usual(cluster)).toBeLessThanOrEqual(100);
    expect(usual(cluster)).toBeGreaterThan(90);
  });

  test('it is believed for a second, and then less and less, down to the round trip of the heartbeats', () => {
    const cluster = new CoreCluster(3, { timing: { followerTicks: 5_000 } });
    cluster.replica(1).setRoundTrip(2, 100);
    for (let n = 0; n < 60; n += 1) propose(cluster, 80);
    const before = usual(cluster);
    expect(before).toBeGreaterThan(75);
    cluster.tick(100, [1]);
    expect(usual(cluster)).toBe(before);
    cluster.tick(100, [1]);
    expect(usual(cluster)).toBeLessThan(before / 2);
    cluster.tick(900, [1]);
    expect(usual(cluster)).toBeGreaterThan(9.9);
    expect(usual(cluster)).toBeLessThan(10.1);
  });

  test('until there is a reply, the round trip says how long a follower is waited for', () => {
    const cluster = new CoreCluster(3);
    cluster.replica(1).setRoundTrip(2, 100);
    cluster.replica(1).setRoundTrip(3, 1_000);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: 3 });
    cluster.tick(1, [3]);
    cluster.deliver({ type: 'preAcceptReply' });
    cluster.tick(39, [1]);
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
    cluster.tick(1, [1]);
    expect(cluster.inFlight({ type: 'accept' })).toBe(2);
  });
});

test('R9.1: who answers slowly is given a second at the most before it is asked for what it has committed', () => {
  const cluster = new CoreCluster(3);
  const { peers } = cluster.replica(3).state;
  const watermarks: Message = {
    type: 'watermarks',
    committed: [5, 0, 0],
    executed: [0, 0, 0],
    highest: [5, 0, 0],
    pruned: [0, 0, 0],
  };
  for (const peer of peers) Object.assign(peer, { replyTicks: 90, repliedAt: 1_000 });
  cluster.replica(3).step(1, watermarks);
  cluster.tick(99, [3]);
  expect(cluster.inFlight({ type: 'fetch' })).toBe(0);
  cluster.tick(1, [3]);
  expect(cluster.contents({ type: 'fetch', to: 1 })).toEqual([
    { type: 'fetch', ranges: [{ replica: 1, from: 1, to: 5 }] },
  ]);
});
