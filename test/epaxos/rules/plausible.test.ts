/** R3.13: what one peer says that cannot be, or is far beyond all that is known here, sets nothing off. */
import { afterEach, describe, expect, test } from 'vitest';
import {
  type Deps,
  emptyRecord,
  type Message,
  Proposal,
  Replica,
  type ReplicaId,
} from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { commandOf, get, instance, put, putAll } from '../../support/core-operations.ts';
import { countLookups } from '../../support/count-lookups.ts';

/** How far beyond what is committed of a row anything is believed, with limits as they are by default. */
const WINDOW = 65_536;
const FAR = 2 ** 50 - 1;
const MAX_NUMBER = 2 ** 52;

const command = commandOf(put('a', 'x'));

const lookups = countLookups();
afterEach(lookups.stop);

function replicaOf(replicas: number, limits = {}): Replica {
  const replica = new Replica({ id: 1, replicas, seed: 1, limits });
  for (let peer = 2; peer <= replicas; peer += 1) replica.setReachable(peer, true);
  return replica;
}

function commit(name: string, deps: Deps, seq = 1): Message {
  return { type: 'commit', id: instance(name), command, attributes: { seq, deps } };
}

/** Whether a replica that has got nothing else believes a message. */
function isBelieved(replica: Replica, from: ReplicaId, message: Message): boolean {
  replica.step(from, message);
  return !replica.takeReady().events.some(({ type }) => type === 'disbelieved');
}

/** What a peer says of itself when it has all of a row committed up to a slot. */
function committedUpTo(row: ReplicaId, slot: number): Message {
  const vector = [0, 0, 0].with(row - 1, slot);
  return { type: 'watermarks', committed: vector, executed: [0, 0, 0], highest: vector, pruned: [0, 0, 0] };
}

