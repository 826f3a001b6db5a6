/** R6.4: at N = 3 a PreAccept of a reserved slot may leave while the coordinator's record is being written. */
import { describe, expect, test } from 'vitest';
import { Proposal, Replica, Status } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

const NEW = { records: [], pruned: null, reserved: 0 };

function replicaOf(replicas: number, reservedSlots: number): Replica {
  return new Replica({ id: 1, replicas, seed: 1, limits: { reservedSlots, instancesPerTurn: 1 } });
}

/** Three replicas, of which replica 1 has slots 2 to 9 reserved, and 1.1 is executed everywhere. */
function reserving(): CoreCluster {
  const cluster = new CoreCluster(3, { limits: { reservedSlots: 8 } });
  cluster.propose(1, put('first', 'other'));
  cluster.settle();
  return cluster;
}

/** Replica 1 dies while it writes a command on x, of which replica 2 hears; then it is up again. */
function forgetting(): CoreCluster {
  const cluster = reserving();
  cluster.submit(1, put('a', 'x'));
  cluster.crashDuring(1, 'while writing');
  cluster.deliver({ type: 'preAccept', to: 2 });
  cluster.drop();
  cluster.crash(1, { losing: 'unsynced' });
  cluster.restart(1);
  return cluster;
}

describe('what leaves early', () => {
  test('nothing before slots are reserved on disk; that comes with a batch that is synced anyway', () => {
    const replica = replicaOf(3, 8);
    replica.propose(new Proposal(put('a', 'x')));
    expect(replica.takeReady()).toMatchObject({
      early: [],
      reserved: 9,
      sync: true,
      messages: [{ message: { type: 'preAccept' } }, { message: { type: 'preAccept' } }],
    });
  });

  test('the PreAccepts of reserved slots, whose records need not be on disk before the commit', () => {
    const replica = replicaOf(3, 8);
    const reservations: (number | null)[] = [];
    for (let slot = 1; slot <= 12; slot += 1) {
      replica.propose(new Proposal(put(`${slot}`, `key ${slot}`)));
      const { early, messages, reserved, sync, records } = replica.takeReady();
      const [leaving, waiting] = reserved === null ? [early, messages] : [messages, early];
      expect(leaving.map(({ message }) => message.type)).toEqual(['preAccept', 'preAccept']);
      expect({ waiting, sync, records: records.length }).toEqual({
        waiting: [],
        sync: reserved !== null,
        records: 1,
      });
      reservations.push(reserved);
    }
    const { 0: first, 9: next, ...others } = reservations;
    expect([first, next]).toEqual([9, 18]);
    expect(Object.values(others).every((reserved) => reserved === null)).toBe(true);
  });

  test('the next slots are reserved with a commit, when half are used', () => {
    const cluster = new CoreCluster(3, { limits: { reservedSlots: 8 } });
    const reserved = Array.from({ length: 14 }, (_, index) => {
      cluster.propose(1, put(`${index}`, 'x'));
      cluster.settle();
      return cluster.replica(1).state.reserved;
    });
    expect(reserved).toEqual([9, 9, 9, 9, 9, 14, 14, 14, 14, 14, 19, 19, 19, 19]);
  });

  test('no repetition: its record is on disk', () => {
    const replica = replicaOf(3, 8);
    replica.setReachable(2, true);
    replica.setReachable(3, true);
    for (const key of ['a', 'b']) {
      replica.propose(new Proposal(put(key, key)));
      replica.takeReady();
    }
    const types: string[] = [];
    for (let tick = 0; tick < 50; tick += 1) {
      replica.tick();
      const { early, messages } = replica.takeReady();
      expect(early).toEqual([]);
      for (const { message } of messages) types.push(message.type);
    }
    expect(types).toContain('preAccept');
  });

  test.each([
    [5, 8],
    [3, 0],
  ])('nothing at N = %i with %i slots to reserve', (replicas, reservedSlots) => {
    const replica = replicaOf(replicas, reservedSlots);
    for (const key of ['a', 'b', 'c']) {
      replica.propose(new Proposal(put(key, key)));
      expect(replica.takeReady()).toMatchObject({ early: [], reserved: null });
    }
  });
});

describe('after a restart', () => {
  test('a crash that takes the record leaves the follower with it', () => {
    const cluster = forgetting();
    expect(cluster.look(1, '1.2').status).toBe('none');
    expect(cluster.look(2, '1.2')).toMatchObject({ status: 'preAccepted', value: 'a' });
  });

  test('no slot that was reserved is used again', () => {
    const cluster = forgetting();
    expect(cluster.propose(1, put('b', 'y'))).toBe('1.10');
  });

  test('whatever the coordinator contributes to comes after all that it may have forgotten', () => {
    const cluster = forgetting();
    cluster.propose(3, put('b', 'x'));
    cluster.deliver({ type: 'preAccept', to: 1 });
    expect(cluster.messages({ type: 'preAcceptReply' })).toEqual(['1→3 preAcceptReply 3.1 seq 1 deps 9,0,0']);
    cluster.propose(1, put('c', 'z'));
    expect(cluster.look(1, '1.10').deps).toEqual([9, 0, 0]);
  });

  test('the command that only the follower knows is committed once, and in one order everywhere', () => {
    const cluster = forgetting();
    cluster.propose(3, put('b', 'x'));
    cluster.deliver({ type: 'preAccept', to: 1 });
    cluster.deliver({ type: 'preAcceptReply' });
    expect(cluster.path(3, '3.1')).toBe('fast');
    cluster.crash(1);
    cluster.recover(2, '1.2');
    cluster.run(() => [2, 3].every((id) => cluster.log(id).length === 3));
    expect(cluster.decision('1.2')).toBe('a');
    cluster.restart(1);
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).join() === 'first,a,b'));
  });

  test('the coordinator settles what was reserved by itself, and nothing waits for it for ever', () => {
    const cluster = forgetting();
    cluster.propose(3, put('b', 'x'));
    cluster.run(() => cluster.ids.every((id) => cluster.log(id).includes('b')));
    cluster.run(() => cluster.ids.every((id) => cluster.replica(id).status().rows[0]?.executed === 9));
    expect(cluster.decision('1.9')).toBe('no-op');
  });

  test('it begins as soon as a majority can be reached, and not before', () => {
    const replica = new Replica({ id: 1, replicas: 3, seed: 1 });
    replica.restore({ ...NEW, reserved: 3 });
    const prepared = () => {
      replica.tick();
      const { messages } = replica.takeReady();
      return messages.filter(({ message }) => message.type === 'prepare').length;
    };
    expect([prepared(), prepared()]).toEqual([0, 0]);
    replica.setReachable(2, true);
    expect(prepared()).toBe(6);
  });

  test('what was reserved counts as heard of: answers are kept, and nothing is pruned, as long as it is open', () => {
    const replica = new Replica({ id: 1, replicas: 3, seed: 1 });
    replica.restore({ ...NEW, reserved: 7 });
    expect(replica.status().rows[0]).toMatchObject({ committed: 0, highest: 7 });
  });

  test('what is committed of it is not recovered', () => {
    const replica = new Replica({ id: 1, replicas: 3, seed: 1 });
    const id = { replica: 1, slot: 1 };
    const attributes = { seq: 0, deps: [0, 0, 0] };
    const record = { ...replica.state.space.get(id), status: Status.committed, noOp: true, attributes };
    replica.restore({ ...NEW, records: [record], reserved: 2 });
    expect([...replica.state.progress.unsettled]).toHaveLength(1);
  });
});
