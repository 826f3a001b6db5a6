/**
 * The rules of section 6, as far as the output batch shows them. Beside these, every test that runs a
 * CoreCluster holds every message against the disk at the moment at which it leaves (core-durability.ts).
 */
import { describe, expect, test } from 'vitest';
import {
  emptyRecord,
  type InstanceRecord,
  type Message,
  Proposal,
  type Ready,
  Replica,
  Status,
} from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { requireDurable } from '../../support/core-durability.ts';
import { commandOf, instance, put } from '../../support/core-operations.ts';
import { CoreStore } from '../../support/core-store.ts';
import { recover } from '../../support/recover.ts';

const id = instance('1.1');
const command = commandOf(put('a', 'x'));
const attributes = { seq: 1, deps: [0, 0, 0, 0, 0] };

/** What replica 3 of five does on a message, having got `before` already. */
function batchOn(message: Message, ...before: Message[]): Ready {
  const replica = new Replica({ id: 3, replicas: 5, seed: 1 });
  for (const each of before) replica.step(4, each);
  replica.takeReady();
  replica.step(message.type === 'preAccept' ? 1 : 4, message);
  return replica.takeReady();
}

describe('R6.1: a message leaves in the batch that syncs what it speaks of, or later', () => {
  const prepare: Message = { type: 'prepare', id, ballot: 9 };
  const preAccept: Message = { type: 'preAccept', id, command, attributes, follower: null, prompt: false };
  const validate: Message = { type: 'validate', id, ballot: 9, command, attributes };
  const accept: Message = { type: 'accept', id, ballot: 9, command, attributes };
  const table: [string, Message, Message[], Message['type'], object][] = [
    ['a pre-accept', preAccept, [], 'preAcceptReply', { status: Status.preAccepted, initial: attributes }],
    ['an accept', accept, [], 'acceptReply', { status: Status.accepted, acceptedBallot: 9 }],
    ['a promise', prepare, [], 'prepareReply', { status: Status.none, ballot: 9 }],
    ['a validation', validate, [prepare], 'validateReply', { initial: attributes, command }],
  ];
  test.each(table)('%s', (_, message, before, reply, record) => {
    const ready = batchOn(message, ...before);
    expect(ready.records).toMatchObject([{ id, ...record }]);
    expect(ready.sync).toBe(true);
    expect(ready.messages.map((each) => each.message.type)).toEqual([reply]);
  });

  test('a recovering replica’s own promise goes with its Prepare, its own vote with its Accept', () => {
    const replica = new Replica({ id: 2, replicas: 3, seed: 1 });
    recover(replica, id);
    const prepared = replica.takeReady();
    expect(prepared).toMatchObject({ sync: true, records: [{ ballot: 5 }] });
    expect(prepared.messages).toHaveLength(2);
    const record = { ...replica.state.space.get(id), ballot: 5 };
    replica.step(3, { type: 'prepareReply', ballot: 5, record });
    const voted = replica.takeReady();
    expect(voted).toMatchObject({ sync: true, records: [{ status: Status.accepted, acceptedBallot: 5 }] });
    expect(voted.messages.map(({ message }) => message.type)).toEqual(['accept', 'accept']);
  });

  test('the slow path’s own vote goes with its Accept', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: 3 });
    cluster.tick(1, [3]);
    cluster.replica(1).setReachable(2, false);
    const [reply] = cluster.contents({ type: 'preAcceptReply' });
    if (reply === undefined) throw new Error('no reply');
    cluster.replica(1).step(3, reply);
    expect(cluster.replica(1).takeReady()).toMatchObject({
      sync: true,
      records: [{ status: Status.accepted, acceptedBallot: 0 }],
      messages: [{ message: { type: 'accept' } }, { message: { type: 'accept' } }],
    });
  });

  test('a follower that crashes and restarts repeats what it said, word for word', () => {
    const cluster = new CoreCluster(5);
    cluster.propose(2, put('rival', 'x'));
    cluster.deliver({ to: 3 });
    cluster.propose(1, put('a', 'x'));
    cluster.duplicate({ from: 1, to: 3 });
    cluster.deliver({ from: 1, to: 3 });
    const [answer] = cluster.messages({ type: 'preAcceptReply', to: 1 });
    cluster.crash(3, { losing: 'unsynced' });
    cluster.drop({ type: 'preAcceptReply' });
    cluster.restart(3);
    cluster.tick(20, [1]);
    cluster.deliver({ from: 1, to: 3 });
    expect(cluster.messages({ type: 'preAcceptReply', from: 3, to: 1 })).toEqual([answer]);
    expect(answer).toBe('3→1 preAcceptReply 1.1 seq 2 deps 0,1,0,0,0');
  });
});

