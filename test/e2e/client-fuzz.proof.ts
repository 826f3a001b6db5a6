/** Ten thousand wrong requests of each kind, to real replicas. */
import { expect, onTestFailed, test } from 'vitest';
import { fuzzClients } from '../support/client-fuzz.ts';
import { FuzzWorld } from '../support/fuzz-world.ts';

test('clients that send what no client sends, ten thousand times of each kind', async () => {
  const world = await FuzzWorld.start(4);
  onTestFailed(() => void process.stderr.write(world.cluster.logs()));
  try {
    process.stdout.write(`${await fuzzClients(world, 10_000)}\n`);
    expect(world.cluster.ids.map((id) => world.cluster.pid(id))).not.toContain(null);
    await world.demandUnharmed();
  } finally {
    await world.cluster.close();
  }
});
