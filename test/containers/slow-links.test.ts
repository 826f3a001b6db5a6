/** Slow and breaking connections: whatever replicas say to each other passes through proxies of these tests. */
import { describe, it } from 'vitest';
import { freeBasePort } from '../support/free-ports.ts';
import type { ContainerCluster } from './support/cluster.ts';
import { docker } from './support/engine.ts';
import { FaultProxy } from './support/fault-proxy.ts';
import type { Load } from './support/load.ts';
import { runScenario, seconds } from './support/scenario.ts';

const REPLICAS = 3;
/** While a fault lasts this many operations are answered at least. */
const MEANWHILE = 40;
const CUTS = 8;

interface ProxiedScenario {
  readonly name: string;
  /** @param proxies one in front of each replica, for the others only */
  harm(cluster: ContainerCluster, load: Load, proxies: readonly FaultProxy[]): Promise<void>;
}

async function runProxied({ name, harm }: ProxiedScenario): Promise<void> {
  const basePort = await freeBasePort(REPLICAS);
  // An address of this host that containers of every network reach.
  const host = await docker('network', 'inspect', '--format', '{{(index .IPAM.Config 0).Gateway}}', 'bridge');
  const ids = Array.from({ length: REPLICAS }, (_, index) => index + 1);
  const proxies = await Promise.all(
    ids.map((id) => FaultProxy.start({ host, targetPort: basePort + id - 1 })),
  );
  try {
    const peers = proxies.map(({ port }, index) => `${index + 1}=${host}:${port}`).join(',');
    await runScenario({
      name,
      project: { replicas: REPLICAS, basePort, environment: { EPAXOS_PEERS: peers } },
      async harm(cluster, load) {
        await harm(cluster, load, proxies);
        for (const proxy of proxies) proxy.delayMs = 0;
        await cluster.untilConnected();
      },
    });
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.close()));
  }
}

describe('connections between replicas', () => {
  it('all take 1000 ms longer for a round trip', async () => {
    await runProxied({
      name: '1000 ms added to every round trip between replicas',
      async harm(_cluster, load, proxies) {
        for (const proxy of proxies) proxy.delayMs = 500;
        await load.untilMore(MEANWHILE);
      },
    });
  });

  it('to one replica take 1000 ms longer in each direction', async () => {
    await runProxied({
      name: "1000 ms added in each direction to one replica's connections",
      async harm(_cluster, load, [, , third]) {
        if (third !== undefined) third.delayMs = 1000;
        await load.untilMore(MEANWHILE);
      },
    });
  });

  it('are cut again and again', async () => {
    await runProxied({
      name: `every connection between replicas cut, ${CUTS} times`,
      async harm(_cluster, load, proxies) {
        for (let cut = 0; cut < CUTS; cut += 1) {
          for (const proxy of proxies) proxy.cut();
          await load.untilMore(MEANWHILE);
          await seconds(0.5);
        }
      },
    });
  });
});
