/** R3.12: a peer that is heard but does no work (its disk hangs, its loop stands) is not counted on, and counts again. */
import { describe, expect, test } from 'vitest';
import type { ReplicaId } from '../../../src/epaxos/index.ts';
import { CoreCluster, type CoreClusterOptions } from '../../support/core-cluster.ts';
import { get, put } from '../../support/core-operations.ts';

const TIMING = { followerTicks: 50, trialTicks: 100 };
/** What the followers of the fast path disagree about is not settled by waiting. */
const PATIENT = { ...TIMING, fastPathTicks: 40 };

/** A cluster in which some replicas hang: nothing that is sent to them is delivered, though they can be reached. */
class GrayCluster extends CoreCluster {
  readonly hanging: ReplicaId[] = [];

  constructor(replicas: number, options: CoreClusterOptions = {}) {
    super(replicas, { timing: TIMING, ...options });
  }

  get working(): ReplicaId[] {
    return this.ids.filter((id) => !this.hanging.includes(id));
  }

  /** A tick of all that work, and what follows from it. */
  pass(): void {
    this.tick(1, this.working);
    this.flow();
  }

  flow(): void {
    while (this.inFlight({ to: this.working }) > 0) this.deliver({ to: this.working });
  }

  /** Goes on with what was waiting for it. */
  wake(id: ReplicaId): void {
    this.hanging.splice(this.hanging.indexOf(id), 1);
    this.flow();
  }

  /** @returns the ticks that it takes until a write is executed where it was proposed, at most 1,000 */
  write(id: ReplicaId, label: string, key = 'k'): number {
    this.propose(id, put(label, key));
    return this.until(() => this.log(id).includes(label));
  }

  /** The same for a read. */
  readAt(id: ReplicaId, label: string): number {
    const before = this.answers(id).length;
    this.read(id, get(label, 'k'));
    return this.until(() => this.answers(id).length > before);
  }

  until(isDone: () => boolean): number {
    this.flow();
    for (let ticks = 0; ticks < 1_000; ticks += 1) {
      if (isDone()) return ticks;
      this.pass();
    }
    return 1_000;
  }

  writes(id: ReplicaId, count: number, first = 1): number[] {
    return Array.from({ length: count }, (_, n) => this.write(id, `w${first + n}`));
  }

  isResponsive(id: ReplicaId, peer: ReplicaId): boolean {
    return this.replica(id).state.peer(peer).responsive;
  }
}

