/**
 * A coordinator crashes at every step of its work, and another replica recovers its instance with each quorum
 * that can answer. Whatever anybody may have seen must stand, and the replicas must agree, with the coordinator
 * once it is back.
 */
import { describe, expect, test } from 'vitest';
import { quorumsOf, type ReplicaId, replicaIds } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

interface Step {
  readonly name: string;
  /** Does the coordinator's work up to its crash. `reached` are the followers that its messages reach. */
  readonly run: (cluster: CoreCluster, reached: readonly ReplicaId[]) => void;
  /** What must be recovered; null if both the command and the no-op are right. */
  readonly outcome: 'a' | null;
}

/** Feeds a reply to the coordinator, whose turn is still to come. */
function feed(cluster: CoreCluster, type: 'preAcceptReply' | 'acceptReply', from: ReplicaId): void {
  for (const message of cluster.contents({ type, from, to: 1 })) cluster.replica(1).step(from, message);
}

function proposeTo(cluster: CoreCluster, reached: readonly ReplicaId[]): void {
  cluster.propose(1, put('a', 'x'));
  for (const to of reached) cluster.deliver({ type: 'preAccept', from: 1, to });
}

/** The last reply of a fast quorum arrives, and the coordinator crashes somewhere in the turn that commits. */
function commitUntil(moment: 'before the write' | 'after the write' | 'after sending') {
  return (cluster: CoreCluster, reached: readonly ReplicaId[]) => {
    proposeTo(cluster, reached);
    for (const from of reached) feed(cluster, 'preAcceptReply', from);
    cluster.crashDuring(1, moment);
  };
}

const STEPS: Step[] = [
  {
    name: 'before its pre-accept is written',
    run: (cluster) => {
      cluster.submit(1, put('a', 'x'));
      cluster.crashDuring(1, 'before the write');
    },
    outcome: null,
  },
  {
    name: 'before its PreAccept leaves',
    run: (cluster) => {
      cluster.submit(1, put('a', 'x'));
      cluster.crashDuring(1, 'after the write');
    },
    outcome: null,
  },
  {
    name: 'with its PreAccept on the way',
    run: (cluster, reached) => {
      proposeTo(cluster, reached);
      cluster.crash(1);
    },
    outcome: null,
  },
  { name: 'before its fast commit is written', run: commitUntil('before the write'), outcome: null },
  { name: 'before its Commit leaves', run: commitUntil('after the write'), outcome: 'a' },
  {
    name: 'when its Commit has reached one',
    run: (cluster, reached) => {
      commitUntil('after sending')(cluster, reached);
      cluster.deliver({ type: 'commit', to: reached[0] ?? 0 });
    },
    outcome: 'a',
  },
];

/** Every set of `size` of the given replicas. */
function choose(ids: readonly ReplicaId[], size: number): ReplicaId[][] {
  if (size === 0) return [[]];
  return ids.flatMap((id, index) => choose(ids.slice(index + 1), size - 1).map((rest) => [id, ...rest]));
}

/** Recovers 1.1 at `by` with the promises of exactly `others` and its own. */
function recover(cluster: CoreCluster, by: ReplicaId, others: readonly ReplicaId[]): void {
  cluster.clear();
  cluster.recover(by, '1.1');
  const outside = cluster.ids.filter((id) => id !== by && !others.includes(id));
  for (const to of outside)
    if (cluster.inFlight({ type: 'prepare', to }) > 0) cluster.drop({ type: 'prepare', to });
  cluster.settle();
}

describe.each([3, 5])('N = %i', (replicas) => {
  const { majority, fast } = quorumsOf(replicas);
  const followers = replicaIds(replicas).slice(1);

  test.each(STEPS)('the coordinator crashes $name', ({ run, outcome }) => {
    let cases = 0;
    // At N = 3 the fast path needs the designated follower, which is 2.
    const reachable = replicas === 3 ? [[2]] : choose(followers, fast - 1);
    for (const reached of reachable) {
      for (const by of followers) {
        for (const others of choose(
          followers.filter((id) => id !== by),
          majority - 1,
        )) {
          const cluster = new CoreCluster(replicas);
          run(cluster, reached);
          recover(cluster, by, others);
          const decision = cluster.decision('1.1');
          if (outcome === null) expect(['a', 'no-op', null]).toContain(decision);
          else expect(decision).toBe(outcome);
          cluster.propose(by, put('b', 'x')); // needs 1.1 settled, if anybody knows of it
          cluster.run(() => followers.every((id) => cluster.log(id).includes('b')));
          cluster.restart(1);
          cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === cluster.log(by).join()));
          expect(cluster.log(1).filter((name) => name === 'a').length).toBeLessThanOrEqual(1);
          if (outcome !== null) expect(cluster.log(1)).toContain(outcome);
          cases += 1;
        }
      }
    }
    expect(cases).toBe(reachable.length * followers.length * (replicas === 3 ? 1 : 3));
  });
});

