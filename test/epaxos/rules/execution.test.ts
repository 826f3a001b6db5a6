/** The rules of section 7, on running replicas. The executor by itself has tests of its own. */
import { describe, expect, test } from 'vitest';
import { Replica } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { commandOf, get, instance, put } from '../../support/core-operations.ts';

const logs = (cluster: CoreCluster) => cluster.ids.map((id) => cluster.log(id));

/** A replica of three that learns commits one by one; what it executes, in order. */
class Learner {
  readonly replica = new Replica({ id: 3, replicas: 3, seed: 1 });

  commit(name: string, operation: ReturnType<typeof put> | null, seq: number, deps: number[]): string[] {
    const command = operation === null ? null : commandOf(operation);
    this.replica.step(1, { type: 'commit', id: instance(name), command, attributes: { seq, deps } });
    return this.executed();
  }

  executed(): string[] {
    return this.replica.takeReady().executions.map(({ id }) => `${id.replica}.${id.slot}`);
  }

  /** What is asked for after a while. */
  asked(): string[] {
    for (let tick = 0; tick < 5; tick += 1) this.replica.tick();
    const asked = this.replica
      .takeReady()
      .messages.flatMap(({ message }) => (message.type === 'fetch' ? message.ranges : []));
    return [...new Set(asked.map(({ replica, from }) => `${replica}.${from}`))];
  }
}

describe('R7.1: the order', () => {
  test('dependencies first', () => {
    const learner = new Learner();
    expect(learner.commit('1.2', put('b', 'x'), 2, [1, 0, 0])).toEqual([]);
    expect(learner.commit('2.1', put('c', 'x'), 3, [2, 0, 0])).toEqual([]);
    expect(learner.commit('1.1', put('a', 'x'), 1, [0, 0, 0])).toEqual(['1.1', '1.2', '2.1']);
  });

  test('a cycle by seq, then replica', () => {
    for (const [first, second, expected] of [
      [2, 1, ['2.1', '1.1']],
      [1, 2, ['1.1', '2.1']],
      [4, 4, ['1.1', '2.1']],
    ] as const) {
      const learner = new Learner();
      expect(learner.commit('1.1', put('a', 'x'), first, [0, 1, 0])).toEqual([]);
      expect(learner.commit('2.1', put('b', 'x'), second, [1, 0, 0])).toEqual(expected);
    }
  });

  test('an edge leads to interfering instances only, and not to no-ops', () => {
    const learner = new Learner();
    learner.commit('1.1', put('other', 'y'), 1, [0, 1, 0]); // waits for 2.1, which is unknown
    expect(learner.commit('1.3', put('c', 'x'), 3, [2, 0, 0])).toEqual([]);
    expect(learner.commit('1.2', null, 0, [0, 0, 0])).toEqual(['1.2', '1.3']);
  });

  test('a no-op is executed by itself, so that its mark is kept', () => {
    const learner = new Learner();
    expect(learner.commit('1.1', null, 0, [0, 0, 0])).toEqual(['1.1']);
  });

  test('every replica gets the same order, in a cycle that the network made', () => {
    const cluster = new CoreCluster(3);
    for (const id of cluster.ids) cluster.propose(id, put(`${id}`, 'x'));
    for (const id of cluster.ids) cluster.deliver({ type: 'preAccept', from: id, to: (id % 3) + 1 });
    cluster.deliver({ type: 'preAcceptReply' });
    const deps = cluster.ids.map((id) => cluster.look(id, `${id}.1`).deps);
    expect(deps).toEqual([
      [0, 1, 0],
      [0, 0, 1],
      [1, 0, 0],
    ]); // each waits for the next: one component
    cluster.deliverAll();
    expect(new Set(logs(cluster).map(String)).size).toBe(1);
    expect(cluster.log(1)).toHaveLength(3);
  });
});

describe('R7.2: what an instance waits for', () => {
  test('an unknown slot in its deps, although a later one of the row is known and committed', () => {
    const learner = new Learner();
    learner.commit('1.2', get('r', 'x'), 1, [0, 0, 0]);
    expect(learner.commit('2.1', put('w', 'x'), 2, [2, 0, 0])).toEqual([]);
    expect(learner.asked()).toEqual(['1.1']);
    expect(learner.commit('1.1', get('r', 'x'), 1, [0, 0, 0])).toEqual(['1.1', '2.1']);
  });

  test('an unknown slot that turns out to be foreign is not waited for: knowing its command is enough', () => {
    const learner = new Learner();
    expect(learner.commit('2.1', put('w', 'x'), 2, [1, 0, 0])).toEqual([]);
    learner.replica.step(1, {
      type: 'preAccept',
      id: instance('1.1'),
      command: commandOf(put('other', 'y')),
      attributes: { seq: 1, deps: [0, 0, 0] },
      follower: 2,
      prompt: false,
    });
    expect(learner.executed()).toEqual(['2.1']);
  });

  test('what is lacking is asked for, and recovered if nobody has it', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', to: 2 });
    cluster.crash(1);
    cluster.drop();
    cluster.propose(2, put('b', 'x'));
    cluster.settle();
    expect(cluster.look(3, '1.1').status).toBe('none');
    expect(logs(cluster)).toEqual([[], [], []]);
    cluster.run(() => cluster.log(2).includes('b') && cluster.log(3).includes('b'));
    expect(cluster.log(2)).toEqual(cluster.log(3));
  });
});

