/** The checkers can fail: each world here is broken on purpose, and each check that is named must find out by itself, all others looking away. */
import { expect, test } from 'vitest';
import { CHECKS, type Check } from './checkers/violation.ts';
import { generator } from './draw.ts';
import {
  drawOptions,
  type FaultKind,
  forgetful,
  type WorkloadOptions,
  type WorldOptions,
} from './options.ts';
import type { Sabotage } from './sabotage.ts';
import { simulate } from './world.ts';

/** At most so many worlds are tried before a break counts as missed. */
const SEEDS = 150;
const KINDS: readonly FaultKind[] = ['crash', 'crashAtStage', 'eagerRecovery', 'isolate', 'oneWay'];

/** The world of a seed, broken, with faults and a load that bring the break to light. */
function broken(sabotage: Sabotage | null, seed: number, replicas: number): WorldOptions {
  const { faults, workload, limits, ...others } = drawOptions(seed, replicas);
  const maxDown = (replicas - 1) / 2;
  // What is lost of a reserved slot is no loss (R6.4), so that a break that loses records is harder to find there.
  const isReserving = sabotage === null || sabotage === 'forgetReservation';
  return {
    ...others,
    limits: isReserving ? limits : { ...limits, reservedSlots: 0 },
    sabotage,
    faults: { ...faults, kinds: KINDS, rounds: 3, roundMs: 600, intervalMs: 60, durationMs: 300, maxDown },
    workload: { ...workload, keys: 2, thinkMs: 20, getRate: 0.3, unrecordedRate: 0, ...multiGets(sabotage) },
  };
}

/** Where it matters that several keys are read at one moment, and each of them may be read without an instance. */
function multiGets(sabotage: Sabotage | null): Partial<WorkloadOptions> {
  return sabotage === 'splitMultiGets' ? { multiGetRate: 0.3, readsAtBarrier: true } : {};
}

/** The same, with replicas that are away for so long that they need snapshots. */
function brokenSnapshots(sabotage: Sabotage | null, seed: number, replicas: number): WorldOptions {
  const world = broken(sabotage, seed, replicas);
  const faults = { ...world.faults, kinds: ['crash', 'isolate'] as const, roundMs: 900, intervalMs: 150 };
  return forgetful({ ...world, faults }, generator(seed, 100));
}

/** Every check but these: what they find they find alone, and no assertion of the core is in their way. */
function allBut(...checks: readonly Check[]): readonly Check[] {
  return CHECKS.filter((check) => !checks.includes(check));
}

/**
 * What is found in the first world in which anything is found; null if nothing is in any.
 * @param search.first the world to begin with: where it was found last, to save time
 */
function firstFinding(
  sabotage: Sabotage,
  search: {
    readonly replicas: number;
    readonly ignored: readonly Check[];
    readonly world: typeof broken;
    readonly first?: number;
  },
): Check | null {
  const { replicas, ignored, world, first = 1 } = search;
  for (let tried = 0; tried < SEEDS; tried += 1) {
    const seed = 1 + ((first - 1 + tried) % SEEDS);
    const { violation } = simulate(world(sabotage, seed, replicas), { ignored });
    if (violation !== null) return violation.check;
  }
  return null;
}

/** A break, how many replicas there are, the check that finds it alone, and the world with which to begin. */
type Finding = readonly [Sabotage, replicas: number, Check, first: number];