describe('three replicas', () => {
  test('writes do not wait for a follower that hangs, after the first', () => {
    const cluster = new GrayCluster(3);
    cluster.hanging.push(2);
    const [first, ...others] = cluster.writes(1, 20);
    expect(first).toBe(51);
    expect(Math.max(...others)).toBe(0);
    expect(cluster.path(1, '1.20')).toBe('fast');
  });

  test('what was proposed to it side by side does not wait one after another', () => {
    const cluster = new GrayCluster(3);
    cluster.hanging.push(2);
    for (let n = 1; n <= 10; n += 1) {
      cluster.propose(1, put(`w${n}`, `key ${n}`));
      cluster.pass();
    }
    expect(cluster.until(() => cluster.log(1).length === 10)).toBeLessThanOrEqual(42);
  });

  test('reads do not wait for a peer that hangs, after the first', () => {
    const cluster = new GrayCluster(3);
    cluster.replica(1).setRoundTrip(2, 1);
    cluster.replica(1).setRoundTrip(3, 30);
    cluster.hanging.push(2);
    expect(cluster.readAt(1, 'r')).toBeGreaterThan(0);
    cluster.until(() => !cluster.isResponsive(1, 2));
    expect(Array.from({ length: 10 }, (_, n) => cluster.readAt(1, `r${n}`))).toEqual(Array(10).fill(0));
  });

  test('thrifty: it is not asked instead of one who replies', () => {
    const cluster = new GrayCluster(3, { thrifty: true });
    cluster.hanging.push(2);
    const [first, ...others] = cluster.writes(1, 20);
    expect(first).toBeGreaterThan(0);
    expect(Math.max(...others)).toBe(0);
  });

  test('it is tried now and then, nobody waits for that, and it counts again once it replies in time', () => {
    const cluster = new GrayCluster(3);
    cluster.hanging.push(2);
    cluster.writes(1, 5);
    expect(cluster.isResponsive(1, 2)).toBe(false);
    for (let n = 0; n < 500; n += 1) {
      expect(cluster.write(1, `x${n}`)).toBe(0);
      cluster.pass();
    }
    const trials = cluster
      .contents({ type: 'preAccept', to: 2 })
      .filter((message) => message.type === 'preAccept' && message.prompt);
    expect(cluster.inFlight({ type: 'preAccept', to: 2 })).toBeGreaterThan(500);
    expect(trials.length).toBe(4);
    cluster.wake(2);
    // All that it says now is late.
    expect(cluster.isResponsive(1, 2)).toBe(false);
    cluster.until(() => {
      cluster.propose(1, put(`y${cluster.log(1).length}`, 'k'));
      cluster.flow();
      return cluster.isResponsive(1, 2);
    });
    cluster.propose(1, put('z', 'k'));
    expect(cluster.contents({ type: 'preAccept', to: 2 })).toMatchObject([{ follower: 2 }]);
    cluster.flow();
    expect(cluster.log(1)).toContain('z');
  });

  test('who always replies too late is found out too, and does not count again for it', () => {
    const cluster = new GrayCluster(3);
    const took: number[] = [];
    for (let n = 1; n <= 20; n += 1) {
      cluster.hanging.push(2);
      took.push(cluster.write(1, `w${n}`));
      cluster.until(() => cluster.replica(1).state.now % 60 === 0);
      cluster.wake(2);
    }
    expect(took.slice(1)).toEqual(Array(19).fill(0));
    expect(cluster.isResponsive(1, 2)).toBe(false);
  });

  test('where nobody is responsive, all are counted on as before', () => {
    const cluster = new GrayCluster(3);
    cluster.hanging.push(2, 3);
    const followers = ['a', 'b', 'c'].map((label) => {
      cluster.propose(1, put(label, label));
      for (let n = 0; n < 60; n += 1) cluster.pass();
      return cluster.contents({ type: 'preAccept', to: 2 }).at(-1);
    });
    expect(followers).toMatchObject([{ follower: 2 }, { follower: 3 }, { follower: 2 }]);
    expect([2, 3].map((peer) => cluster.isResponsive(1, peer))).toEqual([false, false]);
  });

  test('who is found again after it could not be reached is taken to be responsive', () => {
    const cluster = new GrayCluster(3);
    cluster.hanging.push(2);
    cluster.writes(1, 2);
    expect(cluster.isResponsive(1, 2)).toBe(false);
    cluster.crash(2);
    cluster.restart(2);
    expect(cluster.isResponsive(1, 2)).toBe(true);
  });

  test('one that is slow gives no more time to another one that is fast', () => {
    const cluster = new GrayCluster(3);
    cluster.replica(1).setRoundTrip(2, 1);
    cluster.replica(1).setRoundTrip(3, 1_000);
    cluster.hanging.push(2);
    cluster.propose(1, put('a', 'x'));
    for (let n = 0; n < 60; n += 1) cluster.pass();
    expect(cluster.isResponsive(1, 2)).toBe(false);
  });

  test('one lost request says nothing about who answers the others', () => {
    const cluster = new GrayCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.drop({ type: 'preAccept', to: 2 });
    cluster.propose(1, put('b', 'y'));
    cluster.flow();
    for (let n = 0; n < 100; n += 1) {
      cluster.tick(1, [1]);
      if (cluster.inFlight({ about: '1.1' }) > 0) cluster.drop({ about: '1.1' });
      cluster.flow();
    }
    expect(cluster.isResponsive(1, 2)).toBe(true);
  });

  test('nor do lost requests say so, one now and then, with replies in time in between', () => {
    const cluster = new GrayCluster(3);
    const seen = () => cluster.replica(1).state.peer(2);
    for (const label of ['a', 'b', 'c']) {
      const lost = cluster.propose(1, put(label, label));
      cluster.drop({ type: 'preAccept', to: 2 });
      cluster.propose(1, put(`${label}2`, `${label}2`));
      cluster.flow();
      for (let n = 0; n < 100 && !seen().missed; n += 1) {
        cluster.tick(1, [1]);
        if (cluster.inFlight({ about: lost }) > 0) cluster.drop({ about: lost });
        cluster.flow();
      }
      expect(seen()).toMatchObject({ missed: true, responsive: true });
      for (let n = 0; n < 100; n += 1) cluster.pass();
      cluster.write(1, `${label}3`);
      expect(seen()).toMatchObject({ missed: false, responsive: true });
    }
  });

  test('many replies are on their way when it begins to hang: it is found out all the same', () => {
    const cluster = new GrayCluster(3);
    for (let n = 0; n < 20; n += 1) {
      cluster.propose(1, put(`w${n}`, `key ${n}`));
      cluster.tick(1, [1]);
      cluster.advance(2); // a reply to what was sent before comes when the next request has left
    }
    cluster.hanging.push(2);
    let ticks = 0;
    for (; cluster.isResponsive(1, 2) && ticks < 500; ticks += 1) {
      cluster.propose(1, put(`x${ticks}`, `key x${ticks}`));
      cluster.pass();
    }
    expect(ticks).toBeLessThan(110);
  });

  test('replies that take long everywhere make nobody unresponsive', () => {
    const cluster = new GrayCluster(3);
    for (const peer of [2, 3]) cluster.replica(1).setRoundTrip(peer, 400);
    for (let n = 1; n <= 5; n += 1) {
      cluster.propose(1, put(`w${n}`, 'k'));
      cluster.tick(120, [1]);
      cluster.flow();
      expect(cluster.log(1)).toContain(`w${n}`);
    }
    expect([2, 3].map((peer) => cluster.isResponsive(1, peer))).toEqual([true, true]);
  });
});

