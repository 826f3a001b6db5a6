/** The rules of section 5 that are about the conversation of a recovery: R5.1 to R5.4, R5.8. */
import { describe, expect, test } from 'vitest';
import { Replica } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { commandOf, instance, put } from '../../support/core-operations.ts';
import { recover } from '../../support/recover.ts';

describe('R5.1: Prepare', () => {
  test('goes to all, at a ballot that the recovering replica owns, also for an instance it never saw', () => {
    const cluster = new CoreCluster(5);
    cluster.recover(3, '1.7');
    expect(cluster.messages().sort()).toEqual([1, 2, 4, 5].map((to) => `3→${to} prepare 1.7 ballot 8`));
    expect(cluster.look(3, '1.7')).toMatchObject({ status: 'none', ballot: 8, acceptedBallot: 0 });
    cluster.deliverAll();
    expect(cluster.decision('1.7')).toBe('no-op');
  });

  test('is answered with a promise and the whole record; a promise moves one ballot only', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', to: 2 });
    const before = cluster.replica(2).state.space.get(instance('1.1'));
    cluster.recover(3, '1.1');
    cluster.deliver({ type: 'prepare', to: 2 });
    expect(cluster.contents({ type: 'prepareReply' })).toEqual([
      { type: 'prepareReply', ballot: 6, record: { ...before, ballot: 6 } },
    ]);
  });

  test('a replica that has promised as much or more refuses, and says what', () => {
    const replica = new Replica({ id: 2, replicas: 3, seed: 1 });
    const id = instance('1.1');
    replica.step(3, { type: 'prepare', id, ballot: 9 });
    replica.takeReady();
    replica.step(1, { type: 'prepare', id, ballot: 7 });
    const { records, messages } = replica.takeReady();
    expect(records).toEqual([]);
    expect(messages).toMatchObject([{ to: 1, message: { ballot: 7, record: { ballot: 9 } } }]);
  });

  test('at a ballot that the sender does not own it is ignored', () => {
    const replica = new Replica({ id: 2, replicas: 3, seed: 1 });
    replica.step(3, { type: 'prepare', id: instance('1.1'), ballot: 7 });
    expect(replica.takeReady()).toMatchObject({ records: [], messages: [] });
  });

  test('a refused recovery ends; the next one outbids the promise that it was told, however high', () => {
    const cluster = new CoreCluster(3);
    for (let round = 1; round <= 4; round += 1) cluster.recover(3, '1.1'); // the last at ballot 15
    cluster.deliver({ type: 'prepare', to: 2 });
    cluster.drop();
    cluster.recover(1, '1.1'); // ballot 4, below the 15 that 2 has promised
    cluster.deliver({ type: 'prepare', to: 2 });
    cluster.deliver({ type: 'prepareReply', to: 1 });
    expect(cluster.replica(1).state.roundOf(instance('1.1'))).toBeUndefined();
    cluster.drop();
    cluster.recover(1, '1.1');
    expect(cluster.messages({ type: 'prepare' })).toEqual([
      '1→2 prepare 1.1 ballot 16',
      '1→3 prepare 1.1 ballot 16',
    ]);
  });

  test('with fewer than a majority nothing is decided, however often one replies', () => {
    const cluster = new CoreCluster(5);
    cluster.recover(3, '1.1');
    cluster.deliver({ type: 'prepare', to: 2 });
    cluster.duplicate({ type: 'prepareReply' });
    cluster.deliver({ type: 'prepareReply' });
    expect(cluster.inFlight({ type: ['accept', 'validate'] })).toBe(0);
    cluster.deliver({ type: 'prepare', to: 4 });
    cluster.deliver({ type: 'prepareReply' });
    expect(cluster.inFlight({ type: 'accept' })).toBe(4);
  });

  test('whoever has promised a recovery no longer coordinates: an own proposal included', () => {
    const cluster = new CoreCluster(5);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', to: [4, 5] });
    cluster.recover(2, '1.1');
    cluster.deliver({ type: 'prepare', to: 1 });
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.look(1, '1.1').status).toBe('preAccepted');
    expect(cluster.decision('1.1')).toBeNull();
  });
});

test('R5.2: somebody knows it to be committed: so it is committed', () => {
  const cluster = new CoreCluster(5);
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ to: [2, 3] });
  cluster.deliver({ type: 'preAcceptReply' });
  cluster.deliver({ type: 'commit', to: 3 });
  cluster.crash(1);
  cluster.drop();
  cluster.recover(4, '1.1');
  cluster.deliver({ type: 'prepare', to: [3, 5] });
  cluster.deliver({ from: 3, to: 4 });
  expect(cluster.look(4, '1.1')).toMatchObject({ status: 'executed', value: 'a', deps: [0, 0, 0, 0, 0] });
});

