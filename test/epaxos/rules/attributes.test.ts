/** The rules of section 2, on running replicas: what a replica's contribution to an instance is. */
import { describe, expect, test } from 'vitest';
import { type Message, Proposal, Replica } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { commandOf, get, instance, put } from '../../support/core-operations.ts';

/** The attributes that a replica would propose for an operation now. */
function contributionOf(replica: Replica, operation: ReturnType<typeof put>) {
  replica.propose(new Proposal(operation));
  return replica.takeReady().records.find(({ id }) => id.replica === 1)?.attributes;
}

test('R2.1: commands that do not interfere are not ordered; those that do are', () => {
  const cluster = new CoreCluster(3);
  cluster.propose(1, get('r1', 'x'), put('w1', 'y'));
  cluster.deliver({ type: 'preAccept', to: 3 });
  cluster.propose(3, get('r3', 'x'), put('w3', 'z'));
  expect(cluster.look(3, '3.1')).toMatchObject({ deps: [0, 0, 0], seq: 1 });
  cluster.propose(3, get('r4', 'x'), get('r5', 'y'));
  expect(cluster.look(3, '3.2')).toMatchObject({ deps: [1, 0, 0], seq: 2 });
});

test('R2.2: deps name a slot, and mean all up to it: also one that does not interfere', () => {
  const cluster = new CoreCluster(3);
  cluster.propose(1, put('other', 'y'));
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: 3 });
  cluster.propose(3, put('b', 'x'));
  expect(cluster.look(3, '3.1').deps).toEqual([2, 0, 0]);
  // 1.1 is in these deps and is not committed at 3, but only 1.2 is waited for.
  cluster.deliverAll({ about: '1.2' });
  cluster.deliverAll({ about: '3.1' });
  expect(cluster.look(3, '1.1').status).toBe('preAccepted');
  expect(cluster.log(3)).toEqual(['a', 'b']);
});

test('R2.3: the contribution is the highest interfering slot of each row, and a seq above theirs', () => {
  const cluster = new CoreCluster(3);
  cluster.propose(1, put('a', 'x'));
  cluster.deliverAll();
  cluster.propose(1, put('b', 'x'));
  cluster.deliverAll();
  cluster.propose(1, put('other', 'y'));
  cluster.deliverAll();
  cluster.propose(3, put('c', 'x'));
  expect(cluster.look(3, '3.1')).toMatchObject({ deps: [2, 0, 0], seq: 3 });
});

describe('R2.4: a command counts from the moment it is learned, by whatever message', () => {
  const command = commandOf(put('a', 'x'));
  const id = instance('2.1');
  const attributes = { seq: 4, deps: [0, 0, 0, 0, 0] };
  const table: [string, Message[]][] = [
    ['PreAccept', [{ type: 'preAccept', id, command, attributes, follower: null, prompt: false }]],
    ['Accept', [{ type: 'accept', id, ballot: 7, command, attributes }]],
    ['Commit', [{ type: 'commit', id, command, attributes }]],
    [
      'Validate',
      [
        { type: 'prepare', id, ballot: 7 },
        { type: 'validate', id, ballot: 7, command, attributes },
      ],
    ],
  ];
  test.each(table)('%s', (_, messages) => {
    const replica = new Replica({ id: 1, replicas: 5, seed: 1 });
    for (const message of messages) replica.step(2, message);
    expect(contributionOf(replica, put('b', 'x'))).toEqual({ seq: 5, deps: [0, 1, 0, 0, 0] });
  });

  test.each([
    ['accepted', 'accept'],
    ['committed', 'commit'],
  ] as const)('and goes on to count when a no-op is %s for it', (_, type) => {
    const replica = new Replica({ id: 1, replicas: 5, seed: 1 });
    replica.step(2, { type: 'preAccept', id, command, attributes, follower: null, prompt: false });
    const noOp = { command: null, attributes: { seq: 0, deps: [0, 0, 0, 0, 0] } };
    replica.step(3, { type, id, ballot: 8, ...noOp });
    expect(replica.state.space.get(id).noOp).toBe(true);
    expect(contributionOf(replica, put('b', 'x'))).toEqual({ seq: 5, deps: [0, 1, 0, 0, 0] });
  });

  test('also after a restart', () => {
    const cluster = new CoreCluster(5);
    cluster.propose(2, put('a', 'x'));
    cluster.deliver({ to: 1 });
    cluster.drop({ type: 'preAccept' });
    cluster.recover(3, '2.1');
    cluster.deliverAll({ about: '2.1' });
    expect(cluster.decision('2.1')).toBe('no-op');
    cluster.crash(1);
    cluster.restart(1);
    cluster.propose(1, put('b', 'x'));
    expect(cluster.look(1, '1.1').deps).toEqual([0, 1, 0, 0, 0]);
  });
});

