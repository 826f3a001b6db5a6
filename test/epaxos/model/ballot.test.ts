/** Ballots: unique, ordered, owned. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CLUSTER_SIZES, replicaIds } from '../../../src/epaxos/index.ts';
import { ballotOwner, nextBallot } from '../../../src/epaxos/model/ballot.ts';

const anyCluster = fc
  .constantFrom(...CLUSTER_SIZES)
  .chain((replicas) =>
    fc.record({ replicas: fc.constant(replicas), owner: fc.integer({ min: 1, max: replicas }) }),
  );

test('the first ballots of a cluster of three', () => {
  expect([1, 2, 3].map((owner) => nextBallot(0, owner, 3))).toEqual([4, 5, 6]);
  expect(nextBallot(4, 1, 3)).toBe(7);
  expect(nextBallot(5, 1, 3)).toBe(7);
  expect(nextBallot(6, 1, 3)).toBe(7);
  expect(nextBallot(4, 3, 3)).toBe(6);
});

test('the next ballot is the lowest one that the replica owns and that is higher', () => {
  fc.assert(
    fc.property(anyCluster, fc.nat({ max: 1_000 }), ({ replicas, owner }, above) => {
      let expected = Math.max(above, replicas) + 1;
      while (expected % replicas !== owner % replicas) expected += 1;
      expect(nextBallot(above, owner, replicas)).toBe(expected);
    }),
  );
});

test('whoever makes a ballot owns it, so two replicas never make the same', () => {
  fc.assert(
    fc.property(anyCluster, fc.nat(), ({ replicas, owner }, above) => {
      expect(ballotOwner(nextBallot(above, owner, replicas), replicas)).toBe(owner);
    }),
  );
  for (const replicas of CLUSTER_SIZES) {
    for (const above of [0, 1, 7, 100]) {
      const made = replicaIds(replicas).map((owner) => nextBallot(above, owner, replicas));
      expect(new Set(made).size).toBe(replicas);
    }
  }
});

test('ballot 0 is nobody’s, for it belongs to the initial coordinator; and 1 to N are no ballots', () => {
  for (const replicas of CLUSTER_SIZES) {
    for (let ballot = 0; ballot <= replicas; ballot += 1) expect(ballotOwner(ballot, replicas)).toBeNull();
    for (const owner of replicaIds(replicas)) expect(ballotOwner(replicas + owner, replicas)).toBe(owner);
  }
});

test('a replica’s ballots ascend for ever', () => {
  fc.assert(
    fc.property(anyCluster, fc.integer({ min: 0, max: 2 ** 40 }), ({ replicas, owner }, start) => {
      const first = nextBallot(start, owner, replicas);
      const second = nextBallot(first, owner, replicas);
      expect(first).toBeGreaterThan(start);
      expect(second - first).toBe(replicas);
    }),
  );
});
