/** What the state of a replica asserts: every illegal change of a record stops the process (section 1). */
import { describe, expect, test } from 'vitest';
import { ReplicaState } from '../../../src/epaxos/agreement/state.ts';
import { emptyRecord, type InstanceRecord, Status } from '../../../src/epaxos/index.ts';
import { AssertionError } from '../../../src/util/assert.ts';
import { commandOf, instance, put } from '../../support/core-operations.ts';

const id = instance('2.3');
const command = commandOf(put('a', 'x'));
const attributes = { seq: 2, deps: [0, 2, 0] };
const other = { seq: 3, deps: [1, 2, 0] };

const preAccepted: InstanceRecord = {
  ...emptyRecord(id),
  status: Status.preAccepted,
  command,
  attributes,
  initial: attributes,
};
const promised: InstanceRecord = { ...preAccepted, ballot: 5 };
const accepted: InstanceRecord = { ...preAccepted, status: Status.accepted, ballot: 5, acceptedBallot: 5 };
const committed: InstanceRecord = { ...accepted, status: Status.committed };

function update(from: InstanceRecord, to: InstanceRecord): ReplicaState {
  const state = new ReplicaState({ id: 1, replicas: 3, seed: 1 });
  state.restore(from);
  state.update(to, { sync: true });
  return state;
}

describe('legal transitions', () => {
  const table: [what: string, from: InstanceRecord, to: InstanceRecord][] = [
    ['none → preAccepted', emptyRecord(id), preAccepted],
    ['none → promised', emptyRecord(id), { ...emptyRecord(id), ballot: 4 }],
    ['none → accepted', emptyRecord(id), accepted],
    ['none → committed', emptyRecord(id), committed],
    ['preAccepted → promised', preAccepted, promised],
    ['promised → accepted', promised, accepted],
    [
      'promised → accepted as a no-op',
      promised,
      { ...accepted, noOp: true, attributes: { seq: 0, deps: [0, 0, 0] } },
    ],
    [
      'accepted → accepted at a higher ballot',
      accepted,
      { ...accepted, ballot: 8, acceptedBallot: 8, attributes: other },
    ],
    ['accepted → committed', accepted, committed],
    ['promised → committed, below the promise', { ...promised, ballot: 9 }, { ...committed, ballot: 9 }],
  ];
  test.each(table)('%s', (_, from, to) => {
    const state = update(from, to);
    expect(state.space.get(id)).toEqual(to);
    const ready = state.outbox.seal();
    expect(ready.records).toEqual([to]);
    expect(ready.sync).toBe(true);
  });
});

describe('illegal transitions', () => {
  const table: [why: string, from: InstanceRecord, to: InstanceRecord][] = [
    ['a promise is never taken back', promised, { ...promised, ballot: 4 }],
    ['the accepted ballot never sinks', accepted, { ...accepted, acceptedBallot: 0 }],
    ['what is accepted is promised', promised, { ...accepted, ballot: 5, acceptedBallot: 8 }],
    ['a known command is never forgotten', preAccepted, { ...accepted, command: null, noOp: true }],
    ['a commit is final', committed, { ...committed, ballot: 8, acceptedBallot: 8 }],
    ['a commit is final', { ...committed, status: Status.executed }, committed],
    ['a status never goes back', accepted, { ...accepted, status: Status.preAccepted }],
    ['one value a ballot', accepted, { ...accepted, attributes: other }],
    ['one value a ballot', accepted, { ...accepted, noOp: true }],
    ['in its own row', emptyRecord(id), { ...preAccepted, attributes: { seq: 1, deps: [0, 3, 0] } }],
  ];
  test.each(table)('%s', (why, from, to) => {
    expect(() => update(from, to)).toThrow(AssertionError);
    expect(() => update(from, to)).toThrow(why);
  });
});

test('a replica that cannot be is refused', () => {
  expect(() => new ReplicaState({ id: 4, replicas: 3, seed: 1 })).toThrow('replica id 4 is not in 1 to 3');
  expect(() => new ReplicaState({ id: 0, replicas: 3, seed: 1 })).toThrow(AssertionError);
  expect(() => new ReplicaState({ id: 1, replicas: 4, seed: 1 })).toThrow('a cluster has 3, 5 or 7 replicas');
});

test('a batch holds at most one record an instance: the newest', () => {
  const state = update(emptyRecord(id), preAccepted);
  state.update(promised, { sync: false });
  const { records, sync } = state.takeOutbox();
  expect(records).toEqual([promised]);
  expect(sync).toBe(true);
  expect(state.takeOutbox()).toMatchObject({ records: [], sync: false });
});
