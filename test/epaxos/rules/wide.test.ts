/** The rules of commands that touch everything (R2.8, R5.10, R7.9, R7.10), on running replicas. */
import { describe, expect, test } from 'vitest';
import { type Operation, Replica } from '../../../src/epaxos/index.ts';
import { Prng } from '../../../src/util/prng.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { commandOf, get, getAll, instance, put, putAll } from '../../support/core-operations.ts';
import { ProposerBench } from '../../support/proposer-bench.ts';

describe('R2.8: contributions', () => {
  test('a write of everything names the last command of each row, a read of everything the last that writes', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('a', 'x'));
    cluster.propose(1, get('b', 'y'));
    cluster.propose(2, put('c', 'z'));
    cluster.deliver({ type: 'preAccept', to: 3 });
    cluster.propose(3, getAll('look'));
    expect(cluster.look(3, '3.1').deps).toEqual([1, 1, 0]);
    cluster.propose(3, putAll('all'));
    expect(cluster.look(3, '3.2').deps).toEqual([2, 1, 1]);
  });

  test('a write of a key names what touches everything, a read of a key only what writes everything', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, putAll('all'));
    cluster.propose(1, getAll('look'));
    cluster.deliver({ type: 'preAccept', to: 3 });
    cluster.propose(3, put('a', 'x'));
    cluster.propose(3, get('b', 'y'));
    expect(cluster.look(3, '3.1').deps).toEqual([2, 0, 0]);
    expect(cluster.look(3, '3.2').deps).toEqual([1, 0, 0]);
  });

  test('a read of a key that is not proposed waits for a write of everything (R8.1)', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, putAll('all'));
    cluster.deliver({ type: 'preAccept' });
    cluster.deliver({ type: 'preAcceptReply', to: 1 }); // committed, and only 1 knows
    cluster.drop({ type: 'commit' });
    const read = get('read', 'x');
    expect(cluster.replica(3).read(read)).toBe(true);
    expect(cluster.turn(3).reads).toEqual([]);
    cluster.deliver({ type: 'readRequest' });
    cluster.deliver({ type: 'readReply' });
    expect(cluster.turn(3).reads).toEqual([]);
    expect([...cluster.replica(3).state.reads.nodes.values()]).toMatchObject([{ deps: [1, 0, 0] }]);
  });

  test('everything is not read without an instance', () => {
    expect(() => new Replica({ id: 1, replicas: 3, seed: 1 }).read(getAll('look'))).toThrow(/single key/);
  });

  test('it is known again after a restart, and forgotten with its instance', () => {
    const cluster = new CoreCluster(3, { limits: { retainedInstances: 0 } });
    cluster.propose(1, putAll('all'));
    cluster.deliverAll();
    cluster.crash(2);
    cluster.restart(2);
    cluster.propose(2, put('a', 'x'));
    expect(cluster.look(2, '2.1').deps).toEqual([1, 0, 0]);
    cluster.run(() => cluster.ids.every((id) => cluster.replica(id).state.index.wideCommands === 0));
    cluster.propose(3, put('b', 'x'));
    expect(cluster.look(3, '3.1').deps?.[0]).toBe(0);
  });
});

describe('R7.9: proposing', () => {
  test('what touches everything is alone in its instance, is held for no key, and holds nothing', () => {
    const bench = new ProposerBench();
    bench.add(put('a', 'x'), putAll('all'), put('b', 'y'), getAll('look'), putAll('more'));
    expect(bench.turn().sort()).toEqual(['a+b', 'all', 'look', 'more']);
    bench.add(put('c', 'z'), put('d', 'x'), putAll('last'));
    expect(bench.turn().sort()).toEqual(['c', 'last']); // d waits for a, as ever
    expect(bench.proposer.heldKeys).toEqual(new Set(['x']));
  });

  test('it counts among the open instances, and is proposed again after a no-op', () => {
    const bench = new ProposerBench({ openInstances: 1 });
    bench.add(putAll('all'), putAll('more'));
    expect(bench.turn()).toEqual(['all']);
    expect(bench.turn()).toEqual([]);
    expect(bench.close(1, 'no-op')).toBe(true);
    expect(bench.turn()).toEqual(['all']);
    bench.close(2);
    expect(bench.turn()).toEqual(['more']);
  });

  test('it can be withdrawn as long as it waits', () => {
    const bench = new ProposerBench({ openInstances: 1 });
    bench.add(put('a', 'x'));
    bench.turn();
    const waiting = bench.addOne(putAll('all'));
    expect(bench.proposer.withdraw(waiting)).toBe(true);
    bench.close(1);
    expect(bench.turn()).toEqual([]);
  });
});

