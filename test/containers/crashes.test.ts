/** Replicas that die, freeze and come back, under load. */
import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { runScenario, seconds } from './support/scenario.ts';

const ROUNDS = 5;
/** While a replica is down the others answer at least this many operations. */
const MEANWHILE = 40;
/**
 * Longer than everything here that gives up on a silent peer: heartbeats (1 s), connecting (2 s), a call (5 s), the
 * keepalive of a server's connection (10 s and 5 s more).
 */
const FREEZE_SECONDS = 18;

describe('replicas that die', () => {
  it.each([3, 5] as const)('one of %i after the other is killed and started again', async (replicas) => {
    await runScenario({
      name: `docker kill of one replica after the other, ${ROUNDS} times`,
      project: { replicas },
      async harm(cluster, load) {
        for (let round = 0; round < ROUNDS; round += 1) {
          const victim = 1 + randomInt(replicas);
          await cluster.kill(victim);
          await load.untilMore(MEANWHILE);
          await cluster.start(victim);
          await cluster.untilConnected();
        }
      },
    });
  });

  it('two of five are killed at once', async () => {
    await runScenario({
      name: 'docker kill of two replicas at once, twice',
      project: { replicas: 5 },
      async harm(cluster, load) {
        for (const victims of [
          [1, 4],
          [2, 3],
        ]) {
          await cluster.kill(...victims);
          await load.untilMore(MEANWHILE);
          await cluster.start(...victims);
          await cluster.untilConnected();
        }
      },
    });
  });

  it('all of them are taken down and brought up again', async () => {
    await runScenario({
      name: 'docker compose down, then up',
      project: { replicas: 3 },
      async harm(cluster) {
        await cluster.project.compose('down');
        await cluster.project.compose('up', '--detach', '--no-build');
        await cluster.untilConnected();
      },
    });
  });
});

describe('replicas that freeze', () => {
  it('one of three is paused for longer than every timeout', async () => {
    await runScenario({
      name: `docker pause for ${FREEZE_SECONDS} s`,
      project: { replicas: 3 },
      async harm(cluster, load) {
        await cluster.pause(2);
        const { acknowledged } = load.recorder.counts;
        await seconds(FREEZE_SECONDS);
        expect(load.recorder.counts.acknowledged).toBeGreaterThan(acknowledged + MEANWHILE);
        await cluster.unpause(2);
        await cluster.untilConnected();
      },
    });
  });
});
