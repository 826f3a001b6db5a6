/**
 * Fault: a leader executes before its Commit leaves, crashes, and recovery decides otherwise; a commit overwrites an
 * executed instance, or changes the seq of one while its component is being executed.
 * Source: github.com/efficient/epaxos/issues/27.
 */
import { describe, expect, test } from 'vitest';
import { Replica } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { commandOf, instance, put } from '../../support/core-operations.ts';

describe.each([3, 5])('N = %i', (replicas) => {
  test('what a coordinator has executed, every recovery commits, with the same deps', () => {
    const fast = replicas === 3 ? [2] : [2, 3];
    for (const moment of ['after the write', 'after sending', 'after execution'] as const) {
      for (const by of Array.from({ length: replicas - 1 }, (_, index) => index + 2)) {
        const cluster = new CoreCluster(replicas);
        cluster.propose(2, put('earlier', 'x'));
        cluster.deliver({ type: 'preAccept' });
        cluster.deliverAll();
        cluster.propose(1, put('a', 'x'));
        cluster.deliver({ type: 'preAccept', to: fast });
        const replies = cluster.contents({ type: 'preAcceptReply' });
        replies.forEach((reply, index) => {
          cluster.replica(1).step(fast[index] ?? 0, reply);
        });
        cluster.crashDuring(1, moment);
        cluster.clear(); // also the Commit, if it has left
        const committed = cluster.decision('1.1');
        expect(committed).toBe('a');
        cluster.recover(by, '1.1');
        cluster.deliverAll();
        expect(cluster.look(by, '1.1')).toMatchObject({ status: 'executed', value: 'a' });
        cluster.restart(1);
        cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === 'earlier,a'));
      }
    }
  });
});

describe('a Commit for an instance that is executed already', () => {
  const id = instance('1.1');
  const commit = {
    type: 'commit',
    id,
    command: commandOf(put('a', 'x')),
    attributes: { seq: 1, deps: [0, 0, 0] },
  } as const;

  test('changes nothing, and is not executed again', () => {
    const replica = new Replica({ id: 3, replicas: 3, seed: 1 });
    replica.step(1, commit);
    expect(replica.takeReady().executions).toHaveLength(1);
    replica.step(2, commit);
    expect(replica.takeReady()).toMatchObject({ records: [], executions: [] });
  });

  test('with other attributes stops the process, rather than to diverge', () => {
    const replica = new Replica({ id: 3, replicas: 3, seed: 1 });
    replica.step(1, commit);
    replica.takeReady();
    expect(() => replica.step(2, { ...commit, attributes: { seq: 9, deps: [0, 0, 0] } })).toThrow(
      '1.1 is committed with two different values',
    );
  });
});

test('the seq of a member cannot change while its component waits, so neither can the order', () => {
  const replica = new Replica({ id: 3, replicas: 3, seed: 1 });
  const commit = (name: string, seq: number, deps: number[]) => {
    const command = commandOf(put(name, 'x'));
    replica.step(1, { type: 'commit', id: instance(name), command, attributes: { seq, deps } });
  };
  commit('1.1', 10, [0, 1, 0]);
  replica.takeReady();
  expect(() => commit('1.1', 11, [0, 1, 0])).toThrow('two different values');
  // Nor does a late message of an earlier phase change it.
  replica.step(2, {
    type: 'accept',
    id: instance('1.1'),
    ballot: 8,
    command: commandOf(put('1.1', 'x')),
    attributes: { seq: 11, deps: [0, 1, 0] },
  });
  commit('2.1', 10, [1, 0, 0]);
  expect(replica.takeReady().executions.map(({ id }) => id)).toEqual([instance('1.1'), instance('2.1')]);
});
