/** As many replicas as can be spared die, with much open that only a recovery can settle, and few may go on at a time. */
import { expect, test } from 'vitest';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

interface Setting {
  readonly replicas: number;
  readonly recoveries: number;
  readonly pairs: number;
  /** How many ticks every message takes. */
  readonly delay: number;
}

/**
 * Replica 1 has proposed `early <n>` for each key, and replica 2 `late <n>`, and both are dead; at 7, replica 3 as well. All that
 * are left but the last one have heard of the early ones first, and hold them as proposed; the last one, of the late ones. So the
 * recovery of each early one waits (R5.7) for the late one of its key, which ends as a no-op as soon as it is recovered.
 */
function abandoned({ replicas, recoveries, pairs }: Setting): { cluster: CoreCluster; alive: number[] } {
  const cluster = new CoreCluster(replicas, { limits: { recoveries, eagerOperations: 10_000 } });
  const dead = replicas === 5 ? [1, 2] : [1, 2, 3];
  const alive = cluster.ids.filter((id) => !dead.includes(id));
  const most = alive.slice(0, -1);
  for (let n = 1; n <= pairs; n += 1) {
    cluster.propose(1, put(`early ${n}`, `key ${n}`));
    cluster.deliver({ type: 'preAccept', from: 1, to: most });
    cluster.propose(2, put(`late ${n}`, `key ${n}`));
    cluster.deliver({ type: 'preAccept', from: 2, to: replicas });
    cluster.deliver({ type: 'preAccept', from: 1, to: replicas });
    cluster.deliver({ type: 'preAccept', from: 2, to: most });
    cluster.clear();
  }
  for (const id of dead) cluster.crash(id);
  return { cluster, alive };
}

/** How many recoveries of a replica wait for others. */
function waitingAt(cluster: CoreCluster, id: number): number {
  const rounds = [...cluster.replica(id).state.rounds.values()];
  return rounds.filter((round) => round.type === 'validate' && round.isWaiting).length;
}

test.each<Setting>([
  { replicas: 5, recoveries: 1, pairs: 6, delay: 0 },
  { replicas: 5, recoveries: 2, pairs: 12, delay: 0 },
  { replicas: 5, recoveries: 2, pairs: 12, delay: 15 },
  { replicas: 5, recoveries: 64, pairs: 400, delay: 0 },
  { replicas: 5, recoveries: 64, pairs: 400, delay: 15 },
  { replicas: 7, recoveries: 1, pairs: 6, delay: 0 },
  { replicas: 7, recoveries: 2, pairs: 12, delay: 15 },
  { replicas: 7, recoveries: 64, pairs: 400, delay: 0 },
])('R5.9: $pairs pairs at $replicas replicas, $recoveries at a time, $delay ticks away', (setting) => {
  const { pairs, recoveries, delay } = setting;
  const { cluster, alive } = abandoned(setting);
  for (let n = 1; n <= pairs; n += 1)
    cluster.propose(alive[n % alive.length] ?? 0, put(`after ${n}`, `key ${n}`));
  const isDone = (id: number) =>
    cluster.log(id).filter((label) => label.startsWith('after')).length === pairs;
  let mostWaiting = 0;
  let ticks = 0;
  for (; !alive.every(isDone); ticks += 1) {
    expect(ticks).toBeLessThan(1_500);
    cluster.tick(1, alive);
    if (delay === 0) cluster.settle();
    else cluster.advance(delay);
    mostWaiting = Math.max(mostWaiting, ...alive.map((id) => waitingAt(cluster, id)));
  }
  expect(mostWaiting).toBeGreaterThan(0);
  expect(mostWaiting).toBeLessThan(2 * recoveries);
  for (const id of alive) expect(cluster.log(id).filter((label) => label.startsWith('late'))).toEqual([]);
});