describe('slots', () => {
  const record = { ...emptyRecord(instance('2.1')), ballot: 5 };
  const id = (slot: number) => ({ replica: 2, slot });
  const value = (slot: number) => ({ command, attributes: { seq: 1, deps: [0, 0, slot] } });
  const kinds: [string, (slot: number) => Message][] = [
    ['Commit', (slot) => commit(`2.${slot}`, [0, 0, 0])],
    ['Commit: deps', (slot) => commit('2.1', [0, 0, slot])],
    ['PreAccept', (slot) => ({ type: 'preAccept', id: id(slot), ...value(0), follower: 1, prompt: false })],
    [
      'PreAccept: deps',
      (slot) => ({ type: 'preAccept', id: id(1), ...value(slot), follower: 1, prompt: false }),
    ],
    ['PreAcceptReply: deps', (slot) => ({ type: 'preAcceptReply', id: instance('1.1'), ...value(slot) })],
    ['Accept', (slot) => ({ type: 'accept', ballot: 0, id: id(slot), ...value(0) })],
    ['Accept: deps', (slot) => ({ type: 'accept', ballot: 0, id: id(1), ...value(slot) })],
    ['AcceptReply', (slot) => ({ type: 'acceptReply', ballot: 0, promised: 0, id: id(slot) })],
    ['Prepare', (slot) => ({ type: 'prepare', ballot: 5, id: id(slot) })],
    ['PrepareReply', (slot) => ({ type: 'prepareReply', ballot: 5, record: { ...record, id: id(slot) } })],
    [
      'PrepareReply: initial deps',
      (slot) => ({ type: 'prepareReply', ballot: 5, record: { ...record, initial: value(slot).attributes } }),
    ],
    ['Validate', (slot) => ({ type: 'validate', ballot: 5, id: id(slot), ...value(0) })],
    ['Validate: deps', (slot) => ({ type: 'validate', ballot: 5, id: id(1), ...value(slot) })],
    [
      'ValidateReply: contradictions',
      (slot) => ({
        type: 'validateReply',
        ballot: 5,
        promised: 0,
        id: id(1),
        contradictions: [{ id: id(slot), committed: false }],
        more: false,
      }),
    ],
    ['Waiting', (slot) => ({ type: 'waiting', id: id(slot), matching: 1 })],
    [
      'ReadReply',
      (slot) => ({
        type: 'readReply',
        sequence: 1,
        deps: [
          [0, 0, 0],
          [0, slot, 0],
        ],
      }),
    ],
  ];

  test.each(kinds)('%s: believed up to a window beyond what is committed, and no farther', (_, message) => {
    expect(isBelieved(replicaOf(3), 2, message(WINDOW))).toBe(true);
    const replica = replicaOf(3);
    expect(isBelieved(replica, 2, message(WINDOW + 1))).toBe(false);
    expect(replica.status().rows.every(({ highest }) => highest === 0)).toBe(true);
  });

  test('the window moves with what is committed, and is wider where more may be open', () => {
    const replica = replicaOf(3);
    replica.step(2, commit('2.1', [0, 0, 0]));
    expect(isBelieved(replica, 2, commit(`2.${WINDOW + 1}`, [0, 0, 0]))).toBe(true);
    expect(isBelieved(replica, 2, commit(`2.${WINDOW + 2}`, [0, 0, 0]))).toBe(false);
    const wide = () => replicaOf(3, { openInstances: 10_000 });
    expect(isBelieved(wide(), 2, commit('2.160000', [0, 0, 0]))).toBe(true);
    expect(isBelieved(wide(), 2, commit('2.160001', [0, 0, 0]))).toBe(false);
  });

  test('what two peers tell is believed, also by who is far behind; one alone is not', () => {
    const far = commit(`2.${1_000_000 + WINDOW}`, [0, 0, 0]);
    const farther = commit(`2.${1_000_001 + WINDOW}`, [0, 0, 0]);
    const replica = replicaOf(3);
    replica.step(2, committedUpTo(2, FAR));
    expect(isBelieved(replica, 2, far)).toBe(false);
    replica.step(3, committedUpTo(2, 1_000_000));
    expect(isBelieved(replica, 2, farther)).toBe(false);
    expect(isBelieved(replica, 2, far)).toBe(true);
  });

  test('the only peer that is heard is believed: the two may have to be the majority', () => {
    const far = commit(`2.${1_000_000 + WINDOW}`, [0, 0, 0]);
    const replica = replicaOf(3);
    replica.step(3, committedUpTo(2, 0));
    const { silentTicks } = replica.state.timing;
    for (let tick = 1; tick < silentTicks; tick += 1) replica.tick();
    replica.step(2, committedUpTo(2, 1_000_000));
    expect(isBelieved(replica, 2, far)).toBe(false);
    replica.tick();
    expect(isBelieved(replica, 2, far)).toBe(true);
  });

  test('a read goes on with the next answer when one is not believed', () => {
    const replica = replicaOf(3);
    const operation = get('r', 'x');
    replica.read(operation);
    const request = replica.takeReady().messages[0]?.message;
    if (request?.type !== 'readRequest') throw new Error('no ReadRequest');
    const { sequence } = request;
    replica.step(2, { type: 'readReply', sequence, deps: [[0, FAR, 0]] });
    expect(replica.takeReady().reads).toEqual([]);
    replica.step(3, { type: 'readReply', sequence, deps: [[0, 0, 0]] });
    expect(replica.takeReady().reads).toEqual([operation]);
    expect(replica.state.space.row(2).awaited).toBe(0);
  });
});