describe('R6.2: a fast commit is synced before anybody can see it', () => {
  function aboutToCommit(): CoreCluster {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: 2 });
    const [reply] = cluster.contents({ type: 'preAcceptReply' });
    if (reply === undefined) throw new Error('no reply');
    cluster.drop();
    cluster.replica(1).step(2, reply);
    return cluster;
  }

  test('the record is in the synced batch that carries the Commits and the execution', () => {
    expect(aboutToCommit().turn(1)).toMatchObject({
      sync: true,
      records: [{ id, status: Status.committed }],
      messages: [{ message: { type: 'commit' } }, { message: { type: 'commit' } }],
      executions: [{ id }],
    });
  });

  test('crashed before the write: nobody has seen it, and recovery is free', () => {
    const cluster = aboutToCommit();
    cluster.crashDuring(1, 'before the write');
    expect([cluster.inFlight(), cluster.log(1)]).toEqual([0, []]);
    cluster.restart(1);
    expect(cluster.look(1, '1.1').status).toBe('preAccepted');
  });

  test('crashed after the write: it is committed for ever, also with all that was not synced lost', () => {
    const cluster = aboutToCommit();
    cluster.crashDuring(1, 'after the write');
    cluster.crash(1, { losing: 'unsynced' });
    cluster.recover(3, '1.1');
    cluster.deliverAll();
    expect(cluster.log(3)).toEqual(['a']);
    cluster.restart(1);
    expect(cluster.look(1, '1.1').status).toBe('committed');
    cluster.settle();
    expect(cluster.log(1)).toEqual(['a']);
  });

  test('but one of which both others hold the very same pre-accept (R4.5): losing it, recovery finds the same', () => {
    const cluster = new CoreCluster(3, { limits: { promptInstances: 1 } });
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    const [reply] = cluster.contents({ type: 'preAcceptReply' });
    if (reply === undefined) throw new Error('no reply');
    cluster.drop();
    for (const from of [2, 3]) cluster.replica(1).step(from, reply);
    const ready = cluster.crashDuring(1, 'after execution');
    expect(ready).toMatchObject({
      sync: false,
      records: [{ id, status: Status.committed }],
      messages: [{ message: { type: 'commit' } }, { message: { type: 'commit' } }],
      executions: [{ id }],
    });
    cluster.drop();
    cluster.crash(1, { losing: 'unsynced' });
    cluster.restart(1);
    expect(cluster.look(1, '1.1').status).toBe('preAccepted');
    cluster.recover(3, '1.1');
    cluster.deliverAll();
    expect(cluster.ids.map((each) => cluster.log(each))).toEqual([['a'], ['a'], ['a']]);
  });

  test('a commit after a majority’s accepts needs no sync: losing it, recovery finds the same', () => {
    const cluster = new CoreCluster(5);
    cluster.isolate(5);
    cluster.propose(3, put('rival', 'x'));
    cluster.deliver({ to: [2] });
    cluster.drop();
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept', to: [2, 4] });
    cluster.drop({ type: 'preAccept' });
    cluster.deliver({ type: 'preAcceptReply' });
    cluster.tick(2, [1]);
    cluster.deliver({ type: 'accept', to: [2, 4] });
    const replies = cluster.contents({ type: 'acceptReply' });
    cluster.drop();
    for (const [index, reply] of replies.entries()) cluster.replica(1).step([2, 4][index] ?? 0, reply);
    expect(cluster.turn(1)).toMatchObject({ sync: false, records: [{ status: Status.committed }] });
    expect(cluster.decision('1.1')).toBe('a');
    cluster.drop();
    cluster.crash(1, { losing: 'unsynced' });
    cluster.restart(1);
    expect(cluster.look(1, '1.1').status).toBe('accepted');
    cluster.recover(4, '1.1');
    cluster.deliverAll();
    expect(cluster.look(4, '1.1')).toMatchObject({ value: 'a', deps: [0, 0, 1, 0, 0] });
  });
});

