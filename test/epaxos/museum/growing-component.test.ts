/**
 * Fault: under a flood of interfering commands the strongly connected component keeps growing, and its
 * execution never starts.
 * Sources: github.com/efficient/epaxos/issues/14; Tollman, Park, Ousterhout, "EPaxos Revisited" (NSDI 2021).
 *
 * Each new command is proposed before the one that depends on it, and that it depends on, has committed: with an
 * unbounded number of them there is no end to the cycle. A bound on the open instances per key and coordinator (R7.7) bounds it.
 */
import { describe, expect, test } from 'vitest';
import { CLUSTER_SIZES, DEFAULT_LIMITS } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

describe.each(CLUSTER_SIZES)('N = %i', (replicas) => {
  test.each([1, DEFAULT_LIMITS.interferingInstances])(
    'all coordinators propose on one key without pause, %i at a time: execution keeps up',
    (interferingInstances) => {
      const cluster = new CoreCluster(replicas, { limits: { interferingInstances } });
      let proposed = 0;
      const executed = () => cluster.log(1).flatMap((name) => name.split('+')).length;
      const progress: number[] = [];
      for (let round = 0; round < 100; round += 1) {
        for (const id of cluster.ids) {
          cluster.submit(id, put(`${round} by ${id}`, 'x'));
          cluster.turn(id);
          proposed += 1;
          // Without a bound there would be an instance of every coordinator for every round.
          expect(cluster.replica(id).status().blockedInstances).toBeLessThanOrEqual(
            replicas * interferingInstances,
          );
        }
        // Whatever a message tells of, its receiver has something newer of its own: every answer adds to the chain.
        cluster.advance(2);
        progress.push(executed());
      }
      // While the flood goes on, not only after it.
      for (let round = 40; round < 100; round += 20) {
        expect(progress[round]).toBeGreaterThan(progress[round - 20] ?? 0);
      }
      cluster.run(() => executed() === proposed);
    },
  );
});
