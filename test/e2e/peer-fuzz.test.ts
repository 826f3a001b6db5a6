/** Some hundred wrong messages of each kind from a peer, to real replicas; the long run is peer-fuzz.proof.ts. */
import { expect, onTestFailed, test } from 'vitest';
import { FuzzWorld } from '../support/fuzz-world.ts';
import { fuzzPeers, HUNG_UP } from '../support/peer-fuzz.ts';

test('a peer that says what no replica says harms neither the others nor their clients', async () => {
  const world = await FuzzWorld.start(1);
  onTestFailed(() => void process.stderr.write(world.cluster.logs()));
  try {
    const seen = await fuzzPeers(world, { messages: 100, unreadable: 100, snapshots: 20, wrongReplies: 1 });
    process.stdout.write(`${seen}\n`);
    expect(world.cluster.pid(1)).not.toBeNull();
    await world.demandUnharmed();
  } finally {
    await world.cluster.close({ expected: HUNG_UP });
  }
}, 120_000);
