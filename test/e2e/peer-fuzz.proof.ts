/** Thousands of wrong messages of each kind from a peer, to real replicas. */
import { expect, onTestFailed, test } from 'vitest';
import { FuzzWorld } from '../support/fuzz-world.ts';
import { fuzzPeers, HUNG_UP } from '../support/peer-fuzz.ts';

test('a peer that says what no replica says, 2,500 times of each kind', async () => {
  const world = await FuzzWorld.start(2);
  onTestFailed(() => void process.stderr.write(world.cluster.logs()));
  try {
    const seen = await fuzzPeers(world, {
      messages: 2_500,
      unreadable: 100,
      snapshots: 500,
      wrongReplies: 10,
    });
    process.stdout.write(`${seen}\n`);
    expect(world.cluster.pid(1)).not.toBeNull();
    await world.demandUnharmed();
  } finally {
    await world.cluster.close({ expected: HUNG_UP });
  }
});
