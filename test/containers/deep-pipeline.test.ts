/** As many writes under way at once as a client may have. */
import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { ContainerCluster } from './support/cluster.ts';
import { Recorder } from './support/recorder.ts';
import { report } from './support/report.ts';
import { expectAllWell } from './support/verdict.ts';

const KEYS = 1000;
/** Of each put: the cluster has to work off a whole wave. */
const TIMEOUT_MS = 60_000;

describe('a pipeline of depth 10,000', () => {
  it.each([3, 5] as const)('random puts to 1000 keys of %i replicas', async (replicas) => {
    const cluster = await ContainerCluster.start({ replicas });
    report({ replicas, readyMs: cluster.readyMs });
    const clients = cluster.endpoints.map((_, index, all) =>
      connect({
        endpoints: [...all.slice(index), ...all.slice(0, index)],
        timeoutMs: TIMEOUT_MS,
        prefer: 'first',
      }),
    );
    const recorder = new Recorder();
    const keys = Array.from({ length: KEYS }, (_, index) => `key-${index}`);
    let waves = 0;
    /** Puts of random keys, all at once; resolves when the last one has ended. */
    const wave = async (size: number) => {
      const { acknowledged } = recorder.counts;
      waves += 1;
      const values = Array.from({ length: size }, (_, index) => `wave-${waves}-${index}`);
      await Promise.all(
        values.map((value, index) => {
          const client = clients[index % clients.length];
          return client && recorder.put(client, keys[randomInt(KEYS)] ?? '', value);
        }),
      );
      return recorder.counts.acknowledged - acknowledged;
    };
    try {
      expect(await wave(1000), recorder.errors).toBe(1000);
      // As much as a client may have under way. A machine that is too small for it may leave some of them behind, but
      // whatever became of them is told rightly, and the cluster gets over it.
      expect(await wave(10_000)).toBeGreaterThan(0);
      expect(await wave(1000), recorder.errors).toBe(1000);
      const name = 'random puts to 1000 keys, all at once: 1000, 10,000, 1000';
      await expectAllWell(name, cluster, { recorder, keys });
    } catch (error) {
      throw new Error(`${String(error)}\n${recorder.errors}\n${await cluster.logs()}`, { cause: error });
    } finally {
      for (const client of clients) client.close();
      await cluster.close();
    }
  });
});