test('R5.3: of what was accepted, that with the highest acceptedBallot is accepted again', () => {
  const cluster = new CoreCluster(5);
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: [2, 3] });
  cluster.drop();
  cluster.recover(5, '1.1'); // with 3 and 4: 3 has it unchanged, so it is accepted again, by 5 alone
  cluster.deliver({ type: 'prepare', to: [3, 4] });
  cluster.drop({ type: 'prepare' });
  cluster.deliver({ type: 'prepareReply' });
  cluster.deliver({ type: 'validate' });
  cluster.deliver({ type: 'validateReply' });
  cluster.drop();
  expect(cluster.look(5, '1.1')).toMatchObject({ status: 'accepted', acceptedBallot: 10, value: 'a' });
  cluster.recover(4, '1.1'); // with 1 and 2, who know nothing of that: L in Q, a no-op
  cluster.deliver({ type: 'prepare', to: [1, 2] });
  cluster.drop({ type: 'prepare' });
  cluster.deliver({ type: 'prepareReply' });
  cluster.drop();
  expect(cluster.look(4, '1.1')).toMatchObject({ status: 'accepted', acceptedBallot: 14, value: 'no-op' });
  // 3 now sees both, in either order, and must go on with the later one.
  cluster.recover(3, '1.1');
  cluster.drop();
  cluster.recover(3, '1.1');
  cluster.deliver({ type: 'prepare', to: [4, 5] });
  cluster.deliver({ type: 'prepareReply' });
  expect(cluster.messages({ type: 'accept', to: 5 })).toEqual([
    '3→5 accept 1.1 ballot 18 no-op seq 0 deps 0,0,0,0,0',
  ]);
  cluster.deliverAll();
  expect(cluster.decision('1.1')).toBe('no-op');
});

describe('R5.4: recovery at N = 3', () => {
  test('L in Q and both have it pre-accepted: their merge', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(3, put('rival', 'x'));
    cluster.drop();
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    cluster.drop();
    cluster.recover(3, '1.1');
    cluster.deliver({ type: 'prepare', to: 1 });
    cluster.deliver({ type: 'prepareReply' });
    expect(cluster.messages({ type: 'accept', to: 2 })).toEqual([
      '3→2 accept 1.1 ballot 6 a seq 2 deps 0,0,1',
    ]);
  });

  test('L in Q and alone: a no-op, for its record alone would lose an order', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.drop();
    // Meanwhile 2 and 3 have committed an interfering command that L has not heard of.
    cluster.propose(2, put('b', 'x'));
    cluster.deliver({ to: 3 });
    cluster.deliver({ to: 2, type: 'preAcceptReply' });
    cluster.deliver({ to: 3, type: 'commit' });
    cluster.drop();
    cluster.recover(3, '1.1');
    cluster.deliver({ type: 'prepare', to: 1 });
    cluster.deliverAll();
    expect(cluster.decision('1.1')).toBe('no-op');
    // R5.8: L proposes it again, behind b.
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === 'b,a'));
  });

  test('L not in Q: what F has decides, for F alone decides the fast path', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(2, put('rival', 'x'));
    cluster.drop();
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    cluster.deliver({ type: 'preAcceptReply', from: 2 }); // 1 commits what 2 says, and is gone
    expect(cluster.decision('1.1')).toBe('a');
    cluster.crash(1);
    cluster.drop();
    cluster.recover(3, '1.1');
    cluster.deliverAll();
    expect(cluster.look(3, '1.1')).toMatchObject({ value: 'a', deps: [0, 1, 0], seq: 2 });
  });

  test('L not in Q, F has nothing: what the other has', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', to: 3 });
    cluster.crash(1);
    cluster.drop();
    cluster.recover(2, '1.1');
    cluster.deliverAll();
    expect(cluster.decision('1.1')).toBe('a');
  });

  test('L not in Q, nobody has it: a no-op', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.crash(1);
    cluster.drop();
    cluster.recover(2, '1.1');
    cluster.deliverAll();
    expect(cluster.decision('1.1')).toBe('no-op');
  });
});

describe('R5.8: a no-op in the place of a command that a client waits for', () => {
  test('the coordinator proposes it again in a new slot, and it takes effect once', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.drop();
    cluster.recover(2, '1.1');
    cluster.deliver({ type: 'prepare', to: 3 });
    cluster.drop({ type: 'prepare' });
    cluster.deliverAll();
    expect(cluster.decision('1.1')).toBe('no-op');
    expect(cluster.decision('1.2')).toBe('a');
    expect(cluster.events(1)).toContainEqual({ type: 'reproposed', id: instance('1.1') });
    expect(cluster.ids.map((id) => cluster.log(id))).toEqual([['a'], ['a'], ['a']]);
  });

  test('not if the client gave up', () => {
    const cluster = new CoreCluster(3);
    const [proposal] = cluster.submit(1, put('a', 'x'));
    cluster.turn(1);
    cluster.drop();
    expect(proposal && cluster.replica(1).withdraw(proposal)).toBe(false);
    cluster.recover(2, '1.1');
    cluster.deliver({ type: 'prepare', to: 3 });
    cluster.drop({ type: 'prepare' });
    cluster.deliverAll();
    cluster.tick(50);
    expect(cluster.decision('1.1')).toBe('no-op');
    expect(cluster.decision('1.2')).toBeNull();
  });
});

test('a recovery of what is committed here does nothing', () => {
  const cluster = new CoreCluster(3);
  cluster.propose(1, put('a', 'x'));
  cluster.deliverAll();
  cluster.recover(2, '1.1');
  expect(cluster.inFlight()).toBe(0);
});

test('a reply about an instance that is recovered no longer changes nothing', () => {
  const replica = new Replica({ id: 2, replicas: 3, seed: 1 });
  const id = instance('1.1');
  recover(replica, id);
  replica.takeReady();
  const attributes = { seq: 1, deps: [0, 0, 0] };
  replica.step(3, { type: 'commit', id, command: commandOf(put('a', 'x')), attributes });
  replica.takeReady();
  replica.step(3, { type: 'prepareReply', ballot: 5, record: { ...replica.state.space.get(id), ballot: 5 } });
  replica.step(3, { type: 'acceptReply', id, ballot: 5, promised: 5 });
  expect(replica.takeReady()).toMatchObject({ records: [], messages: [], executions: [] });
});