describe('R7.3: waiting', () => {
  test('a blocked instance takes no work until what it lacks is resolved', () => {
    const learner = new Learner();
    learner.commit('1.2', put('b', 'x'), 2, [1, 0, 0]);
    expect(learner.replica.hasReady()).toBe(false);
    expect(learner.replica.status().blockedInstances).toBe(1);
    learner.commit('2.1', put('other', 'y'), 1, [0, 0, 0]);
    expect(learner.replica.hasReady()).toBe(false);
    learner.commit('1.1', put('a', 'x'), 1, [0, 0, 0]);
    expect(learner.replica.status().blockedInstances).toBe(0);
  });

  test('execution is sliced: a turn does a bounded part, and says that there is more', () => {
    const cluster = new CoreCluster(3, { limits: { executionSteps: 10 } });
    cluster.isolate(3);
    for (let slot = 0; slot < 30; slot += 1) {
      cluster.propose(1, put(`${slot}`, 'x'));
      cluster.deliverAll();
    }
    const learner = cluster.replica(3);
    for (let slot = 30; slot >= 1; slot -= 1) {
      const record = cluster.replica(1).state.space.get({ replica: 1, slot });
      if (record.command === null || record.attributes === null) throw new Error('not committed');
      const { id, command, attributes } = record;
      learner.step(1, { type: 'commit', id, command, attributes });
    }
    const sizes: number[] = [];
    while (learner.hasReady()) sizes.push(cluster.turn(3).executions.length);
    expect(sizes.length).toBeGreaterThan(5);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10);
    expect(cluster.log(3)).toEqual(cluster.log(1));
  });
});

describe('R7.4: once', () => {
  test('what is marked executed is not executed again after a restart', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliverAll();
    for (const id of cluster.ids) {
      cluster.crash(id);
      cluster.restart(id);
      cluster.settle();
    }
    expect(logs(cluster)).toEqual([['a'], ['a'], ['a']]);
  });

  test('crashed between the commit’s write and its effects: they follow after the restart', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', to: 2 });
    const [reply] = cluster.contents({ type: 'preAcceptReply' });
    if (reply === undefined) throw new Error('no reply');
    cluster.replica(1).step(2, reply);
    expect(cluster.crashDuring(1, 'after sending').executions).toHaveLength(1);
    expect(cluster.log(1)).toEqual([]);
    cluster.restart(1);
    cluster.settle();
    expect(logs(cluster)).toEqual([['a'], ['a'], ['a']]);
  });

  test('effects and marks that were not synced are lost together, and done again', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliverAll();
    cluster.crash(3, { losing: 'unsynced' });
    expect(cluster.log(3)).toEqual([]);
    cluster.restart(3);
    cluster.run(() => cluster.log(3).join() === 'a');
  });
});

test('R7.5: nothing is executed, so nobody is answered, before all that it depends on', () => {
  const cluster = new CoreCluster(3);
  cluster.propose(2, put('first', 'x'));
  cluster.deliver({ type: 'preAccept', to: 1 });
  cluster.propose(1, put('second', 'x'));
  cluster.deliverAll({ about: '1.1' });
  expect(cluster.look(1, '1.1').status).toBe('committed');
  expect(cluster.log(1)).toEqual([]);
  expect(cluster.replica(1).status().openInstances).toBe(1);
  cluster.deliverAll();
  expect(cluster.log(1)).toEqual(cluster.log(2));
  expect(cluster.replica(1).status().openInstances).toBe(0);
});

describe('R7.7: a flood on one key', () => {
  test('one open instance per key and coordinator; what waits goes together', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    for (const label of ['b', 'c', 'd']) cluster.submit(1, put(label, 'x'));
    cluster.turn(1);
    expect(cluster.replica(1).status()).toMatchObject({ openInstances: 1, waitingOperations: 3 });
    cluster.deliverAll();
    expect(cluster.decision('1.2')).toBe('b+c+d');
    expect(logs(cluster)).toEqual([1, 2, 3].map(() => ['a', 'b+c+d']));
  });

  test('it ends when the instance is executed, not when it is committed', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(2, put('first', 'x'));
    cluster.deliver({ type: 'preAccept', to: 1 });
    cluster.propose(1, put('a', 'x'));
    cluster.deliverAll({ about: '1.1' });
    cluster.submit(1, put('b', 'x'));
    cluster.turn(1);
    expect(cluster.look(1, '1.1').status).toBe('committed');
    expect(cluster.replica(1).status().waitingOperations).toBe(1);
    cluster.deliverAll();
    expect(cluster.replica(1).status().waitingOperations).toBe(0);
    expect(cluster.log(1)).toHaveLength(3);
  });
});
