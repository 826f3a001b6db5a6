/** Several replicas recover the same instance at the same time, or recoveries wait for each other. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLUSTER_SIZES } from '../../../src/epaxos/index.ts';
import { Prng } from '../../../src/util/prng.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { instance, put } from '../../support/core-operations.ts';
import { waitingRecoveries } from '../../support/core-recoveries.ts';

describe.each(CLUSTER_SIZES)('N = %i', (replicas) => {
  test('two recover at once: the higher ballot ends the other, and one value comes of it', () => {
    const cluster = new CoreCluster(replicas);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', to: [2, 3] });
    cluster.crash(1);
    cluster.clear();
    cluster.recover(2, '1.1');
    cluster.recover(3, '1.1');
    cluster.deliver({ type: 'prepare' });
    expect(cluster.replica(2).state.roundOf(instance('1.1'))).toBeUndefined();
    expect(cluster.replica(3).state.roundOf(instance('1.1'))).toMatchObject({ ballot: replicas + 3 });
    cluster.settle(); // no time passes
    const alive = cluster.ids.slice(1);
    const decision = cluster.decision('1.1');
    expect(decision).not.toBeNull();
    for (const id of alive) {
      expect(cluster.look(id, '1.1')).toMatchObject({
        status: 'executed',
        value: decision,
        ballot: replicas + 3,
      });
    }
    cluster.propose(2, put('b', 'x'));
    cluster.settle();
    for (const id of alive) expect(cluster.log(id)).toEqual(decision === 'a' ? ['a', 'b'] : ['b']);
  });

  test('each new Prepare arrives before the other’s Accept: time alone ends the duel', () => {
    const cluster = new CoreCluster(replicas);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', to: [2, 3] });
    cluster.crash(1);
    cluster.clear();
    for (let duel = 0; duel < 10; duel += 1) {
      for (const by of [2, 3]) {
        cluster.recover(by, '1.1');
        cluster.deliverAll({ type: ['prepare', 'prepareReply'] });
        expect(cluster.decision('1.1')).toBeNull();
      }
    }
    cluster.propose(2, put('b', 'x'));
    cluster.run(() => cluster.log(2).includes('b') && cluster.log(3).includes('b'));
    expect(cluster.log(2)).toEqual(cluster.log(3));
  });

  test('a recovery against a coordinator that is alive and at work', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const prng = new Prng(seed);
        const cluster = new CoreCluster(replicas, { seed });
        cluster.propose(1, put('a', 'x'));
        for (let step = 0; step < 40; step += 1) {
          const by = prng.integer(2, replicas);
          if (prng.integer(0, 9) === 0 && cluster.decision('1.1') === null) cluster.recover(by, '1.1');
          const to = prng.integer(1, replicas);
          if (cluster.inFlight({ to }) > 0) cluster.deliver({ to });
        }
        cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === 'a'));
      }),
      { numRuns: 60 },
    );
  });
});

test('two recoveries that wait for each other, at N = 5, both end (the deadlock escape, or a new quorum)', () => {
  for (const crashed of [[], [1], [1, 2]]) {
    const cluster = waitingRecoveries([3], [5]);
    expect(cluster.messages({ type: 'waiting', to: 4 })).toEqual(['3→4 waiting 1.1', '5→4 waiting 2.1']);
    for (const id of crashed) cluster.crash(id);
    cluster.run(() => cluster.decision('1.1') !== null && cluster.decision('2.1') !== null);
    const alive = cluster.ids.filter((id) => !crashed.includes(id));
    cluster.propose(4, put('after', 'x'));
    cluster.run(() => alive.every((id) => cluster.log(id).includes('after')));
  }
});
