/** Quorum sizes against a dumb oracle, which writes out every set of replicas and intersects them. */
import { describe, expect, test } from 'vitest';
import { CLUSTER_SIZES, isClusterSize, quorumsOf, replicaIds } from '../../../src/epaxos/index.ts';

/** Every set of `size` of 1 … N. */
function subsets(replicas: number, size: number): Set<number>[] {
  let found: number[][] = [[]];
  for (const id of replicaIds(replicas)) found = found.flatMap((each) => [each, [...each, id]]);
  return found.filter((each) => each.length === size).map((each) => new Set(each));
}

const common = (one: ReadonlySet<number>, other: ReadonlySet<number>) =>
  [...one].filter((id) => other.has(id)).length;

test('the table of section 1', () => {
  const table = CLUSTER_SIZES.map((replicas) => quorumsOf(replicas));
  expect(table).toEqual([
    { replicas: 3, faults: 1, fastFaults: 1, majority: 2, fast: 2 },
    { replicas: 5, faults: 2, fastFaults: 2, majority: 3, fast: 3 },
    { replicas: 7, faults: 3, fastFaults: 2, majority: 4, fast: 5 },
  ]);
});

test('other cluster sizes are refused', () => {
  for (const replicas of [0, 1, 2, 4, 6, 8, 9, 3.5, -3, Number.NaN]) {
    expect(isClusterSize(replicas)).toBe(false);
    expect(() => quorumsOf(replicas)).toThrow('a cluster has 3, 5 or 7 replicas');
  }
});

test('replicas are numbered from 1', () => {
  expect(replicaIds(5)).toEqual([1, 2, 3, 4, 5]);
});

describe.each(CLUSTER_SIZES)('N = %i', (replicas) => {
  const { faults, fastFaults, majority, fast } = quorumsOf(replicas);
  const majorities = subsets(replicas, majority);

  test('any two majorities have a common member, and no smaller sets would do', () => {
    for (const one of majorities) {
      for (const other of majorities) expect(common(one, other)).toBeGreaterThan(0);
    }
    const smaller = subsets(replicas, majority - 1);
    expect(smaller.some((one) => smaller.some((other) => common(one, other) === 0))).toBe(true);
  });

  test('a majority is left when f replicas are down, a fast quorum when e are', () => {
    expect(replicas - faults).toBeGreaterThanOrEqual(majority);
    expect(replicas - fastFaults).toBeGreaterThanOrEqual(fast);
  });

  test('two fast quorums have a common member: one of two interfering proposals is seen by the other', () => {
    const quorums = subsets(replicas, fast);
    for (const one of quorums) {
      for (const other of quorums) expect(common(one, other)).toBeGreaterThan(0);
    }
  });

  test('of a fast quorum a majority without the coordinator still holds |Q| − e members (R5.5)', () => {
    let tight = 0;
    for (const quorum of subsets(replicas, fast)) {
      for (const members of majorities) {
        const [coordinator] = [...quorum].filter((id) => !members.has(id));
        if (coordinator === undefined) continue;
        const matching = common(quorum, members);
        expect(matching).toBeGreaterThanOrEqual(members.size - fastFaults);
        if (matching > members.size - fastFaults) continue;
        // R5.6: then everybody outside of Q was in the fast quorum, also whoever coordinates a contradiction.
        tight += 1;
        for (const id of replicaIds(replicas)) expect(members.has(id) || quorum.has(id)).toBe(true);
      }
    }
    expect(tight).toBeGreaterThan(0);
  });
});

describe.each([5, 7])('N = %i', (replicas) => {
  test('two disjoint sets of more than |Q| − e do not fit into a majority (R5.7, the deadlock escape)', () => {
    const { majority, fastFaults } = quorumsOf(replicas);
    const [members = new Set<number>()] = subsets(replicas, majority);
    const sets = subsets(replicas, majority - fastFaults + 1).filter(
      (each) => common(each, members) === each.size,
    );
    expect(sets.length).toBeGreaterThan(0);
    for (const one of sets) {
      for (const other of sets) expect(common(one, other)).toBeGreaterThan(0);
    }
  });
});
