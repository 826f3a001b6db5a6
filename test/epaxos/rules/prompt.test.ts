/** R4.5: at N = 3 a lone proposal has both followers answer at once, and may commit without a sync of its own. */
import { describe, expect, test } from 'vitest';
import {
  type Attributes,
  type PreAcceptReply,
  Proposal,
  Replica,
  Status,
} from '../../../src/epaxos/index.ts';
import { CoreCluster, type CoreClusterOptions } from '../../support/core-cluster.ts';
import { instance, put } from '../../support/core-operations.ts';

/** A cluster as it is in operation: what is proposed alone asks both followers to answer at once. */
function promptCluster({ limits, ...options }: CoreClusterOptions = {}, replicas = 3): CoreCluster {
  return new CoreCluster(replicas, { ...options, limits: { promptInstances: 1, ...limits } });
}

/** Whether each of the PreAccepts in flight, of an instance or of all, asks for an answer at once. */
function asked(cluster: CoreCluster, about?: string): boolean[] {
  const filter = { type: 'preAccept', ...(about === undefined ? {} : { about }) } as const;
  return cluster.contents(filter).map((message) => 'prompt' in message && message.prompt);
}

describe('who is asked to answer at once: both followers', () => {
  test('by a coordinator that has no other round under way', () => {
    const cluster = promptCluster();
    cluster.propose(1, put('a', 'x'));
    expect(asked(cluster)).toEqual([true, true]);
    cluster.propose(1, put('b', 'y'));
    expect(asked(cluster, '1.2')).toEqual([false, false]);
    cluster.settle();
    cluster.propose(1, put('c', 'y'));
    expect(asked(cluster)).toEqual([true, true]);
  });

  test('or fewer than the limit says; recoveries count as well', () => {
    const cluster = promptCluster({ limits: { promptInstances: 3 } });
    cluster.recover(1, '3.1');
    for (const key of ['x', 'y', 'z']) cluster.propose(1, put(key, key));
    expect(['1.1', '1.2', '1.3'].map((name) => asked(cluster, name)[0])).toEqual([true, true, false]);
  });

  test.each([
    [0.3, 0.4, true],
    [0.3, 2.2, true],
    [100, 105, true],
    [0.3, 2.5, false],
    [72, 88, false],
    [88, 72, false],
  ])('with round trips of %d and %d ms: %s', (two, three, isAsked) => {
    const cluster = promptCluster();
    cluster.replica(1).setRoundTrip(2, two);
    cluster.replica(1).setRoundTrip(3, three);
    cluster.propose(1, put('a', 'x'));
    expect(asked(cluster)).toEqual([isAsked, isAsked]);
  });

  test.each([2, 3])('not if replica %i cannot be reached', (unreachable) => {
    const cluster = promptCluster();
    cluster.replica(1).setReachable(unreachable, false);
    cluster.propose(1, put('a', 'x'));
    expect(asked(cluster)).toEqual([false, false]);
  });

  test('not in thrifty mode, not where the limit is 0, and never by five', () => {
    const thrifty = promptCluster({ thrifty: true });
    const unlimited = promptCluster({ limits: { promptInstances: 0 } });
    const five = promptCluster({}, 5);
    for (const cluster of [thrifty, unlimited, five]) cluster.propose(1, put('a', 'x'));
    expect([thrifty, unlimited, five].map((cluster) => asked(cluster))).toEqual([
      [false],
      [false, false],
      [false, false, false, false],
    ]);
    five.deliver({ to: [2, 3] });
    five.deliver({ type: 'preAcceptReply', from: 2 });
    const [reply] = five.contents({ type: 'preAcceptReply', from: 3 });
    if (reply === undefined) throw new Error('no reply');
    five.replica(1).step(3, reply);
    expect(five.turn(1)).toMatchObject({ sync: true, records: [{ status: Status.committed }] });
  });

  test('not where the follower usually takes longer than a tick', () => {
    const cluster = promptCluster();
    for (let round = 0; round < 20; round += 1) {
      cluster.propose(1, put(`${round}`, 'x'));
      cluster.deliver({ type: 'preAccept' });
      cluster.tick(3, [1]);
      cluster.settle();
    }
    cluster.tick(100);
    cluster.settle();
    cluster.propose(1, put('a', 'x'));
    expect(asked(cluster)).toEqual([false, false]);
  });

  test('the other one answers at once too, with its record on disk; a repetition asks for the same', () => {
    const cluster = promptCluster();
    cluster.propose(1, put('a', 'x'));
    const [preAccept] = cluster.contents({ type: 'preAccept', to: 3 });
    if (preAccept === undefined) throw new Error('no PreAccept');
    cluster.replica(3).step(1, preAccept);
    expect(cluster.replica(3).takeReady()).toMatchObject({
      sync: true,
      records: [{ status: Status.preAccepted }],
      messages: [{ to: 1, message: { type: 'preAcceptReply' } }],
    });
    cluster.drop();
    cluster.tick(20, [1]);
    expect(asked(cluster)).toEqual([true, true]);
  });

  test('the own record of a reserved slot is not synced for it: the proposal leaves early (R6.4)', () => {
    const replica = new Replica({ id: 1, replicas: 3, seed: 1, limits: { instancesPerTurn: 1 } });
    for (const peer of [2, 3]) replica.setReachable(peer, true);
    replica.restore({ records: [], pruned: null, reserved: 0 });
    replica.propose(new Proposal(put('first', 'w')));
    expect(replica.takeReady()).toMatchObject({ sync: true, early: [], reserved: 33 });
    const attributes = { seq: 1, deps: [0, 0, 0] };
    for (const from of [2, 3])
      replica.step(from, { type: 'preAcceptReply', id: instance('1.1'), attributes });
    replica.takeReady();

    replica.propose(new Proposal(put('a', 'x')));
    const alone = replica.takeReady();
    expect(alone).toMatchObject({ sync: false, messages: [], records: [{ id: instance('1.2') }] });
    expect(alone.early.map(({ message }) => 'prompt' in message && message.prompt)).toEqual([true, true]);
    replica.propose(new Proposal(put('b', 'y')));
    const second = replica.takeReady();
    expect(second).toMatchObject({ sync: false, messages: [], records: [{ id: instance('1.3') }] });
    expect(second.early.map(({ message }) => 'prompt' in message && message.prompt)).toEqual([false, false]);
  });
});

