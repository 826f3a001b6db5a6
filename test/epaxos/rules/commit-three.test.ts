/** The rules of section 4: the commit protocol for N = 3, where the designated follower alone decides. */
import { describe, expect, test } from 'vitest';
import { CoreCluster } from '../../support/core-cluster.ts';
import { instance, put } from '../../support/core-operations.ts';

/** Three replicas; replica 2, or 3, has pre-accepted a write of x by replica 3, or 2, unknown to replica 1. */
function withRivalAt(knowing: 2 | 3): CoreCluster {
  const cluster = new CoreCluster(3);
  cluster.propose(knowing, put('rival', 'x'));
  cluster.drop();
  return cluster;
}

const followerOf = (cluster: CoreCluster, id: number, name: string) =>
  cluster.replica(id).state.space.get(instance(name)).follower;

describe('R4.1: the designated follower', () => {
  test('is named in the PreAccept, which still goes to both, and is stored by all who see it', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    expect(
      cluster.contents({ type: 'preAccept' }).map((message) => 'follower' in message && message.follower),
    ).toEqual([2, 2]);
    cluster.deliver({ type: 'preAccept' });
    expect([1, 2, 3].map((id) => followerOf(cluster, id, '1.1'))).toEqual([2, 2, 2]);
  });

  test('is the next in the ring, unless that one is down', () => {
    const cluster = new CoreCluster(3);
    for (const [id, next] of [
      [1, 2],
      [2, 3],
      [3, 1],
    ] as const) {
      cluster.propose(id, put(`by ${id}`, `key ${id}`));
      expect(followerOf(cluster, id, `${id}.1`)).toBe(next);
    }
    cluster.isolate(2);
    cluster.propose(1, put('b', 'y'));
    expect(followerOf(cluster, 1, '1.2')).toBe(3);
  });

  test.each([
    [72, 88, 2],
    [88, 72, 3],
    [151, 88, 3],
    [0.4, 0.3, 2],
    [4, 2.5, 2],
    [105, 100, 2],
  ])(
    'with round trips of %d and %d ms is %i: the nearer, unless the difference may be noise',
    (two, three, follower) => {
      const cluster = new CoreCluster(3);
      cluster.replica(1).setRoundTrip(2, two);
      cluster.replica(1).setRoundTrip(3, three);
      cluster.propose(1, put('a', 'x'));
      expect(followerOf(cluster, 1, '1.1')).toBe(follower);
    },
  );

  test('is chosen anew for every instance', () => {
    const cluster = new CoreCluster(3);
    cluster.replica(1).setRoundTrip(2, 40);
    cluster.replica(1).setRoundTrip(3, 38);
    cluster.propose(1, put('a', 'x'));
    cluster.replica(1).setRoundTrip(3, 10);
    cluster.propose(1, put('b', 'y'));
    expect([followerOf(cluster, 1, '1.1'), followerOf(cluster, 1, '1.2')]).toEqual([2, 3]);
  });
});

describe('R4.2: both followers merge as R3.2 says', () => {
  const replies = (cluster: CoreCluster) => cluster.messages({ type: 'preAcceptReply' });

  test('the designated one answers at once, the other one with its next tick', () => {
    const cluster = withRivalAt(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    expect(replies(cluster)).toEqual(['2→1 preAcceptReply 1.1 seq 1 deps 0,0,0']);
    cluster.tick(1, [2, 3]);
    expect(replies(cluster).slice(1)).toEqual(['3→1 preAcceptReply 1.1 seq 2 deps 0,0,1']);
    cluster.tick(5, [3]);
    expect(replies(cluster)).toHaveLength(2);
  });

  test('the other one has nothing on disk before it answers', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    const [preAccept] = cluster.contents({ type: 'preAccept', to: 3 });
    if (preAccept === undefined) throw new Error('no PreAccept');
    const other = cluster.replica(3);
    other.step(1, preAccept);
    expect(other.takeReady()).toMatchObject({ sync: false, messages: [] });
    other.tick();
    expect(other.takeReady()).toMatchObject({ sync: true, messages: [{ to: 1 }] });
  });

  test('the other one does not answer where the instance is committed by then, or promised to a recovery', () => {
    const committed = new CoreCluster(3);
    committed.propose(1, put('a', 'x'));
    committed.settle();
    committed.tick(1);
    expect(committed.inFlight({ type: 'preAcceptReply' })).toBe(0);

    const promised = new CoreCluster(3);
    promised.propose(1, put('a', 'x'));
    promised.deliver({ to: 3 });
    promised.recover(2, '1.1');
    promised.deliver({ type: 'prepare', to: 3 });
    promised.tick(1, [3]);
    expect(promised.inFlight({ type: 'preAcceptReply' })).toBe(0);
  });

  test('asked again, the other one answers at once', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.duplicate({ type: 'preAccept', to: 3 });
    cluster.deliver({ to: 3 });
    expect(replies(cluster)).toEqual(['3→1 preAcceptReply 1.1 seq 1 deps 0,0,0']);
  });
});

