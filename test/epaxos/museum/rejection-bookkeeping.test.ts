/**
 * Faults in the bookkeeping of a recovery’s second round.
 * Sources: github.com/efficient/epaxos/issues/23 (when a member rejects, the wrong index is looked up, so that every
 * single rejection counts as proof); github.com/imdea-software/swiftpaxos/issues/3 (the status of the
 * conflicting instance is never set, so that committed and open conflicts look the same; and two cases of the
 * decision after Prepare are written as one).
 *
 * Here a member names the contradicting instance and whether it is committed. What counts is who coordinates that
 * instance, and not who has reported it.
 */
import { describe, expect, test } from 'vitest';
import { CoreCluster } from '../../support/core-cluster.ts';
import { instance, put } from '../../support/core-operations.ts';

/** 1.1 has reached 3. 3 recovers it with `others`, and has sent its Validates. */
function validating(others: number[]): CoreCluster {
  const cluster = new CoreCluster(5);
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: 3 });
  cluster.drop();
  cluster.recover(3, '1.1');
  cluster.deliver({ type: 'prepare', to: others });
  cluster.drop({ type: 'prepare' });
  cluster.deliver({ type: 'prepareReply' });
  expect(cluster.inFlight({ type: 'validate' })).toBe(2);
  return cluster;
}

/** The members report these contradictions; the others none. */
function answer(cluster: CoreCluster, reports: Record<number, { name: string; committed: boolean }[]>): void {
  for (const [from, report] of Object.entries(reports)) {
    const contradictions = report.map(({ name, committed }) => ({ id: instance(name), committed }));
    cluster.replica(3).step(Number(from), {
      type: 'validateReply',
      id: instance('1.1'),
      ballot: 8,
      promised: 8,
      contradictions,
      more: false,
    });
  }
  cluster.clear();
  cluster.turn(3);
}

const accepts = (cluster: CoreCluster) => cluster.messages({ type: 'accept', to: 5 });
const NO_OP = ['3→5 accept 1.1 ballot 8 no-op seq 0 deps 0,0,0,0,0'];
const CONFIRMED = ['3→5 accept 1.1 ballot 8 a seq 1 deps 0,0,0,0,0'];

describe('efficient/epaxos 23: one rejection is not proof by itself', () => {
  test('an open contradiction of a coordinator in Q is waited for, whoever reports it', () => {
    for (const reporter of [2, 4]) {
      const cluster = validating([2, 4]);
      answer(cluster, { 2: [], 4: [], [reporter]: [{ name: '2.1', committed: false }] });
      expect(accepts(cluster)).toEqual([]);
      expect(cluster.inFlight({ type: 'waiting' })).toBe(4);
    }
  });

  test('an open contradiction of a coordinator outside of Q is proof here, whoever reports it', () => {
    for (const reporter of [2, 4]) {
      const cluster = validating([2, 4]);
      answer(cluster, { 2: [], 4: [], [reporter]: [{ name: '5.1', committed: false }] });
      expect(accepts(cluster)).toEqual(NO_OP);
    }
  });

  test('one among several decides', () => {
    const cluster = validating([2, 4]);
    answer(cluster, {
      2: [{ name: '2.1', committed: false }],
      4: [
        { name: '4.1', committed: false },
        { name: '5.1', committed: false },
      ],
    });
    expect(accepts(cluster)).toEqual(NO_OP);
  });
});

describe('swiftpaxos 3: the conflicting instance’s status', () => {
  test('a committed contradiction decides at once, an open one does not, and none confirms', () => {
    const outcomes = [[{ name: '2.1', committed: true }], [{ name: '2.1', committed: false }], []].map(
      (report) => {
        const cluster = validating([2, 4]);
        answer(cluster, { 2: report, 4: [] });
        return accepts(cluster);
      },
    );
    expect(outcomes).toEqual([NO_OP, [], CONFIRMED]);
  });

  test('that it is committed is not lost when another member still has it open', () => {
    for (const order of [
      [2, 4],
      [4, 2],
    ]) {
      const cluster = validating([2, 4]);
      for (const from of order) {
        if (accepts(cluster).length > 0) break;
        answer(cluster, { [from]: [{ name: '2.1', committed: from === 4 }] });
      }
      expect(accepts(cluster)).toEqual(NO_OP);
    }
  });

  test('it is filled in by the members themselves', () => {
    const cluster = validating([2, 4]);
    cluster.propose(2, put('b', 'x'));
    cluster.deliver({ type: 'preAccept', about: '2.1', to: [4, 5] });
    cluster.deliver({ type: 'preAcceptReply', to: 2 }); // committed at 2, open at 4
    cluster.deliver({ type: 'validate' });
    const reported = (from: number) => cluster.contents({ type: 'validateReply', from });
    expect(reported(2)).toMatchObject([{ contradictions: [{ id: instance('2.1'), committed: true }] }]);
    expect(reported(4)).toMatchObject([{ contradictions: [{ id: instance('2.1'), committed: false }] }]);
  });
});

test('swiftpaxos 3: the same pre-accepts lead elsewhere with the coordinator in Q than without it', () => {
  const decide = (others: number[]) => {
    const cluster = new CoreCluster(5);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', to: [3, 4] });
    cluster.drop();
    cluster.recover(3, '1.1');
    cluster.deliver({ type: 'prepare', to: others });
    cluster.drop({ type: 'prepare' });
    cluster.deliver({ type: 'prepareReply' });
    return cluster.inFlight({ type: 'validate' }) > 0 ? 'validate' : accepts(cluster)[0];
  };
  expect(decide([4, 5])).toBe('validate');
  expect(decide([1, 4])).toBe(NO_OP[0]);
});
