/** Slow and breaking connections: whatever replicas say to each other passes through proxies of these tests. */
import { describe, expect, it } from 'vitest';
import { freeBasePort } from '../support/free-ports.ts';
import { until } from '../support/until.ts';
import type { ContainerCluster } from './support/cluster.ts';
import { command } from './support/engine.ts';
import { FaultProxy } from './support/fault-proxy.ts';
import type { Load } from './support/load.ts';
import { runScenario } from './support/scenario.ts';

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
  const host = await addressForContainers();
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

/** This host's address on the engine's own network, which containers of every network reach. */
async function addressForContainers(): Promise<string> {
  const [found] = JSON.parse(await command('ip', ['-json', '-4', 'address', 'show', 'docker0']));
  return found.addr_info[0].local;
}

interface SlowLinks {
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly roundTripMs: number;
}

/** Waits until each of these connections has been found to be so slow, or too slow to be used. */
async function untilSlow(cluster: ContainerCluster, { from, to, roundTripMs }: SlowLinks): Promise<void> {
  await until(`round trips take ${roundTripMs} ms`, async () => {
    const peers = (await Promise.all(from.map((id) => cluster.status(id)))).flatMap((status) => status.peers);
    const slow = peers.filter(({ replica }) => to.includes(replica));
    return slow.every((peer) => !peer.reachable || peer.roundTripMs >= roundTripMs);
  });
}

describe('connections between replicas', () => {
  it('all take 1000 ms longer for a round trip', async () => {
    await runProxied({
      name: '1000 ms added to every round trip between replicas',
      async harm(cluster, load, proxies) {
        for (const proxy of proxies) proxy.delayMs = 500;
        await untilSlow(cluster, { from: [1, 2, 3], to: [1, 2, 3], roundTripMs: 1000 });
        await load.untilMore(MEANWHILE);
      },
    });
  });

  it('to one replica take 1000 ms longer in each direction', async () => {
    await runProxied({
      name: "1000 ms added in each direction to one replica's connections",
      async harm(cluster, load, [, , third]) {
        if (third !== undefined) third.delayMs = 1000;
        await untilSlow(cluster, { from: [1, 2], to: [3], roundTripMs: 2000 });
        await load.untilMore(MEANWHILE);
      },
    });
  });

  it('are cut again and again', async () => {
    await runProxied({
      name: `every connection between replicas cut, ${CUTS} times`,
      async harm(cluster, load, proxies) {
        for (let cut = 0; cut < CUTS; cut += 1) {
          for (const proxy of proxies) expect(proxy.cut()).toBeGreaterThan(0);
          await load.untilMore(MEANWHILE);
          await cluster.untilConnected();
        }
      },
    });
  });
});
