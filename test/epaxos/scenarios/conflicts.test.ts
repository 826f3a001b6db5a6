/**
 * Concurrent proposals on the same keys, under every order of delivery that a random network comes up with. The
 * cluster's observer fails the test if replicas ever disagree; here it is asked that all of it ends, and once.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLUSTER_SIZES, type ClusterSize, type Operation } from '../../../src/epaxos/index.ts';
import { Prng } from '../../../src/util/prng.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { get, put } from '../../support/core-operations.ts';

interface Chaos {
  readonly replicas: ClusterSize;
  readonly seed: number;
  /** Of each hundred messages. */
  readonly lost: number;
  readonly crashes: boolean;
}

/** Runs a flood on two keys through a hostile network, then heals it; returns the cluster and what was proposed. */
function flood({ replicas, seed, lost, crashes }: Chaos): { cluster: CoreCluster; proposed: string[] } {
  const cluster = new CoreCluster(replicas, { seed });
  const prng = new Prng(seed);
  const proposed: string[] = [];
  const down: number[] = [];
  for (let step = 0; step < 120; step += 1) {
    const id = prng.integer(1, replicas);
    const label = `${step}`;
    const key = prng.integer(0, 3) === 0 ? 'y' : 'x';
    const operation: Operation = prng.integer(0, 2) === 0 ? get(label, key) : put(label, key);
    const choice = prng.integer(0, 99);
    if (choice < 12 && !down.includes(id)) {
      cluster.submit(id, operation);
      cluster.tick(0);
      cluster.turn(id);
      proposed.push(label);
    } else if (choice < 14 && crashes && down.length < (replicas - 1) / 2 && !down.includes(id)) {
      cluster.crash(id, { losing: prng.integer(0, 1) === 0 ? 'nothing' : 'unsynced' });
      down.push(id);
    } else if (choice < 18 && down.includes(id)) {
      down.splice(down.indexOf(id), 1);
      cluster.restart(id);
    } else if (choice < 30) {
      cluster.tick(prng.integer(1, 3));
    } else if (cluster.inFlight() > 0) {
      // Any message that is in flight may be the next.
      const from = prng.integer(1, replicas);
      const to = prng.integer(1, replicas);
      if (cluster.inFlight({ from, to }) === 0) continue;
      if (prng.integer(0, 99) < lost) cluster.drop({ from, to });
      else {
        if (prng.integer(0, 9) === 0) cluster.duplicate({ from, to });
        cluster.deliver({ from, to });
      }
    }
  }
  for (const id of down) cluster.restart(id);
  return { cluster, proposed };
}

/** Heals, and runs until all replicas have executed the same, and nothing waits any more. */
function converge(cluster: CoreCluster): string[] {
  const flat = (id: number) => cluster.log(id).flatMap((name) => name.split('+'));
  const isDone = () =>
    cluster.ids.every((id) => {
      const { openInstances, waitingOperations, blockedInstances, rows } = cluster.replica(id).status();
      const isEven = rows.every(
        ({ committed, executed, highest }) => committed === highest && executed === highest,
      );
      return (
        openInstances + waitingOperations + blockedInstances === 0 &&
        isEven &&
        flat(id).length === flat(1).length
      );
    });
  cluster.run(isDone, { atMost: 20_000 });
  return flat(1);
}

describe.each(CLUSTER_SIZES)('N = %i', (replicas) => {
  test('without crashes every proposal is executed, once, everywhere, whatever is lost or reordered', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(0, 10, 40), (seed, lost) => {
        const { cluster, proposed } = flood({ replicas, seed, lost, crashes: false });
        const executed = converge(cluster);
        expect([...executed].sort()).toEqual([...proposed].sort());
      }),
      { numRuns: 40 },
    );
  });

  test('with crashes nothing is executed twice, and nothing that was not proposed', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(0, 10, 40), (seed, lost) => {
        const { cluster, proposed } = flood({ replicas, seed, lost, crashes: true });
        const executed = converge(cluster);
        expect(new Set(executed).size).toBe(executed.length);
        for (const label of executed) expect(proposed).toContain(label);
        for (const id of cluster.ids) expect(cluster.log(id)).toHaveLength(cluster.log(1).length);
      }),
      { numRuns: 40 },
    );
  });

  test('all propose at once on one key, in rounds: one order, everything executed', () => {
    const cluster = new CoreCluster(replicas);
    for (let round = 1; round <= 4; round += 1) {
      for (const id of cluster.ids) cluster.submit(id, put(`${round} by ${id}`, 'x'));
      for (const id of cluster.ids) cluster.turn(id);
      for (const to of [...cluster.ids].reverse()) if (cluster.inFlight({ to }) > 0) cluster.deliver({ to });
    }
    expect(converge(cluster)).toHaveLength(4 * replicas);
  });
});
