/** Counterexamples of forgetting: while one replica does not know yet that all can, and without those that are silent. */
import { describe, expect, test } from 'vitest';
import type { ReplicaId } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

test('an instance committed fast by those who have forgotten x is not refuted by one who still knows x', () => {
  const cluster = new CoreCluster(5);
  cluster.propose(2, put('x', 'key'));
  cluster.settle();
  const forgotten = (id: number) => cluster.replica(id).state.space.row(2).pruned === 1;
  // Watermarks reach everybody but 5: it executed x as well, but does not know that all have.
  for (let tick = 0; tick < 100 && ![1, 2, 3, 4].every(forgotten); tick += 1) {
    cluster.tick();
    if (cluster.inFlight({ to: 5, type: 'watermarks' }) > 0) cluster.drop({ to: 5, type: 'watermarks' });
    cluster.settle();
  }
  expect([1, 2, 3, 4, 5].map(forgotten)).toEqual([true, true, true, true, false]);
  cluster.clear();

  const y = cluster.propose(1, put('y', 'key'));
  cluster.deliver({ type: 'preAccept', to: [3, 4], about: y });
  cluster.deliver({ type: 'preAcceptReply', about: y });
  expect(cluster.look(1, y)).toMatchObject({ status: 'executed', value: 'y' }); // and the client is answered
  cluster.clear(); // the commits are lost
  cluster.crash(1);
  cluster.crash(4);
  cluster.recover(5, y);
  cluster.settle();
  expect(cluster.look(5, y)).toMatchObject({ value: 'y' });
});

test('a PreAccept that was on its way while x was executed and forgotten everywhere is told of x all the same', () => {
  const cluster = new CoreCluster(5);
  const y = cluster.propose(1, put('y', 'key'));
  const x = cluster.propose(2, put('x', 'key'));
  cluster.deliverAll({ about: x });
  const isForgotten = () => cluster.ids.every((id) => cluster.replica(id).state.space.row(2).pruned === 1);
  for (let tick = 0; tick < 100 && !isForgotten(); tick += 1) {
    cluster.tick();
    if (cluster.inFlight({ type: 'watermarks' }) > 0) cluster.deliver({ type: 'watermarks' });
  }
  expect(isForgotten()).toBe(true);
  cluster.deliver({ type: 'preAccept', about: y, to: 3 });
  expect(cluster.contents({ type: 'preAcceptReply', about: y })[0]).toMatchObject({
    attributes: { deps: [0, 1, 0, 0, 0] },
  });
});

/** Lets time pass for some replicas, who hear only each other; whatever else is sent is lost. */
function runAmong(cluster: CoreCluster, group: readonly ReplicaId[], ticks: number): void {
  const others = cluster.ids.filter((id) => !group.includes(id));
  const settle = () => {
    for (;;) {
      for (const filter of [{ to: others }, { from: others }]) {
        if (cluster.inFlight(filter) > 0) cluster.drop(filter);
      }
      if (cluster.inFlight() === 0) return;
      cluster.deliver();
    }
  };
  settle();
  for (let tick = 0; tick < ticks; tick += 1) {
    cluster.tick(1, group);
    settle();
  }
}

const FORGETFUL = { limits: { retainedInstances: 0 }, timing: { silentTicks: 30 } };

describe('silent replicas (R9.2)', () => {
  /**
   * The silent ones have an instance y among themselves, proposed without x. If x could be forgotten without them, y's
   * coordinator crashed, and somebody recovered y with them and such as have forgotten x, nobody would contradict y's
   * initial deps, and those who have not heard of x would execute y before it.
   */
  test.each([
    { replicas: 5, present: [1, 2, 3], crashed: 3, coordinator: 4, others: [5] },
    { replicas: 7, present: [1, 2, 3, 4], crashed: 4, coordinator: 5, others: [6, 7] },
  ])('so many that they can have a say are not left out: N = $replicas', (world) => {
    const { replicas, present, crashed, coordinator, others } = world;
    const cluster = new CoreCluster(replicas, FORGETFUL);
    const y = cluster.propose(coordinator, put('y', 'key'));
    cluster.deliver({ type: 'preAccept', to: others });
    cluster.clear();
    cluster.propose(1, put('x', 'key'));
    runAmong(cluster, present, 100);
    for (const id of present) {
      expect(cluster.log(id)).toEqual(['x']);
      expect(cluster.replica(id).state.space.row(1).pruned).toBe(0);
    }
    cluster.crash(coordinator);
    cluster.crash(crashed);
    cluster.recover(others[0] ?? 0, y);
    cluster.settle();
    expect(cluster.decision(y)).toBe('no-op');
    cluster.run(() => others.every((id) => cluster.log(id).join() === 'x'));
  });

  test.each([
    { replicas: 3, silent: [3] },
    { replicas: 5, silent: [5] },
    { replicas: 7, silent: [6, 7] },
  ])('fewer are left out: N = $replicas without $silent', ({ replicas, silent }) => {
    const cluster = new CoreCluster(replicas, FORGETFUL);
    const present = cluster.ids.filter((id) => !silent.includes(id));
    cluster.propose(1, put('x', 'key'));
    runAmong(cluster, present, 100);
    for (const id of present) {
      const { space, index } = cluster.replica(id).state;
      expect([space.row(1).pruned, index.floor[0]]).toEqual([1, 1]);
    }
  });

  test('who was restarted does not take others for silent before it has waited for them', () => {
    const cluster = new CoreCluster(3, { ...FORGETFUL, timing: { silentTicks: 60 } });
    cluster.propose(1, put('x', 'key'));
    runAmong(cluster, [1, 2], 30);
    cluster.crash(1);
    cluster.restart(1);
    const forgotten = () => cluster.replica(1).state.space.row(1).pruned;
    runAmong(cluster, [1, 2], 50);
    expect(forgotten()).toBe(0);
    runAmong(cluster, [1, 2], 30);
    expect(forgotten()).toBe(1);
  });
});
