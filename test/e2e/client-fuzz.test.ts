/** Some hundred wrong requests of each kind, to real replicas; the long run is client-fuzz.proof.ts. */
import { expect, onTestFailed, test } from 'vitest';
import { fuzzClients } from '../support/client-fuzz.ts';
import { FuzzWorld } from '../support/fuzz-world.ts';

test('clients that send what no client sends harm neither the replicas nor the others', async () => {
  const world = await FuzzWorld.start(3);
  onTestFailed(() => void process.stderr.write(world.cluster.logs()));
  try {
    process.stdout.write(`${await fuzzClients(world, 100)}\n`);
    expect(world.cluster.ids.map((id) => world.cluster.pid(id))).not.toContain(null);
    await world.demandUnharmed();
  } finally {
    await world.cluster.close();
  }
}, 120_000);