describe('five replicas', () => {
  test('the fast path is not waited for where only one that hangs could open it', () => {
    const cluster = new GrayCluster(5, { timing: PATIENT });
    cluster.hanging.push(2);
    cluster.write(1, 'w1', 'other');
    cluster.until(() => !cluster.isResponsive(1, 2));
    // Both 4 and 5 know something that 1 does not: only 2 and 3 could agree with it.
    cluster.propose(4, put('b', 'k'));
    cluster.deliver({ type: 'preAccept', from: 4, to: 5 });
    cluster.drop({ from: 4 });
    cluster.propose(1, put('a', 'k'));
    cluster.deliver({ type: 'preAccept', from: 1, to: [3, 4, 5] });
    cluster.deliver({ type: 'preAcceptReply', to: 1 });
    expect(cluster.inFlight({ type: 'accept', from: 1 })).toBe(4);
  });

  test('thrifty: it is not asked instead of one who replies', () => {
    const cluster = new GrayCluster(5, { thrifty: true });
    cluster.hanging.push(2);
    expect(cluster.write(1, 'w')).toBeGreaterThan(0);
    cluster.until(() => !cluster.isResponsive(1, 2));
    expect(cluster.writes(1, 20)).toEqual(Array(20).fill(0));
  });

  test('reads go on without it, and it counts again by one that is tried', () => {
    const cluster = new GrayCluster(5);
    cluster.hanging.push(2);
    cluster.readAt(1, 'r');
    cluster.until(() => !cluster.isResponsive(1, 2));
    expect(cluster.readAt(1, 's')).toBe(0);
    cluster.wake(2);
    cluster.until(() => cluster.replica(1).state.now >= cluster.replica(1).state.peer(2).trialAt);
    expect(cluster.isResponsive(1, 2)).toBe(false);
    cluster.read(1, get('t', 'k'));
    expect(cluster.messages({ type: 'readRequest', from: 1 }).map((line) => line[2])).toEqual([
      '3',
      '4',
      '2',
    ]);
    cluster.flow();
    expect(cluster.isResponsive(1, 2)).toBe(true);
  });
});
