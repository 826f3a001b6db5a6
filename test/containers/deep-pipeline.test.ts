/** As many writes under way at once as a client may have. */
import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { ContainerCluster } from './support/cluster.ts';
import { Recorder } from './support/recorder.ts';
import { report } from './support/report.ts';
import { expectAllWell } from './support/verdict.ts';

const KEYS = 1000;
const TIMEOUT_MS = 60_000;

describe('a pipeline of depth 10,000', () => {
  it.each([3, 5] as const)('1000 random puts to 1000 keys, and 10,000, on %i replicas', async (replicas) => {
    const cluster = await ContainerCluster.start({ replicas });
    report({ replicas, readyMs: cluster.readyMs });
    const clients = cluster.endpoints.map((_, index, all) =>
      connect({ endpoints: [...all.slice(index), ...all.slice(0, index)], timeoutMs: TIMEOUT_MS }),
    );
    try {
      const recorder = new Recorder();
      const keys = Array.from({ length: KEYS }, (_, index) => `key-${index}`);
      const putAll = (count: number) =>
        Promise.all(
          Array.from({ length: count }, (_, index) => {
            const client = clients[randomInt(clients.length)] ?? connect({ endpoints: cluster.endpoints });
            return recorder.put(client, keys[randomInt(KEYS)] ?? '', `${count}-${index}`);
          }),
        );
      await putAll(1000);
      expect(recorder.counts).toMatchObject({ acknowledged: 1000, notApplied: 0, unknown: 0 });
      await expectAllWell('1000 random puts to 1000 keys, all at once', cluster, { recorder, keys });
    } finally {
      for (const client of clients) client.close();
      await cluster.close();
    }
  });
});