test('R2.5: in its own row an instance depends on earlier slots only, whatever a follower has seen', () => {
  const cluster = new CoreCluster(3);
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: 2 });
  cluster.deliver({ type: 'preAcceptReply' });
  cluster.drop({ type: 'commit', to: 3 });
  cluster.propose(1, put('b', 'x'));
  cluster.deliver({ type: 'preAccept', to: 3, about: '1.2' });
  cluster.deliver({ type: 'preAccept', to: 3, about: '1.1' });
  expect(cluster.look(3, '1.2').deps).toEqual([1, 0, 0]);
  expect(cluster.look(3, '1.1').deps).toEqual([0, 0, 0]);
});

test('R2.6: merging takes the elementwise maximum of deps and the maximum of seq', () => {
  const cluster = new CoreCluster(5);
  cluster.propose(2, put('b', 'x'));
  cluster.propose(3, put('c', 'x'));
  cluster.deliver({ from: 2, to: 4 });
  cluster.deliver({ from: 3, to: 5 });
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ from: 1, to: [4, 5] });
  cluster.deliver({ type: 'preAcceptReply', about: '1.1' });
  cluster.tick(2, [1]);
  expect(cluster.messages({ type: 'accept', to: 2 })).toEqual([
    '1→2 accept 1.1 ballot 0 a seq 2 deps 0,1,1,0,0',
  ]);
});

test('R2.6: who knows less than the coordinator takes nothing away', () => {
  const replica = new Replica({ id: 2, replicas: 3, seed: 1 });
  const attributes = { seq: 9, deps: [4, 0, 0] };
  const command = commandOf(put('a', 'x'));
  const id = instance('1.5');
  replica.step(1, { type: 'preAccept', id, command, attributes, follower: 2, prompt: false });
  expect(replica.takeReady().messages).toEqual([
    { to: 1, message: { type: 'preAcceptReply', id, attributes } },
  ]);
});

test('R2.7: what every replica has executed is forgotten, and only then', () => {
  const cluster = new CoreCluster(3);
  cluster.propose(1, put('a', 'x'));
  cluster.deliverAll();
  const forgotten = (id: number) => cluster.replica(id).state.space.row(1).pruned;
  cluster.isolate(3);
  for (let tick = 0; tick < 100; tick += 1) {
    cluster.tick(1, [1, 2]);
    cluster.settle();
  }
  expect([forgotten(1), forgotten(2)]).toEqual([0, 0]);
  cluster.rejoin(3);
  cluster.run(() => cluster.ids.every((id) => forgotten(id) === 1));
  cluster.propose(2, put('b', 'x'));
  expect(cluster.look(2, '2.1').deps).toEqual([0, 0, 0]);
  cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === 'a,b'));
});

describe('R2.9: what L has executed is in the initial deps', () => {
  test.each([
    { replicas: 3, deps: '0,0,0' },
    { replicas: 5, deps: '0,1,0,0,0' },
    { replicas: 7, deps: '0,1,0,0,0,0,0' },
  ])('N = $replicas: also what does not interfere', ({ replicas, deps }) => {
    const cluster = new CoreCluster(replicas);
    cluster.propose(2, put('x', 'key'));
    cluster.settle();
    expect(cluster.log(1)).toEqual(['x']);
    cluster.propose(1, put('y', 'another key'));
    expect(cluster.messages({ type: 'preAccept', to: 2 })).toEqual([
      `1→2 preAccept 1.1 y seq 1 deps ${deps}`,
    ]);
  });

  test('so a follower that has forgotten it has nothing to add: the fast path is kept', () => {
    const cluster = new CoreCluster(5);
    cluster.propose(2, put('x', 'key'));
    cluster.settle();
    // Watermarks reach everybody but 1, so that it alone has not forgotten x.
    const forgotten = (id: number) => cluster.replica(id).state.space.row(2).pruned === 1;
    for (let tick = 0; tick < 100 && ![2, 3, 4, 5].every(forgotten); tick += 1) {
      cluster.tick();
      if (cluster.inFlight({ to: 1, type: 'watermarks' }) > 0) cluster.drop({ to: 1, type: 'watermarks' });
      cluster.settle();
    }
    expect([1, 2, 3].map(forgotten)).toEqual([false, true, true]);
    const y = cluster.propose(1, put('y', 'another key'));
    cluster.settle();
    expect(cluster.path(1, y)).toBe('fast');
  });
});