const EQUAL: Attributes = { seq: 1, deps: [0, 0, 0] };

function reply(attributes: Attributes): PreAcceptReply {
  return { type: 'preAcceptReply', id: instance('1.1'), attributes };
}

/** Replica 1 has asked both about 1.1, and nobody has answered; the test speaks for replicas 2, the follower, and 3. */
function waiting(): CoreCluster {
  const cluster = promptCluster();
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept' });
  cluster.drop();
  return cluster;
}

/** What replica 1 does on replies, one a turn. */
function batches(cluster: CoreCluster, ...replies: readonly (readonly [from: number, Attributes])[]) {
  return replies.map(([from, attributes]) => {
    cluster.replica(1).step(from, reply(attributes));
    return cluster.turn(1);
  });
}

const NOTHING = { sync: false, records: [], messages: [], executions: [] };
const committed = (sync: boolean, attributes: Attributes) => ({
  sync,
  records: [{ id: instance('1.1'), status: Status.committed, attributes }],
  messages: [{ message: { type: 'commit' } }, { message: { type: 'commit' } }],
});

describe('what the coordinator does with the replies', () => {
  test.each([
    [2, 3],
    [3, 2],
  ])(
    'equal ones, of %i and then of %i: it commits without a sync, and tells and executes at once',
    (...order) => {
      const cluster = waiting();
      const [first, second] = batches(cluster, ...order.map((from) => [from, EQUAL] as const));
      expect(first).toMatchObject(NOTHING);
      expect(second).toMatchObject({ ...committed(false, EQUAL), executions: [{ id: instance('1.1') }] });
      expect(cluster.path(1, '1.1')).toBe('fast');
    },
  );

  test.each<[string, Attributes]>([
    ['deps', { seq: 1, deps: [0, 1, 0] }],
    ['seq', { seq: 2, deps: [0, 0, 0] }],
  ])(
    'an equal one of the follower and other %s of the other one: it commits the equal one, synced',
    (_, other) => {
      for (const equalFirst of [true, false]) {
        const replies = [[2, EQUAL] as const, [3, other] as const];
        const [first, second] = batches(waiting(), ...(equalFirst ? replies : replies.reverse()));
        expect(first).toMatchObject(NOTHING);
        expect(second).toMatchObject(committed(true, EQUAL));
      }
    },
  );

  test.each<[string, Attributes]>([
    ['deps', { seq: 1, deps: [0, 0, 1] }],
    ['seq', { seq: 2, deps: [0, 0, 0] }],
  ])(
    'other %s of the follower: it commits these at once, synced, whatever the other one says',
    (_, value) => {
      expect(batches(waiting(), [2, value])).toMatchObject([committed(true, value)]);
      for (const other of [EQUAL, value]) {
        expect(batches(waiting(), [3, other], [2, value])).toMatchObject([NOTHING, committed(true, value)]);
      }
    },
  );

  test('an equal one of the follower alone: it waits two ticks for the other one, and commits synced', () => {
    const cluster = waiting();
    expect(batches(cluster, [2, EQUAL])).toMatchObject([NOTHING]);
    cluster.tick(1, [1]);
    expect(cluster.decision('1.1')).toBeNull();
    cluster.replica(1).tick();
    expect(cluster.turn(1)).toMatchObject(committed(true, EQUAL));
    expect(batches(cluster, [3, EQUAL])).toMatchObject([NOTHING]);
  });

  /** A write whose replies come so many ticks after each other, 3 of them a wait in vain; and whether both were asked to be prompt. */
  function write(cluster: CoreCluster, ticksBetween: number, first: 2 | 3 = 2): boolean | undefined {
    const name = cluster.propose(1, put('a', 'x'));
    const [isAsked] = asked(cluster);
    cluster.deliver({ type: 'preAccept' });
    cluster.deliver({ type: 'preAcceptReply', from: first });
    if (ticksBetween > 0) cluster.tick(ticksBetween, [1]);
    cluster.settle();
    expect(cluster.look(1, name)).toMatchObject({ status: 'executed' });
    return isAsked;
  }
  const pause = (cluster: CoreCluster, ticks: number) => {
    cluster.tick(ticks, [1]);
    cluster.settle();
  };

  test('after it has waited in vain twice in a row it asks nobody for a second', () => {
    const cluster = promptCluster();
    expect([write(cluster, 3), write(cluster, 3), write(cluster, 0)]).toEqual([true, true, false]);
    pause(cluster, 98);
    expect(write(cluster, 0)).toBe(false);
    pause(cluster, 1);
    expect(write(cluster, 0)).toBe(true);
  });

  test('a wait in vain counts as a whole one, also where the follower has taken some of the time', () => {
    const cluster = promptCluster();
    const inVain = () => {
      cluster.propose(1, put('a', 'x'));
      const [isAsked] = asked(cluster);
      cluster.deliver({ type: 'preAccept' });
      cluster.tick(1, [1]);
      cluster.deliver({ type: 'preAcceptReply', from: 2 });
      cluster.tick(2, [1]);
      cluster.settle();
      return isAsked;
    };
    expect([inVain(), inVain(), write(cluster, 0)]).toEqual([true, true, false]);
  });

  test('nor while the other one usually comes later than the follower, as with a slow disk', () => {
    const cluster = promptCluster();
    expect([1, 1, 1, 1, 1].map((ticks) => write(cluster, ticks))).toEqual([true, true, true, true, false]);
    pause(cluster, 100);
    expect([write(cluster, 1), write(cluster, 0)]).toEqual([true, false]);
    pause(cluster, 100);
    expect([write(cluster, 0), write(cluster, 0)]).toEqual([true, true]);
  });

  test('but a late reply now and then is no reason, nor are those of the follower', () => {
    const cluster = promptCluster();
    for (let round = 0; round < 50; round += 1) {
      expect(write(cluster, round % 10 === 0 ? 1 : 0)).toBe(true);
    }
    for (let round = 0; round < 50; round += 1) expect(write(cluster, 1, 3)).toBe(true);
  });

  test('a follower that answers later than that is enough, and with the other one saves the sync', () => {
    const alone = waiting();
    alone.tick(3, [1]);
    expect(batches(alone, [2, EQUAL])).toMatchObject([committed(true, EQUAL)]);
    const both = waiting();
    batches(both, [3, EQUAL]);
    both.tick(3, [1]);
    expect(both.decision('1.1')).toBeNull();
    expect(batches(both, [2, EQUAL])).toMatchObject([committed(false, EQUAL)]);
  });

  test('where nobody was asked to be prompt, two equal replies are no more than one: synced (R6.2)', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    cluster.tick(1, [3]);
    cluster.drop();
    expect(batches(cluster, [3, EQUAL], [2, EQUAL])).toMatchObject([NOTHING, committed(true, EQUAL)]);
  });

  test('another one that cannot be reached is not waited for, and nobody pauses for it', () => {
    const later = waiting();
    batches(later, [2, EQUAL]);
    later.replica(1).setReachable(3, false);
    expect(later.turn(1)).toMatchObject(committed(true, EQUAL));
    const before = waiting();
    before.replica(1).setReachable(3, false);
    expect(batches(before, [2, EQUAL])).toMatchObject([committed(true, EQUAL)]);
    before.replica(1).setReachable(3, true);
    before.clear();
    before.propose(1, put('b', 'y'));
    expect(asked(before)).toEqual([true, true]);
  });

  test('a follower that is silent, or goes away, is no matter of this rule: the slow path (R4.4)', () => {
    const silent = waiting();
    batches(silent, [3, EQUAL]);
    silent.tick(9, [1]);
    expect(silent.look(1, '1.1').status).toBe('preAccepted');
    silent.tick(1, [1]);
    expect(silent.look(1, '1.1').status).toBe('accepted');
    const gone = waiting();
    batches(gone, [3, EQUAL]);
    gone.replica(1).setReachable(2, false);
    gone.turn(1);
    expect(gone.look(1, '1.1').status).toBe('accepted');
  });
});