describe('no work follows', () => {
  test('a Commit at the end of the own row, and a restart', () => {
    const replica = replicaOf(3);
    replica.step(2, commit(`1.${FAR}`, [0, 0, 0]));
    replica.takeReady();
    // As it may lie on the disk of a version that believed it.
    const lies = { ...emptyRecord(instance(`1.${FAR}`)), ballot: 5 };
    const again = replicaOf(3);
    lookups.start(1_000_000);
    again.restore({ records: [lies], pruned: null, reserved: 64 });
    again.tick();
    again.takeReady();
    expect(again.state.progress.unsettled.size).toBeLessThanOrEqual(WINDOW);
  });

  test('a Validate of what touches everything, where only a far slot is known of a row', () => {
    const replica = replicaOf(5);
    const none = [0, 0, 0, 0, 0];
    // Believed, as two tell it; nothing of the row is here.
    for (const from of [3, 4]) {
      const vector = none.with(1, FAR);
      replica.step(from, {
        type: 'watermarks',
        committed: vector,
        executed: none,
        highest: vector,
        pruned: none,
      });
    }
    const all = commandOf(putAll('w'));
    replica.step(2, {
      type: 'commit',
      id: instance(`2.${FAR}`),
      command: all,
      attributes: { seq: 1, deps: none },
    });
    const id = instance('3.1');
    replica.step(4, { type: 'prepare', id, ballot: 9 });
    lookups.start(100_000);
    replica.step(4, { type: 'validate', id, ballot: 9, command: all, attributes: { seq: 1, deps: none } });
    const answer = replica.takeReady().messages.find(({ message }) => message.type === 'validateReply');
    expect(answer?.message).toMatchObject({ contradictions: [{ id: instance(`2.${FAR}`) }] });
  });

  test('Watermarks as far as numbers go: no slot is known, and what is asked for is bounded', () => {
    const replica = replicaOf(3);
    const vector = [FAR, FAR, FAR];
    lookups.start(2_000_000);
    replica.step(2, {
      type: 'watermarks',
      committed: vector,
      executed: vector,
      highest: vector,
      pruned: vector,
    });
    let slots = 0;
    for (let tick = 0; tick < 200; tick += 1) {
      replica.tick();
      for (const { message } of replica.takeReady().messages) {
        if (message.type !== 'fetch') continue;
        for (const { from, to } of message.ranges) {
          expect(to).toBeLessThanOrEqual(4 * 1_024);
          slots += to - from + 1;
        }
      }
    }
    expect(slots).toBeLessThanOrEqual(3 * 1_024 * 10);
    expect(replica.status().rows.every(({ highest }) => highest === 0)).toBe(true);
  });

  test('who has heard of what cannot be is left out of the plan to forget, and the others prune', () => {
    const limits = { retainedInstances: 10 };
    const replica = new Replica({ id: 1, replicas: 3, seed: 1, limits, timing: { flushTicks: 1 } });
    for (let slot = 1; slot <= 100; slot += 1) replica.step(2, commit(`1.${slot}`, [slot - 1, 0, 0], slot));
    const told = (executed: number, highest: number): Message => {
      const vector = (slot: number) => [slot, 0, 0];
      return {
        type: 'watermarks',
        committed: vector(executed),
        executed: vector(executed),
        highest: vector(highest),
        pruned: [0, 0, 0],
      };
    };
    for (let tick = 0; tick < 20; tick += 1) {
      replica.step(2, told(100, 100));
      replica.step(3, told(0, FAR));
      replica.tick();
      replica.takeReady();
    }
    expect(replica.status().rows[0]?.pruned).toBe(100);
  });
});

