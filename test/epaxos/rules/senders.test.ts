/** R3.11: a ballot is used by its owner alone. What anybody else sends at it is as if it had never come. */
import { describe, expect, test } from 'vitest';
import { mayComeFrom } from '../../../src/epaxos/agreement/senders.ts';
import {
  CLUSTER_SIZES,
  type Message,
  Replica,
  type ReplicaId,
  replicaIds,
} from '../../../src/epaxos/index.ts';
import { commandOf, instance, put } from '../../support/core-operations.ts';
import { recover } from '../../support/recover.ts';

const id = instance('2.1');
const command = commandOf(put('a', 'x'));
const attributes = { seq: 1, deps: [0, 0, 0, 0, 0] };

type AtBallot = Extract<Message, { type: 'accept' | 'prepare' | 'validate' }>['type'];

function at(type: AtBallot, ballot: number): Message {
  return type === 'prepare' ? { type, id, ballot } : { type, id, ballot, command, attributes };
}

/** Who is heard by replica 1 of five, of all its peers; it has got `before`, each from the one who may send it. */
function heard(message: Message, before: readonly [ReplicaId, Message][] = []): ReplicaId[] {
  return [2, 3, 4, 5].filter((from) => {
    const replica = new Replica({ id: 1, replicas: 5, seed: 1 });
    for (const [sender, each] of before) replica.step(sender, each);
    if (replica.hasReady()) replica.takeReady();
    replica.step(from, message);
    const { records, messages } = replica.takeReady();
    return records.length + messages.length > 0;
  });
}

describe('who is heard, by kind', () => {
  const preAccept: Message = { type: 'preAccept', id, command, attributes, follower: null, prompt: false };
  const table: [string, Message, [ReplicaId, Message][], ReplicaId[]][] = [
    ['PreAccept: the initial coordinator', preAccept, [], [2]],
    ['Accept at ballot 0: the initial coordinator', at('accept', 0), [], [2]],
    ['Accept at 8: replica 3', at('accept', 8), [], [3]],
    ['Accept at 7, of its own instance: replica 2', at('accept', 7), [], [2]],
    ['Accept at 8, promised to it: replica 3', at('accept', 8), [[3, at('prepare', 8)]], [3]],
    ['Accept at the ballot of this replica: nobody', at('accept', 6), [], []],
    ['Prepare at 10: replica 5', at('prepare', 10), [], [5]],
    ['Prepare at 0: nobody, for no recovery has that ballot', at('prepare', 0), [], []],
    ['Prepare at the ballot of this replica: nobody', at('prepare', 6), [], []],
    ['Validate at 8, promised to it: replica 3', at('validate', 8), [[3, at('prepare', 8)]], [3]],
    ['Validate at 0: nobody', at('validate', 0), [], []],
    ['Commit: anybody', { type: 'commit', id, command, attributes }, [], [2, 3, 4, 5]],
  ];
  test.each(table)('%s', (_, message, before, expected) => {
    expect(heard(message, before)).toEqual(expected);
  });

  test('also about what is committed here, or was forgotten: nobody else is told', () => {
    const commit: [ReplicaId, Message] = [2, { type: 'commit', id, command, attributes }];
    for (const type of ['accept', 'prepare', 'validate'] as const)
      expect(heard(at(type, 8), [commit])).toEqual([3]);
    const replica = new Replica({ id: 1, replicas: 5, seed: 1 });
    replica.restore({
      records: [],
      pruned: { pruned: [0, 5, 0, 0, 0], floor: [0, 5, 0, 0, 0] },
      reserved: 0,
    });
    replica.takeReady();
    for (const from of [2, 4, 5]) replica.step(from, at('prepare', 8));
    expect(replica.takeReady().messages).toEqual([]);
    replica.step(3, at('prepare', 8));
    expect(replica.takeReady().messages).toMatchObject([{ to: 3, message: { type: 'watermarks' } }]);
  });
});

test.each(CLUSTER_SIZES)(
  'N = %i: of all peers exactly one may act at a ballot, and none at what is no ballot',
  (replicas) => {
    const allowed = (message: Message) =>
      replicaIds(replicas).filter((from) => mayComeFrom(from, message, replicas));
    for (const type of ['accept', 'prepare', 'validate'] as const) {
      for (let ballot = 1; ballot <= replicas; ballot += 1) expect(allowed(at(type, ballot))).toEqual([]);
      for (let round = 1; round < 4; round += 1) {
        for (const owner of replicaIds(replicas)) {
          expect(allowed(at(type, round * replicas + owner))).toEqual([owner]);
        }
      }
    }
    expect(allowed(at('accept', 0))).toEqual([2]);
  },
);

test('a stranger ends no round, and puts no second value beside the one that is accepted', () => {
  const replica = new Replica({ id: 1, replicas: 5, seed: 1 });
  replica.step(3, at('accept', 8));
  replica.takeReady();
  const accepted = replica.state.space.get(id);
  for (const from of [2, 4, 5])
    replica.step(from, { type: 'accept', id, ballot: 8, command: null, attributes });
  expect(replica.state.space.get(id)).toBe(accepted);

  recover(replica, id);
  replica.takeReady();
  const round = replica.state.roundOf(id);
  for (const from of [2, 3, 4, 5]) {
    replica.step(from, at('accept', 16)); // a later ballot of this replica itself
    replica.step(from, at('prepare', 16));
  }
  expect(replica.state.roundOf(id)).toBe(round);
  expect(replica.takeReady()).toMatchObject({ records: [], messages: [] });
});