describe.each([
  ['preAccepted', '1.1', 'first'],
  ['none', '1.2', 'own,first'], // its slot was reserved (R6.4), and its record lost as well
])('after a commit without a sync, with the own record %s', (status, name, before) => {
  /** Replica 1 has committed, executed and answered a, its Commits are lost, and it dies with all that is not synced. */
  function forgotten(): CoreCluster {
    const cluster = promptCluster({ limits: { reservedSlots: status === 'none' ? 8 : 0 } });
    if (status === 'none') cluster.propose(1, put('own', 'w'));
    cluster.settle();
    cluster.propose(2, put('first', 'x'));
    cluster.settle();
    expect(cluster.propose(1, put('a', 'x'))).toBe(name);
    cluster.deliverAll({ type: ['preAccept', 'preAcceptReply'] });
    expect(cluster.log(1).join()).toBe(`${before},a`);
    cluster.clear();
    cluster.crash(1, { losing: 'unsynced' });
    cluster.restart(1);
    expect(cluster.look(1, name).status).toBe(status);
    return cluster;
  }

  const VALUE = { status: 'executed', value: 'a', seq: 2, deps: [0, 1, 0] };

  const pairs = [
    [1, 2, 3],
    [2, 1, 3],
    [1, 3, 2],
    [3, 1, 2],
    [2, 3, 1],
    [3, 2, 1],
  ] as const;

  test.each(pairs)('replica %i finds it with replica %i, while replica %i is away', (by, other, away) => {
    const cluster = forgotten();
    cluster.isolate(away);
    cluster.recover(by, name);
    cluster.run(() => [by, other].every((id) => cluster.log(id).join() === `${before},a`));
    for (const id of [by, other]) expect(cluster.look(id, name)).toMatchObject(VALUE);
    cluster.rejoin(away);
    cluster.run(() => cluster.log(away).join() === `${before},a`);
    expect(cluster.look(away, name)).toMatchObject(VALUE);
  });

  test.each(pairs)(
    'replicas %i and %i find it, and go on, if replica %i never comes back',
    (by, other, gone) => {
      const cluster = forgotten();
      cluster.crash(gone);
      cluster.propose(by, put('b', 'x'));
      cluster.run(() => [by, other].every((id) => cluster.log(id).join() === `${before},a,b`));
      for (const id of [by, other]) expect(cluster.look(id, name)).toMatchObject(VALUE);
    },
  );

  test('the coordinator settles it by itself when it is back (R6.8)', () => {
    const cluster = forgotten();
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === `${before},a`));
    for (const id of cluster.ids) expect(cluster.look(id, name)).toMatchObject(VALUE);
  });
});