test.each<Finding>([
  ['sendBeforeWrite', 3, 'durability', 1],
  ['sendBeforeWrite', 3, 'agreement', 2],
  ['sendBeforeWrite', 3, 'order', 54],
  ['sendBeforeWrite', 3, 'effects', 2],
  ['sendBeforeWrite', 3, 'linearizability', 2],
  ['sendBeforeWrite', 5, 'durability', 1],
  ['sendBeforeWrite', 5, 'agreement', 6],
  ['sendBeforeWrite', 5, 'order', 6],
  ['lyingDisk', 3, 'durability', 1],
  ['lyingDisk', 3, 'agreement', 2],
  ['lyingDisk', 3, 'visibility', 1],
  ['lyingDisk', 3, 'order', 2],
  ['lyingDisk', 5, 'durability', 1],
  ['lyingDisk', 5, 'agreement', 2],
  ['lyingDisk', 5, 'visibility', 3],
  ['lyingDisk', 5, 'order', 2],
  ['forgetOwnInstances', 3, 'agreement', 3],
  ['forgetOwnInstances', 3, 'visibility', 8],
  ['forgetOwnInstances', 3, 'order', 8],
  ['forgetOwnInstances', 3, 'effects', 8],
  ['forgetOwnInstances', 3, 'acknowledged', 8],
  ['forgetOwnInstances', 3, 'linearizability', 8],
  ['forgetOwnInstances', 3, 'convergence', 8],
  ['forgetOwnInstances', 5, 'agreement', 4],
  ['forgetOwnInstances', 5, 'order', 4],
  ['forgetReservation', 3, 'agreement', 8],
  ['forgetReservation', 3, 'visibility', 8],
  ['forgetReservation', 3, 'order', 8],
  ['forgetPromises', 3, 'visibility', 27],
  ['forgetPromises', 3, 'agreement', 29],
  ['forgetPromises', 3, 'order', 29],
  ['forgetPromises', 5, 'visibility', 18],
  ['reverseExecution', 3, 'order', 1],
  ['reverseExecution', 5, 'acknowledged', 1],
  ['reverseExecution', 5, 'linearizability', 1],
  ['reverseExecution', 5, 'convergence', 1],
  ['loseExecutedMarks', 3, 'exactlyOnce', 1],
  ['localReads', 3, 'linearizability', 2],
  ['localReads', 3, 'serializability', 2],
  ['localReads', 5, 'linearizability', 3],
  ['answerBeforeAgreement', 3, 'acknowledged', 1],
  ['answerBeforeAgreement', 3, 'linearizability', 1],
  ['splitMultiGets', 3, 'serializability', 2],
  ['splitMultiGets', 5, 'serializability', 3],
  ['silentReplica', 3, 'liveness', 1],
])('%s at N = %i is found by %s alone', (sabotage, replicas, check, first) => {
  const search = { replicas, ignored: allBut(check), world: broken, first };
  expect(firstFinding(sabotage, search)).toBe(check);
});

test.each<Finding>([
  ['unfitSnapshots', 3, 'durability', 26],
  ['snapshotsWithoutAnswers', 3, 'effects', 24],
  ['snapshotsWithoutAnswers', 3, 'acknowledged', 24],
  ['snapshotsWithoutAnswers', 3, 'linearizability', 24],
  ['snapshotsWithoutAnswers', 3, 'convergence', 24],
  ['tornSnapshots', 3, 'exactlyOnce', 1],
  ['tornSnapshots', 5, 'exactlyOnce', 1],
])('%s at N = %i is found by %s alone', (sabotage, replicas, check, first) => {
  const search = { replicas, ignored: allBut(check), world: brokenSnapshots, first };
  expect(firstFinding(sabotage, search)).toBe(check);
});

test('what is torn between keys is found by no check that looks at one key after another', {
  timeout: 300_000,
}, () => {
  const search = { replicas: 3, ignored: ['serializability'] as const, world: broken };
  expect(firstFinding('splitMultiGets', search)).toBeNull();
});

test.each([3, 5])('worlds with honest snapshots violate nothing (N = %i)', (replicas) => {
  for (let seed = 1; seed <= 10; seed += 1) {
    expect(simulate(brokenSnapshots(null, seed, replicas)).violation).toBeNull();
  }
});

test.each([3, 5])('the same worlds, not broken, violate nothing (N = %i)', (replicas) => {
  for (let seed = 1; seed <= 10; seed += 1) {
    expect(simulate(broken(null, seed, replicas)).violation).toBeNull();
  }
});