describe('R5.10: what contradicts a command that touches everything', () => {
  const id = instance('1.1');
  const command = commandOf(putAll('all'));
  const none = { seq: 1, deps: [0, 0, 0, 0, 0] };

  /** A member of Q that has been told of so many instances of 2 and 3, none of which knows of 1.1. */
  function member(count: number): Replica {
    const replica = new Replica({ id: 5, replicas: 5, seed: 1, limits: { contradictionsPerRow: 3 } });
    for (let slot = 1; slot <= count; slot += 1) {
      for (const from of [2, 3]) {
        replica.step(from, {
          type: 'preAccept',
          id: { replica: from, slot },
          command: commandOf(put(`${from}.${slot}`, `key ${from}.${slot}`)),
          attributes: none,
          follower: null,
          prompt: false,
        });
      }
    }
    replica.step(4, { type: 'prepare', id, ballot: 9 });
    replica.takeReady();
    return replica;
  }

  function report(replica: Replica) {
    replica.step(4, { type: 'validate', id, ballot: 9, command, attributes: none });
    const [envelope] = replica.takeReady().messages;
    if (envelope?.message.type !== 'validateReply') throw new Error('no reply to the Validate');
    const { contradictions, more } = envelope.message;
    return { named: contradictions.map(({ id: { replica: row, slot } }) => `${row}.${slot}`), more };
  }

  test('of each row so many open ones are named, and that there are more', () => {
    expect(report(member(3))).toEqual({ named: ['2.1', '2.2', '2.3', '3.1', '3.2', '3.3'], more: false });
    expect(report(member(5))).toEqual({ named: ['2.1', '2.2', '2.3', '3.1', '3.2', '3.3'], more: true });
  });

  test('one that is committed is enough', () => {
    const replica = member(5);
    replica.step(3, { type: 'commit', id: instance('3.5'), command: 'sent', attributes: none });
    replica.takeReady();
    expect(report(replica)).toEqual({ named: ['3.5'], more: true });
  });

  test('with more than are named the recovery asks again before it confirms', () => {
    const cluster = new CoreCluster(5, { limits: { contradictionsPerRow: 1 } });
    cluster.propose(1, putAll('all'));
    cluster.propose(2, put('a', 'x'));
    cluster.propose(2, put('b', 'y'));
    // 3 has both, and without 1.1 in them; 4 has 1.1 as it was proposed.
    cluster.deliver({ type: 'preAccept', from: 1, to: 4 });
    cluster.deliver({ type: 'preAccept', from: 2, to: 3 });
    cluster.crash(1);
    cluster.drop();
    cluster.recover(4, '1.1');
    cluster.deliver({ type: 'prepare', to: [2, 3] });
    cluster.deliver({ type: 'prepareReply' });
    cluster.deliver({ type: 'validate' });
    expect(cluster.contents({ type: 'validateReply' })).toMatchObject([
      { contradictions: [{ id: { replica: 2, slot: 1 } }], more: true },
      { contradictions: [{ id: { replica: 2, slot: 1 } }], more: true },
    ]);
    cluster.deliver({ type: 'validateReply' });
    expect(cluster.replica(4).state.roundOf(id)).toMatchObject({ type: 'validate', isWaiting: true });
    const rounds = cluster.events(4).filter(({ type }) => type === 'recoveryStarted').length;
    // What is named is settled with 1.1 before it; then the recovery begins again, and finds the other one.
    cluster.replica(4).step(2, {
      type: 'commit',
      id: instance('2.1'),
      command: commandOf(put('a', 'x')),
      attributes: { seq: 2, deps: [1, 0, 0, 0, 0] },
    });
    cluster.turn(4);
    expect(cluster.replica(4).state.roundOf(id)).toBeUndefined();
    expect(cluster.inFlight({ type: 'accept' })).toBe(0);
    cluster.clear();
    for (let ticks = 0; ticks < 200; ticks += 1) {
      cluster.tick(1, [4]);
      if (cluster.events(4).filter(({ type }) => type === 'recoveryStarted').length > rounds) return;
    }
    throw new Error('the recovery does not begin again');
  });
});

describe('the order, with commands of all kinds at all replicas', () => {
  const anyOperation = (prng: Prng, label: string): Operation => {
    const kind = prng.integer(0, 7);
    if (kind === 0) return putAll(label);
    if (kind === 1) return getAll(label);
    const key = `key ${prng.integer(1, 3)}`;
    return kind < 4 ? get(label, key) : put(label, key);
  };

  // The cluster's observer fails the test if two replicas execute what interferes in two orders, or commit it without one.
  test.each([3, 5, 7])(
    '%i replicas agree on it, with messages late, replicas killed and instances recovered',
    (replicas) => {
      for (let seed = 1; seed <= 12; seed += 1) {
        const prng = new Prng(seed);
        const cluster = new CoreCluster(replicas, {
          seed,
          limits: { instancesPerTurn: 4, interferingInstances: 2 },
        });
        const labels: string[] = [];
        for (let step = 0; step < 60; step += 1) {
          const at = prng.integer(1, replicas);
          const label = `${step}`;
          labels.push(label);
          cluster.submit(at, anyOperation(prng, label));
          cluster.tick(1, [at]);
          const to = prng.next() < 0.7 ? { to: prng.integer(1, replicas) } : {};
          if (cluster.inFlight(to) > 0) cluster.deliver(to);
          if (prng.next() < 0.1) {
            const victim = prng.integer(1, replicas);
            cluster.crash(victim, { losing: 'unsynced' });
            cluster.restart(victim);
          }
        }
        const settled = () => {
          const logs = cluster.ids.map((id) => [...cluster.log(id)].sort().join());
          const isDone = cluster.ids.every((id) => cluster.replica(id).isAtRest());
          return isDone && new Set(logs).size === 1;
        };
        cluster.run(settled);
        // A crash may have taken what nobody else had heard of, and nothing more.
        expect(cluster.log(1).length).toBeGreaterThan(labels.length / 2);
      }
    },
  );
});
