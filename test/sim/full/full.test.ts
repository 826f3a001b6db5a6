/** Whole replicas of production code under seeded faults: some seeds on every run of the tests, and that a seed is a world. */
import { describe, expect, test } from 'vitest';
import { sweepFull } from '../sweep.ts';
import { drawFullOptions } from './options.ts';
import { simulateFull } from './world.ts';

describe('no seed violates anything', () => {
  test.each([
    [3, 30],
    [5, 14],
  ])('N = %i, %i seeds', { timeout: 300_000 }, async (replicas, seeds) => {
    const { failures, statistics } = await sweepFull({ from: 1, to: seeds }, { replicas });
    expect(failures.map(({ seed, violation }) => ({ seed, ...violation }))).toEqual([]);
    // What the worlds are made for has happened in them.
    const { answered, commitsFast, commitsSlow, commitsRecovery, crashes, batchesLost, snapshotsInstalled } =
      statistics;
    const { generations, tooOld } = statistics;
    const counts = {
      answered,
      commitsFast,
      commitsSlow,
      commitsRecovery,
      crashes,
      batchesLost,
      generations,
      tooOld,
    };
    for (const [name, count] of Object.entries(counts)) expect(count, name).toBeGreaterThan(0);
    if (replicas === 3) expect(snapshotsInstalled).toBeGreaterThan(0);
  });
});

// Worlds in which one replica hears nothing, or does no work, for ever, and which failed before.
test.each([
  ['it proposed the end of a generation again and again, which all waited for', 32],
  ['the same, until nothing else was executed', 60],
  ['the same, beside reads', 70],
  ['what it had left open was settled one slot after another', 158],
  ['the same, where few may be recovered at a time', 60_603],
  ['the same, one at a time', 60_610],
  ['what it had only named was settled one slot after another', 207_220],
  ['the same, beside reads', 208_392],
])('%s: seed %i', async (_, seed) => {
  const { violation } = await simulateFull(drawFullOptions(seed, 3));
  expect(violation).toBeNull();
});

test('a request that was under way when a snapshot was put in place is not lost with its instance', async () => {
  const { violation } = await simulateFull(drawFullOptions(903, 3));
  expect(violation).toBeNull();
});

test('one of which another copy was proposed before a snapshot is not said to be the only copy', async () => {
  const { violation } = await simulateFull(drawFullOptions(60_091, 3));
  expect(violation).toBeNull();
});

test('who is refused a snapshot asks another peer for one', async () => {
  const { violation } = await simulateFull(drawFullOptions(203_201, 3));
  expect(violation).toBeNull();
});

// Worlds of which more was asked than they promise.
test.each([
  ['it takes long to forget', 60_049, 3],
  ['few recoveries at a time settle what many starts had reserved', 203_465, 3],
  ['a peer is never silent for less than a tick', 202_399, 3],
  ['a peer is lost in the moment in which all is over', 204_070, 3],
  ['a second copy after a snapshot comes too late', 202_753, 5],
  ['a long value is copied in very small chunks', 311_012, 3],
  ['much that was left open is settled, one at a time', 301_552, 7],
  ['all were down when they were healed, with much left open', 400_582, 3],
])('%s: seed %i, N = %i', async (_, seed, replicas) => {
  const { violation } = await simulateFull(drawFullOptions(seed, replicas));
  expect(violation).toBeNull();
});

test('the same seed gives the same trace, with and without printing it', async () => {
  const lines: string[] = [];
  for (const seed of [11, 13]) {
    const first = await simulateFull(drawFullOptions(seed, 3));
    const second = await simulateFull(drawFullOptions(seed, 3), { printer: (line) => lines.push(line) });
    expect(second).toEqual(first);
  }
  expect(lines.length).toBeGreaterThan(1000);
});
