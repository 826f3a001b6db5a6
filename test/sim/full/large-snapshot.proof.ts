/**
 * A replica comes back when the others keep as many instances for it as they ever do, and nobody writes: it copies a snapshot
 * of all of them, with the limits of production, and then everybody forgets them all at once.
 */
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/epaxos/index.ts';
import { drawFullOptions, type FullWorldOptions, withLargeBacklog } from './options.ts';
import { simulateFull } from './world.ts';

test('50,000 kept instances are copied, put in place and forgotten', { timeout: 300_000 }, async () => {
  expect(DEFAULT_LIMITS.retainedInstances).toBe(50_000);
  const drawn = withLargeBacklog(drawFullOptions(1, 3));
  const options: FullWorldOptions = {
    ...drawn,
    faults: { ...drawn.faults, kinds: [] },
    workload: { ...drawn.workload, clients: 1, operationsPerClient: 3 },
    full: { ...drawn.full, outcast: null, faults: [] },
  };
  const { violation, statistics } = await simulateFull(options);
  expect(violation).toBeNull();
  const { snapshotsInstalled, snapshotsOffered, repeatedExecutions } = statistics;
  expect({ snapshotsInstalled, snapshotsOffered, repeatedExecutions }).toEqual({
    snapshotsInstalled: 1,
    snapshotsOffered: 1,
    repeatedExecutions: 0,
  });
});