describe('with an interfering command that the survivors have committed meanwhile', () => {
  test.each([3, 5])('N = %i: whatever becomes of the crashed one, the two are ordered', (replicas) => {
    const { majority } = quorumsOf(replicas);
    const followers = replicaIds(replicas).slice(1);
    const outcomes = new Set<string | null>();
    for (let reach = 0; reach < 2 ** followers.length; reach += 1) {
      const reached = followers.filter((_, index) => (reach & (1 << index)) !== 0);
      for (const by of followers) {
        const rest = followers.filter((id) => id !== by);
        for (const others of choose(rest, majority - 1)) {
          const cluster = new CoreCluster(replicas);
          proposeTo(cluster, reached);
          for (const from of reached) feed(cluster, 'preAcceptReply', from);
          cluster.crashDuring(1, 'after the write');
          const isCommitted = cluster.decision('1.1') !== null;
          const rival = cluster.propose(by, put('rival', 'x'));
          cluster.deliverAll({ about: rival });
          recover(cluster, by, others);
          if (isCommitted) expect(cluster.decision('1.1')).toBe('a');
          outcomes.add(cluster.decision('1.1'));
          cluster.restart(1);
          cluster.run(() => cluster.ids.every((id) => cluster.log(id).includes('rival')));
          for (const id of cluster.ids) expect(cluster.log(id)).toEqual(cluster.log(by));
        }
      }
    }
    expect(outcomes).toContain('a');
    expect(outcomes).toContain('no-op');
  });
});

describe('the slow path', () => {
  /** 1 has gone slow with its own and the others' attributes, and its Accept has reached `accepted`. */
  function slow(replicas: number, accepted: readonly ReplicaId[]): CoreCluster {
    const cluster = new CoreCluster(replicas);
    cluster.propose(2, put('rival', 'x'));
    for (const to of cluster.ids.slice(2)) cluster.deliver({ type: 'preAccept', from: 2, to });
    cluster.drop();
    cluster.propose(1, put('a', 'x'));
    for (const to of cluster.ids.slice(2)) cluster.deliver({ type: 'preAccept', from: 1, to });
    cluster.tick(1, cluster.ids.slice(2)); // N = 3: who is not designated takes its time
    cluster.deliver({ type: 'preAcceptReply', to: 1 });
    cluster.tick(10, [1]);
    for (const to of accepted) cluster.deliver({ type: 'accept', from: 1, to });
    return cluster;
  }

  test.each([3, 5])('N = %i: once a majority has accepted, every quorum finds it', (replicas) => {
    const { majority } = quorumsOf(replicas);
    const followers = replicaIds(replicas).slice(1);
    for (const accepted of choose(followers, majority - 1)) {
      for (const by of followers) {
        const rest = followers.filter((id) => id !== by);
        for (const others of choose(rest, majority - 1)) {
          const cluster = slow(replicas, accepted);
          for (const from of accepted) feed(cluster, 'acceptReply', from);
          cluster.crashDuring(1, 'after the write'); // committed, nobody knows, and the commit may be lost
          expect(cluster.decision('1.1')).toBe('a');
          cluster.crash(1, { losing: 'unsynced' });
          recover(cluster, by, others);
          expect(cluster.look(by, '1.1')).toMatchObject({
            value: 'a',
            deps: cluster.ids.map((id) => (id === 2 ? 1 : 0)),
          });
          cluster.restart(1);
          cluster.run(() => cluster.ids.every((id) => cluster.log(id).length === 2));
        }
      }
    }
  });
});
