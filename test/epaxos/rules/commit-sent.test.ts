/** R3.6, R3.7: an Accept or a Commit whose command was sent before, with the PreAccept. */

import { describe, expect, test } from 'vitest';
import { Command, emptyRecord, type InstanceRecord, Replica, Status } from '../../../src/epaxos/index.ts';
import { put } from '../../support/core-operations.ts';

const id = { replica: 2, slot: 1 };
const command = new Command([put('a', 'key')]);
const attributes = { seq: 1, deps: [0, 0, 0] };
const commit = { type: 'commit', id, command: 'sent', attributes } as const;

function replicaWith(...records: InstanceRecord[]) {
  const replica = new Replica({ id: 1, replicas: 3, seed: 1 });
  replica.restore({ records, pruned: null, reserved: 0 });
  return replica;
}

test('who has the command commits it', () => {
  const preAccepted = { ...emptyRecord(id), status: Status.preAccepted, command, attributes, follower: 1 };
  const replica = replicaWith(preAccepted);
  replica.step(2, commit);
  const { records, executions } = replica.takeReady();
  expect(records).toMatchObject([{ id, status: Status.committed, command, noOp: false, attributes }]);
  expect(executions).toMatchObject([{ id, command }]);
});

test.each([
  ['nothing is known of the instance', emptyRecord(id)],
  ['only a promise was made', { ...emptyRecord(id), ballot: 4 }],
])('who has not, as %s, asks the sender for all of it, and takes that', (_, record) => {
  const replica = replicaWith(record);
  replica.step(2, commit);
  expect(replica.takeReady()).toMatchObject({
    records: [],
    executions: [],
    messages: [{ to: 2, message: { type: 'fetch', ranges: [{ replica: 2, from: 1, to: 1 }] } }],
  });
  replica.step(2, { ...commit, command });
  expect(replica.takeReady().executions).toMatchObject([{ id, command }]);
});

test('who has committed it already changes nothing, and says nothing', () => {
  const committed = { ...emptyRecord(id), status: Status.committed, command, attributes };
  const replica = replicaWith(committed);
  replica.takeReady();
  replica.step(2, commit);
  expect(replica.takeReady()).toMatchObject({ records: [], messages: [] });
});

test('a different value for the same instance is a bug', () => {
  const committed = { ...emptyRecord(id), status: Status.committed, command, attributes };
  const replica = replicaWith(committed);
  expect(() => replica.step(2, { ...commit, attributes: { seq: 2, deps: [0, 0, 0] } })).toThrow('2.1');
});

describe('an Accept with the command of the PreAccept', () => {
  const accept = { type: 'accept', id, ballot: 0, command: 'sent', attributes } as const;

  test('is taken by who has the command', () => {
    const replica = replicaWith({
      ...emptyRecord(id),
      status: Status.preAccepted,
      command,
      attributes,
      follower: 1,
    });
    replica.step(2, accept);
    expect(replica.takeReady()).toMatchObject({
      records: [{ id, status: Status.accepted, command, noOp: false }],
      messages: [{ to: 2, message: { type: 'acceptReply', ballot: 0, promised: 0 } }],
    });
  });

  test('changes nothing where the command is not known, and is not answered', () => {
    const replica = replicaWith();
    replica.step(2, accept);
    expect(replica.takeReady()).toMatchObject({ records: [], messages: [] });
  });

  test('is refused like any other where more was promised', () => {
    const replica = replicaWith({ ...emptyRecord(id), ballot: 4 });
    replica.step(2, accept);
    expect(replica.takeReady().messages).toMatchObject([
      { to: 2, message: { type: 'acceptReply', promised: 4 } },
    ]);
  });
});