describe('seqs and ballots', () => {
  const STEP = 2 ** 40;
  const ballot = (above: number) => above - (above % 3) + 2 + 3; // of replica 2

  test('a seq far above all that is known is not believed, and what is proposed after it stays exact', () => {
    const replica = replicaOf(3);
    expect(isBelieved(replica, 2, commit('2.1', [0, 0, 0], STEP))).toBe(true);
    expect(isBelieved(replica, 2, commit('2.2', [0, 1, 0], 2 * STEP + 1))).toBe(false);
    expect(isBelieved(replica, 2, commit('2.2', [0, 1, 0], 2 * STEP))).toBe(true);
    replica.propose(new Proposal(put('b', 'x')));
    const [record] = replica.takeReady().records;
    expect(record?.attributes?.seq).toBe(2 * STEP + 1);
  });

  test('what a peer has raised again and again ends at 2^52', () => {
    const replica = replicaOf(3);
    for (let slot = 1; slot <= 4_200; slot += 1) {
      replica.step(2, commit(`2.${slot}`, [0, slot - 1, 0], Math.min(slot * STEP, Number.MAX_SAFE_INTEGER)));
    }
    replica.takeReady();
    replica.propose(new Proposal(put('b', 'x')));
    replica.propose(new Proposal(putAll('w')));
    const seqs = replica.takeReady().records.map(({ attributes }) => attributes?.seq);
    expect(seqs).toEqual([MAX_NUMBER, MAX_NUMBER]);
  });

  test('a seq that two peers tell is believed: the others have come so far', () => {
    const replica = replicaOf(3);
    expect(isBelieved(replica, 2, commit('2.1', [0, 0, 0], 3 * STEP))).toBe(false);
    expect(isBelieved(replica, 2, commit('2.1', [0, 0, 0], 3 * STEP))).toBe(false);
    expect(isBelieved(replica, 3, commit('2.1', [0, 0, 0], 3 * STEP))).toBe(true);
    expect(isBelieved(replica, 3, commit('2.2', [0, 1, 0], Number.MAX_SAFE_INTEGER))).toBe(false);
  });

  test('a ballot far above what the instance has promised is not believed; the next recovery has a usual one', () => {
    const replica = replicaOf(3);
    const id = instance('2.1');
    expect(isBelieved(replica, 2, { type: 'prepare', id, ballot: ballot(STEP) })).toBe(false);
    expect(isBelieved(replica, 2, { type: 'prepare', id, ballot: ballot(2 ** 53 - 100) })).toBe(false);
    expect(isBelieved(replica, 2, { type: 'acceptReply', id, ballot: 0, promised: ballot(STEP) })).toBe(
      false,
    );
    expect(replica.state.space.get(id).ballot).toBe(0);
    expect(isBelieved(replica, 2, { type: 'prepare', id, ballot: ballot(STEP - 10) })).toBe(true);
    expect(isBelieved(replica, 2, { type: 'prepare', id, ballot: ballot(2 * STEP - 20) })).toBe(true);
  });
});

test('who is far ahead of what is committed of its own row proposes no more until that has got on', () => {
  const replica = replicaOf(3);
  const own = WINDOW - 2_048;
  for (let slot = 2; slot <= own; slot += 1) replica.step(2, commit(`1.${slot}`, [slot - 1, 0, 0]));
  while (replica.hasReady()) replica.takeReady();
  replica.state.nextSlot = own + 1;
  replica.propose(new Proposal(put('b', 'y')));
  expect(replica.hasReady()).toBe(false);
  expect(replica.takeReady().records).toEqual([]);
  replica.step(2, commit('1.1', [0, 0, 0]));
  expect(replica.hasReady()).toBe(true);
  expect(replica.takeReady().events).toContainEqual({
    type: 'proposed',
    id: instance(`1.${own + 1}`),
    operations: 1,
  });
});

test('who was away for more than a window catches up: it fetches what it did not believe', () => {
  const cluster = new CoreCluster(3);
  const [one, , three] = [cluster.replica(1), cluster.replica(2), cluster.replica(3)];
  for (let slot = 1; slot <= WINDOW + 200; slot += 1)
    one.step(2, commit(`2.${slot}`, [0, slot - 1, 0], slot));
  const messages: [ReplicaId, Message][] = [];
  const pump = () => {
    for (const [from, replica] of [
      [1, one],
      [3, three],
    ] as const) {
      while (replica.hasReady())
        for (const { to, message } of replica.takeReady().messages)
          if (to === 4 - from) messages.push([from, message]);
    }
    for (const [from, message] of messages.splice(0)) (from === 1 ? three : one).step(from, message);
  };
  three.step(2, commit(`2.${WINDOW + 150}`, [0, WINDOW + 149, 0], 1));
  expect(three.status().rows[1]?.highest).toBe(0);
  for (let tick = 0; tick < 3_000 && three.status().rows[1]?.executed !== WINDOW + 200; tick += 1) {
    one.tick();
    three.tick();
    pump();
  }
  expect(three.status().rows[1]?.executed).toBe(WINDOW + 200);
});
