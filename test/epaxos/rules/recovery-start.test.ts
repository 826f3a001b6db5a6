/** When a replica begins to recover an instance (protocol.md section 5, R5.9 and those that follow it). */
import { describe, expect, test } from 'vitest';
import { CoreCluster } from '../../support/core-cluster.ts';
import { commandOf, instance, put } from '../../support/core-operations.ts';

describe('R5.9: when recovery is started', () => {
  /** Replica 1 has crashed and left 1.1 open at 2, 3. */
  function abandoned(options: ConstructorParameters<typeof CoreCluster>[1] = {}): CoreCluster {
    const cluster = new CoreCluster(3, options);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    cluster.drop();
    return cluster;
  }
  const started = (cluster: CoreCluster, id: number) =>
    cluster.events(id).filter((event) => event.type === 'recoveryStarted').length;

  test('never for what nobody alive has heard of', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.crash(1);
    cluster.drop();
    for (let tick = 0; tick < 1_000; tick += 1) {
      cluster.tick();
      cluster.settle();
    }
    expect([started(cluster, 2), started(cluster, 3)]).toEqual([0, 0]);
  });

  test('also for what holds up nothing but its own row', () => {
    const cluster = abandoned();
    cluster.crash(1);
    cluster.run(() => cluster.log(2).join() === 'a' && cluster.log(3).join() === 'a');
  });

  test('for what blocks somebody, after a delay, first asking for it', () => {
    const cluster = abandoned();
    cluster.crash(1);
    cluster.propose(2, put('b', 'x'));
    const ticks = cluster.run(() => started(cluster, 2) + started(cluster, 3) > 0);
    expect(ticks).toBeGreaterThanOrEqual(10);
    expect(ticks).toBeLessThanOrEqual(4 + 2 * 10 + 1);
    expect(cluster.events(2)).toContainEqual({ type: 'fetched', slots: 1 });
    cluster.run(() => cluster.log(2).join() === 'a,b' && cluster.log(3).join() === 'a,b');
  });

  test('no later because the coordinator goes away when it is about to be asked for', () => {
    const cluster = abandoned();
    cluster.tick(1, [2]);
    cluster.crash(1);
    cluster.tick(4, [2]);
    expect(cluster.events(2)).toContainEqual({ type: 'fetched', slots: 1 });
  });

  test('for all that a coordinator has left open, side by side', () => {
    const cluster = new CoreCluster(3);
    for (let slot = 1; slot <= 5; slot += 1) cluster.propose(1, put(`${slot}`, `key ${slot}`));
    cluster.deliver({ type: 'preAccept' });
    cluster.crash(1);
    cluster.clear();
    for (let tick = 0; tick < 1 + 2 * 10; tick += 1) {
      cluster.tick(1, [2]);
      cluster.clear();
    }
    expect(started(cluster, 2)).toBe(5);
  });

  test('for all of it that is only named in what is waited for, side by side as well', () => {
    const cluster = new CoreCluster(3);
    cluster.crash(1);
    const commit = { id: instance('3.1'), command: commandOf(put('a', 'x')) };
    cluster.replica(2).step(3, { type: 'commit', ...commit, attributes: { seq: 6, deps: [5, 0, 0] } });
    for (let tick = 0; tick < 3 + 2 * 10; tick += 1) {
      cluster.tick(1, [2]);
      cluster.clear();
    }
    expect(started(cluster, 2)).toBe(5);
  });

  test('later where the coordinator can be reached: it is slow rather than dead', () => {
    const cluster = abandoned();
    cluster.propose(2, put('b', 'x'));
    let ticks = 0;
    for (; started(cluster, 2) + started(cluster, 3) === 0; ticks += 1) {
      expect(ticks).toBeLessThan(400);
      cluster.tick(1, [2, 3]);
      while (cluster.inFlight({ to: 1 }) > 0) cluster.drop({ to: 1 });
      cluster.settle();
    }
    expect(ticks).toBeGreaterThanOrEqual(100);
  });

  test('at different times on different replicas and with different seeds', () => {
    const delays = [1, 2, 3, 4, 5, 6].map((seed) => {
      const cluster = abandoned({ seed });
      cluster.crash(1);
      cluster.propose(2, put('b', 'x'));
      return cluster.run(() => started(cluster, 2) + started(cluster, 3) > 0);
    });
    expect(new Set(delays).size).toBeGreaterThan(2);
  });

  test('not as long as others begin to settle it: each is given its time', () => {
    const cluster = abandoned();
    cluster.crash(1);
    cluster.crash(3);
    for (let tick = 1; tick <= 200; tick += 1) {
      cluster.tick(1, [2]);
      if (tick % 9 === 0)
        cluster.replica(2).step(3, { type: 'prepare', id: instance('1.1'), ballot: 3 * tick });
      cluster.clear();
    }
    expect(started(cluster, 2)).toBe(0);
  });

  test('again after each Prepare of a rival that ends it, with growing delays', () => {
    const cluster = abandoned();
    cluster.crash(1);
    cluster.crash(3);
    const gaps: number[] = [];
    let last = 0;
    for (let tick = 1; gaps.length < 5; tick += 1) {
      expect(tick).toBeLessThan(5_000);
      cluster.tick(1, [2]);
      const begun = cluster.replica(2).state.roundOf(instance('1.1'));
      if (begun?.type === 'prepare') {
        gaps.push(tick - last);
        last = tick;
        const ballot = 3 * Math.floor(begun.ballot / 3) + 3; // the next one of replica 3
        cluster.replica(2).step(3, { type: 'prepare', id: instance('1.1'), ballot });
      }
      cluster.clear();
    }
    gaps.slice(1).forEach((gap, refusals) => {
      const least = 10 * 2 ** (refusals + 1);
      expect(gap).toBeGreaterThanOrEqual(least);
      expect(gap).toBeLessThanOrEqual(2 * least + 1);
    });
  });

  test('again after each refusal, with growing delays', () => {
    const cluster = abandoned();
    cluster.crash(1);
    cluster.propose(2, put('b', 'x'));
    cluster.deliverAll({ about: '2.1' });
    const gaps: number[] = [];
    let promised = 1_000 * 3; // 3 has promised ever higher ballots, to a rival who never finishes
    let last = 0;
    for (let tick = 1; gaps.length < 5; tick += 1) {
      expect(tick).toBeLessThan(5_000);
      cluster.tick(1, [2]);
      if (cluster.inFlight({ type: 'prepare', about: '1.1', to: 3 }) > 0) {
        gaps.push(tick - last);
        last = tick;
        promised += 3;
        const [prepare] = cluster.contents({ type: 'prepare', about: '1.1', to: 3 });
        if (prepare?.type !== 'prepare') throw new Error('no prepare');
        const record = {
          ...cluster.replica(3).state.space.get(instance('1.1')),
          ballot: prepare.ballot + promised,
        };
        cluster.replica(2).step(3, { type: 'prepareReply', ballot: prepare.ballot, record });
      }
      cluster.clear();
    }
    gaps.slice(1).forEach((gap, refusals) => {
      const least = 10 * 2 ** (refusals + 1);
      expect(gap).toBeGreaterThanOrEqual(least);
      expect(gap).toBeLessThanOrEqual(2 * least + 1);
    });
  });

  test('a replica that was paused itself suspects nobody for it: only own ticks count', () => {
    const cluster = abandoned();
    cluster.crash(1);
    cluster.propose(2, put('b', 'x'));
    cluster.deliverAll({ about: '2.1' });
    cluster.tick(1_000, [3]); // 2 sees none of this time
    expect(started(cluster, 2)).toBe(0);
  });

  test('no more than so many at a time, however many are waited for', () => {
    const cluster = new CoreCluster(3, { limits: { recoveries: 4 } });
    const keys = Array.from({ length: 40 }, (_, key) => `${key}`);
    for (const key of keys) cluster.propose(1, put(key, key));
    cluster.deliver({ type: 'preAccept', to: 2 });
    cluster.crash(1);
    cluster.drop();
    // As many instances, each of which waits for another one of 1.
    for (const key of keys) cluster.propose(2, put(`again ${key}`, key));
    cluster.deliverAll();
    expect([...cluster.replica(2).state.executor.lacks()]).toHaveLength(40);
    cluster.tick(100, [2]); // nobody answers
    expect(started(cluster, 2)).toBe(4);
    cluster.run(() => cluster.log(2).length === 80);
    expect(started(cluster, 2) + started(cluster, 3)).toBeGreaterThanOrEqual(40);
  });
});