describe('R4.3: the fast path', () => {
  test('on the follower’s reply, whatever it says, its attributes are committed', () => {
    const cluster = withRivalAt(2);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: 2 });
    cluster.deliver({ type: 'preAcceptReply', from: 2 });
    expect(cluster.path(1, '1.1')).toBe('fast');
    expect(cluster.messages({ type: 'commit' })).toEqual([
      '1→2 commit 1.1 sent seq 2 deps 0,1,0',
      '1→3 commit 1.1 sent seq 2 deps 0,1,0',
    ]);
  });

  test('the other follower’s reply decides nothing, also when it is equal', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: 3 });
    cluster.tick(1, [3]);
    cluster.deliver({ type: 'preAcceptReply', from: 3 });
    expect(cluster.decision('1.1')).toBeNull();
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
  });

  test('every proposal of everybody takes it, at full conflict', () => {
    const cluster = new CoreCluster(3);
    for (let round = 1; round <= 5; round += 1) {
      for (const id of cluster.ids) cluster.propose(id, put(`${id} in round ${round}`, 'x'));
      cluster.settle();
    }
    for (const id of cluster.ids) {
      const own = cluster.events(id).filter((event) => event.type === 'committed' && event.id.replica === id);
      expect(own.map((event) => event.type === 'committed' && event.path)).toEqual(new Array(5).fill('fast'));
      expect(cluster.log(id)).toHaveLength(15);
    }
  });
});

describe('R4.4: the slow path', () => {
  test('when the follower is silent, the other’s reply is merged and accepted', () => {
    const cluster = withRivalAt(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: 3 });
    cluster.tick(1, [3]);
    cluster.drop({ to: 2 });
    cluster.deliver({ type: 'preAcceptReply' });
    cluster.tick(9, [1]);
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
    cluster.tick(1, [1]);
    expect(cluster.messages({ type: 'accept', to: 2 })).toEqual([
      '1→2 accept 1.1 ballot 0 a seq 2 deps 0,0,1',
    ]);
    cluster.deliverAll({ type: ['accept', 'acceptReply'] });
    expect(cluster.path(1, '1.1')).toBe('slow');
  });

  test('the follower’s late reply commits nothing any more (R3.5)', () => {
    const cluster = withRivalAt(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ type: 'preAccept' });
    cluster.tick(1, [3]);
    cluster.deliver({ type: 'preAcceptReply', from: 3 });
    cluster.tick(10, [1]);
    cluster.deliver({ type: 'preAcceptReply', from: 2 });
    expect(cluster.look(1, '1.1')).toMatchObject({ status: 'accepted', deps: [0, 0, 1] });
    cluster.deliverAll();
    expect(cluster.path(1, '1.1')).toBe('slow');
  });

  test('the follower is waited for longer where it usually takes longer', () => {
    const cluster = new CoreCluster(3);
    for (let round = 0; round < 40; round += 1) {
      cluster.propose(1, put(`${round}`, 'x'));
      cluster.deliver({ type: 'preAccept' });
      cluster.tick(8, [1]);
      cluster.deliverAll();
    }
    cluster.propose(1, put('last', 'x'));
    cluster.deliver({ to: 3 });
    cluster.tick(1, [3]);
    cluster.deliver({ type: 'preAcceptReply' });
    cluster.tick(25, [1]);
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
    cluster.tick(10, [1]);
    expect(cluster.inFlight({ type: 'accept' })).toBe(2);
  });

  test('a follower that goes away is not waited for', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.deliver({ to: 3 });
    cluster.tick(1, [3]);
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
    cluster.crash(2);
    cluster.settle();
    expect(cluster.path(1, '1.1')).toBe('slow');
    expect([cluster.log(1), cluster.log(3)]).toEqual([['a'], ['a']]);
  });
});
