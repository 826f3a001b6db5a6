/** Networks that part, lose packets, and carry in one direction only, under load. */
import { describe, expect, it } from 'vitest';
import type { ContainerCluster } from './support/cluster.ts';
import { NetworkFaults } from './support/network-faults.ts';
import { runScenario, seconds } from './support/scenario.ts';

/** While a fault lasts this many operations are answered at least. */
const MEANWHILE = 100;
const LOSS = 0.1;
const LOSS_SECONDS = 15;

/** Runs a fault, then waits until it is healed and all replicas have found each other again. */
async function during(
  cluster: ContainerCluster,
  fault: (faults: NetworkFaults) => Promise<void>,
): Promise<void> {
  const faults = new NetworkFaults(cluster);
  await fault(faults);
  await faults.heal();
  await cluster.untilConnected();
}

describe('a network that parts', () => {
  it('one replica of three is cut off', async () => {
    await runScenario({
      name: 'one replica cut off',
      project: { replicas: 3 },
      harm: (cluster, load) =>
        during(cluster, async (faults) => {
          await faults.separate([3], [1, 2]);
          await cluster.untilCutOff(3, [1, 2]);
          await load.untilMore(MEANWHILE);
        }),
    });
  });

  it('five replicas part into two and three', async () => {
    await runScenario({
      name: 'split into 2 and 3',
      project: { replicas: 5 },
      harm: (cluster, load) =>
        during(cluster, async (faults) => {
          await faults.separate([1, 2], [3, 4, 5]);
          await cluster.untilCutOff(1, [3, 4, 5]);
          await load.untilMore(MEANWHILE);
        }),
    });
  });

  it('one replica hears the others and is not heard', async () => {
    await runScenario({
      name: 'a replica hears and is not heard',
      project: { replicas: 3 },
      harm: (cluster, load) =>
        during(cluster, async (faults) => {
          await faults.mute(1);
          await cluster.untilCutOff(2, [1]);
          await load.untilMore(MEANWHILE);
        }),
    });
  });
});

describe('a network that loses packets', () => {
  it('one replica of three loses one in ten', async () => {
    await runScenario({
      name: `${LOSS * 100} % of one replica's packets lost for ${LOSS_SECONDS} s`,
      project: { replicas: 3 },
      harm: (cluster, load) =>
        during(cluster, async (faults) => {
          await faults.lose(2, LOSS);
          await seconds(LOSS_SECONDS);
          await load.untilMore(MEANWHILE);
          expect(await faults.dropped(2)).toBeGreaterThan(0);
        }),
    });
  });
});
