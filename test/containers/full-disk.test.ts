/** A replica whose volume is full: it stops and says why, the others go on, and it comes back once there is space. */
import { expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { docker } from './support/engine.ts';
import { runScenario } from './support/scenario.ts';

const MEANWHILE = 100;
const PATIENCE_MS = 90_000;

/** Writes until there is no space left. */
const FILL = `
  const { openSync, writeSync } = require('node:fs');
  const file = openSync('/data/ballast', 'w');
  try {
    for (const block of [1 << 20, 1 << 12, 1]) for (;;) try { writeSync(file, Buffer.alloc(block)); } catch (error) {
      if (error.code !== 'ENOSPC') throw error;
      break;
    }
  } finally {}
`;

it('a replica stops when its volume is full, and returns', async () => {
  await runScenario({
    name: "a replica's volume full, then not",
    project: { replicas: 3, files: ['test/containers/small-volume.yml'] },
    async harm(cluster, load) {
      const ballast = await cluster.project.container('ballast');
      await docker('exec', ballast, 'node', '-e', FILL);
      await until(
        'replica 3 says that its disk is full',
        async () => /storageFailure|No space left|ENOSPC/.test(await cluster.logsOf(3)),
        PATIENCE_MS,
      );
      await until(
        'replica 3 has stopped',
        async () => Number(await cluster.project.inspect('replica-3', '{{.RestartCount}}')) > 0,
        PATIENCE_MS,
      );
      await load.untilMore(MEANWHILE);
      await docker('exec', ballast, 'rm', '/data/ballast');
      await cluster.untilConnected();
      expect(await cluster.logsOf(3)).toMatch(/the replica cannot go on/);
    },
  });
});