describe('the check of every fast commit in these tests', () => {
  const three = { seq: 1, deps: [0, 0, 0] };
  const preAccepted: InstanceRecord = {
    ...emptyRecord(id),
    status: Status.preAccepted,
    command,
    attributes: three,
    initial: three,
  };
  const commit = { ...preAccepted, status: Status.committed };

  /** Whether replica 1 may show a commit that it has not synced, where the disks hold these records. */
  function passes(held: readonly InstanceRecord[], unsynced?: number): boolean {
    const stores = held.map((record, index) => {
      const store = new CoreStore();
      store.write({ records: [record], reserved: null, sync: index + 1 !== unsynced });
      return store;
    });
    const replica = new Replica({ id: 1, replicas: 3, seed: 1 });
    const events = [{ type: 'committed', id, path: 'fast' } as const];
    const ready: Ready = { ...replica.takeReady(), records: [commit], events };
    stores[0]?.write({ ...ready, sync: false });
    try {
      requireDurable(ready, 1, stores);
      return true;
    } catch {
      return false;
    }
  }

  test('lets one pass that is on disk, or that both others hold as it is, and no other', () => {
    expect(passes([commit, preAccepted])).toBe(true);
    expect(passes([preAccepted, preAccepted, preAccepted])).toBe(true);
    expect(passes([preAccepted, { ...preAccepted, ballot: 4 }, commit])).toBe(true);
    expect(passes([emptyRecord(id), preAccepted, preAccepted])).toBe(true);
    expect(passes([preAccepted, preAccepted, preAccepted], 1)).toBe(true);
    for (const at of [2, 3]) expect(passes([preAccepted, preAccepted, preAccepted], at)).toBe(false);
    for (const other of [
      emptyRecord(id),
      { ...preAccepted, attributes: { seq: 2, deps: [0, 0, 0] } },
      { ...preAccepted, attributes: { seq: 1, deps: [0, 1, 0] } },
      { ...preAccepted, status: Status.accepted, ballot: 4, acceptedBallot: 4, noOp: true },
    ]) {
      for (const at of other.status === Status.none ? [1, 2] : [0, 1, 2]) {
        expect(passes([preAccepted, preAccepted, preAccepted].with(at, other))).toBe(false);
      }
    }
    expect(passes(new Array<InstanceRecord>(5).fill(preAccepted))).toBe(false);
  });
});

describe('R6.3: the coordinator’s own pre-accept', () => {
  test('is synced in the batch that carries its PreAccepts', () => {
    const replica = new Replica({ id: 1, replicas: 5, seed: 1 });
    replica.propose(new Proposal(put('a', 'x')));
    const { records, sync, messages } = replica.takeReady();
    expect(sync).toBe(true);
    expect(records).toMatchObject([{ id, status: Status.preAccepted }]);
    expect(messages).toHaveLength(4);
  });

  test('so a slot is never used twice, whatever a crash takes away', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: 3 });
    cluster.crash(1, { losing: 'unsynced' });
    cluster.restart(1);
    expect(cluster.propose(1, put('b', 'x'))).toBe('1.2');
    expect(cluster.look(1, '1.2').deps).toEqual([1, 0, 0]);
  });

  test('and crashed before the write, nobody has heard of it, and the slot is free', () => {
    const cluster = new CoreCluster(3);
    cluster.submit(1, put('a', 'x'));
    cluster.crashDuring(1, 'before the write');
    cluster.restart(1);
    expect(cluster.propose(1, put('b', 'x'))).toBe('1.1');
    cluster.deliverAll();
    expect(cluster.ids.map((each) => cluster.log(each))).toEqual([['b'], ['b'], ['b']]);
  });
});
