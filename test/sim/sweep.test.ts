/** Some seeds of every cluster size, on every run of the tests. `npm run sim` runs as many as one likes. */
import { describe, expect, test } from 'vitest';
import { sweep } from './sweep.ts';

describe('no seed violates anything', () => {
  test.each([
    [3, 120],
    [5, 100],
    [7, 25],
  ])('N = %i, %i seeds', (replicas, seeds) => {
    const { failures, statistics } = sweep({ from: 1, to: seeds }, { replicas, sabotage: null });
    expect(failures.map(({ seed, violation }) => ({ seed, ...violation }))).toEqual([]);
    // What the worlds are made for has happened in them.
    const { commitsFast, commitsSlow, commitsRecovery, noOps, crashes, batchesLost } = statistics;
    const { repeatedExecutions, partitions, messagesLost, messagesDuplicated, diskErrors, pauses } =
      statistics;
    const { multiGets, wide, prunedPlans, snapshotsOffered, snapshotsInstalled } = statistics;
    for (const [name, count] of Object.entries({
      multiGets,
      wide,
      prunedPlans,
      snapshotsOffered,
      snapshotsInstalled,
      commitsFast,
      commitsSlow,
      commitsRecovery,
      noOps,
      crashes,
      batchesLost,
      repeatedExecutions,
      partitions,
      messagesLost,
      messagesDuplicated,
      diskErrors,
      pauses,
    })) {
      expect(count, name).toBeGreaterThan(0);
    }
    // Only three replicas commit what is not on disk (R4.5).
    expect(statistics.commitsUnsynced > 0).toBe(replicas === 3);
    // Histories that are too hard to judge would make the check a formality.
    expect(statistics.undecidedKeys).toBeLessThan(seeds / 10);
  });
});
