/** The checkers can fail: each world here is broken on purpose, and some check must find out, also if others look away. */
import { expect, test } from 'vitest';
import type { Check } from './checkers/violation.ts';
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

/** What is found in the first world in which anything is found; null if nothing is in any. */
function firstFinding(
  sabotage: Sabotage,
  replicas: number,
  ignored: readonly Check[],
  world = broken,
  finders: readonly Check[] = ['assertion'],
): Check | null {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { violation } = simulate(world(sabotage, seed, replicas), { ignored });
    // A broken core may also trip over an assertion of its own; the checks that are named must find it without that.
    if (violation?.check === 'assertion' && !finders.includes('assertion')) continue;
    if (violation !== null) return violation.check;
  }
  return null;
}

/** What looks inside the replicas; the checks that are left see the order of execution, and what clients see. */
const INSIDE: readonly Check[] = ['durability', 'agreement', 'status', 'visibility'];
/** Then only the clients' histories and the final tables are left. */
const ALL_BUT_CLIENTS: readonly Check[] = [...INSIDE, 'order', 'effects', 'exactlyOnce'];

test.each<[Sabotage, number, readonly Check[], readonly Check[]]>([
  ['sendBeforeWrite', 3, [], ['durability']],
  ['sendBeforeWrite', 5, [], ['durability']],
  ['sendBeforeWrite', 3, ['durability'], ['agreement', 'visibility', 'order']],
  ['sendBeforeWrite', 3, INSIDE, ['order', 'effects', 'linearizability']],
  ['lyingDisk', 3, [], ['durability']],
  ['lyingDisk', 3, ['durability'], ['agreement', 'visibility', 'order', 'assertion']],
  ['lyingDisk', 5, ['durability'], ['agreement', 'visibility', 'order', 'assertion']],
  ['forgetOwnInstances', 3, [], ['agreement', 'visibility', 'order']],
  ['forgetOwnInstances', 5, [], ['agreement', 'visibility', 'order', 'assertion']],
  ['forgetOwnInstances', 3, INSIDE, ['order', 'effects']],
  ['forgetOwnInstances', 3, ALL_BUT_CLIENTS, ['acknowledged', 'linearizability', 'convergence']],
  ['forgetReservation', 3, [], ['agreement', 'visibility', 'order', 'assertion']],
  ['forgetPromises', 3, [], ['visibility', 'agreement', 'order']],
  ['reverseExecution', 3, [], ['order']],
  ['reverseExecution', 5, ALL_BUT_CLIENTS, ['acknowledged', 'linearizability', 'convergence']],
  ['loseExecutedMarks', 3, [], ['exactlyOnce']],
  ['localReads', 3, [], ['linearizability']],
  ['localReads', 5, ALL_BUT_CLIENTS, ['linearizability']],
  ['localReads', 3, ['linearizability'], ['serializability']],
  ['answerBeforeAgreement', 3, [], ['acknowledged']],
  ['answerBeforeAgreement', 3, ['acknowledged'], ['linearizability']],
  ['splitMultiGets', 3, [], ['serializability']],
  ['splitMultiGets', 5, [], ['serializability']],
  ['splitMultiGets', 3, ALL_BUT_CLIENTS, ['serializability']],
  ['silentReplica', 3, [], ['liveness']],
])('%s at N = %i is found; without %j by one of %j', (sabotage, replicas, ignored, finders) => {
  expect(finders).toContain(firstFinding(sabotage, replicas, ignored, broken, finders));
});

test('what is torn between keys is found by no check that looks at one key after another', () => {
  expect(firstFinding('splitMultiGets', 3, ['serializability'])).toBeNull();
});

test.each<[Sabotage, number, readonly Check[], readonly Check[]]>([
  ['unfitSnapshots', 3, [], ['durability']],
  ['snapshotsWithoutAnswers', 3, [], ['effects']],
  ['snapshotsWithoutAnswers', 3, ALL_BUT_CLIENTS, ['acknowledged', 'linearizability', 'convergence']],
  ['tornSnapshots', 3, [], ['exactlyOnce']],
  ['tornSnapshots', 5, [], ['exactlyOnce']],
])('%s at N = %i is found; without %j by one of %j', (sabotage, replicas, ignored, finders) => {
  expect(finders).toContain(firstFinding(sabotage, replicas, ignored, brokenSnapshots));
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
