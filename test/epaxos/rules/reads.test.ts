/** R8.1: reads of one key without an instance: whom they ask, what they wait for, what happens to lost messages. */
import { describe, expect, test } from 'vitest';
import { CLUSTER_SIZES, quorumsOf, type ReplicaId } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { commandOf, get, instance, put } from '../../support/core-operations.ts';
import { CoreReader, NOTHING } from '../../support/core-reader.ts';

describe.each(CLUSTER_SIZES)('the majority, N = %i', (replicas) => {
  const { majority } = quorumsOf(replicas);
  const others = Array.from({ length: majority - 1 }, (_, index) => index + 2);

  test('a read waits for as many others as make a majority with this replica, and for no more', () => {
    const reader = new CoreReader({ replicas });
    const operation = get('r', 'x');
    const request = reader.begin(operation);
    for (const from of others) {
      expect(reader.answered()).toEqual([]);
      reader.reply(from, request);
    }
    expect(reader.answered()).toEqual([operation]);
    expect(reader.kept()).toEqual(NOTHING);
  });

  test('who answers twice counts once', () => {
    const reader = new CoreReader({ replicas });
    const operation = get('r', 'x');
    const request = reader.begin(operation);
    for (const from of others.slice(1))
      for (let copy = 0; copy < replicas; copy += 1) reader.reply(from, request);
    expect(reader.answered()).toEqual([]);
    reader.reply(replicas, request);
    expect(reader.answered()).toEqual([operation]);
  });

  test('the nearest that can be reached are asked, as many as are needed', () => {
    const reader = new CoreReader({ replicas });
    reader.read(get('r', 'x'));
    expect(reader.requests().map(({ to }) => to)).toEqual(others);
    reader.replica.setReachable(2, false);
    reader.requests();
    reader.read(get('s', 'y'));
    expect(reader.requests().map(({ to }) => to)).toEqual(others.map((id) => id + 1));
  });
});

describe('R8.5: whom a read asks first', () => {
  const asked = (reader: CoreReader, key: string) => {
    reader.read(get(key, key));
    return reader.requests().map(({ to }) => to);
  };

  test('the nearest, by the measured round trips; the order of the ring where these are equal or unknown', () => {
    const reader = new CoreReader({ replicas: 7 });
    const { replica } = reader;
    replica.setRoundTrip(4, 30);
    expect(asked(reader, 'a')).toEqual([4, 2, 3]);
    for (const [id, milliseconds] of [
      [7, 10],
      [5, 20],
      [3, 20],
      [2, 40],
    ] as const)
      replica.setRoundTrip(id, milliseconds);
    expect(asked(reader, 'b')).toEqual([7, 3, 5]);
  });

  test('who can be reached before who cannot, however near', () => {
    const reader = new CoreReader({ replicas: 5 });
    const { replica } = reader;
    for (const id of [2, 3, 4, 5]) replica.setRoundTrip(id, 10 * id);
    replica.setReachable(2, false);
    reader.requests();
    expect(asked(reader, 'a')).toEqual([3, 4]);
    replica.setReachable(3, false);
    replica.setReachable(4, false);
    replica.setReachable(5, false);
    reader.requests();
    expect(asked(reader, 'b')).toEqual([2, 3]);
    replica.setReachable(5, true);
    expect(asked(reader, 'c')).toEqual([5, 2]);
  });
});

describe('what a read depends on', () => {
  test('what this replica knows itself, whatever the others say', () => {
    const reader = new CoreReader();
    reader.learn('preAccepted');
    const operation = get('r', 'x');
    reader.reply(2, reader.begin(operation));
    expect(reader.answered()).toEqual([]);
    reader.learn('committed');
    expect(reader.kept()).toEqual(NOTHING);
  });

  test('what any of the others knows, each read its own', () => {
    const reader = new CoreReader({ replicas: 5 });
    const [x, y, z] = [get('x', 'x'), get('y', 'y'), get('z', 'z')];
    reader.read(x, y, z);
    const request = reader.onlyRequest();
    expect(request.keys).toEqual(['x', 'y', 'z']);
    reader.reply(3, request, [[0, 1, 0, 0, 0], reader.none, reader.none]);
    reader.reply(2, request, [reader.none, [0, 2, 0, 0, 0], reader.none]);
    expect(reader.answered()).toEqual([z]);
    const commit = (slot: number, key: string) => {
      const attributes = { seq: 1, deps: reader.none };
      const command = commandOf(put(`w${slot}`, key));
      reader.replica.step(2, { type: 'commit', id: { replica: 2, slot }, command, attributes });
      return reader.replica.takeReady();
    };
    expect(commit(1, 'x')).toMatchObject({ executions: [{ id: instance('2.1') }], reads: [x] });
    expect(commit(2, 'y')).toMatchObject({ executions: [{ id: instance('2.2') }], reads: [y] });
    expect(reader.kept()).toEqual(NOTHING);
  });

  test('reads of the key are not among it, and nobody depends on a read', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(2, get('other', 'x'));
    cluster.deliver({ type: 'preAccept' });
    cluster.clear();
    cluster.read(1, get('r', 'x'));
    cluster.deliverAll({ type: ['readRequest', 'readReply'] });
    expect(cluster.answers(1)).toEqual(['r after ']);
    cluster.propose(1, put('w', 'x'));
    expect(cluster.look(1, '1.1').deps).toEqual([0, 1, 0]);
  });

  test('what is executed already is not waited for, nor is it looked for again', () => {
    const reader = new CoreReader();
    reader.learn('committed');
    const operation = get('r', 'x');
    reader.reply(2, reader.begin(operation), [[0, 1, 0]]);
    expect(reader.replica.state.reads.nodes.size).toBe(0);
    expect(reader.answered()).toEqual([operation]);
  });

  test('what nobody here has heard of is asked for, and recovered if that does not help', () => {
    const reader = new CoreReader();
    reader.replica.setReachable(2, false);
    const operation = get('r', 'x');
    reader.reply(3, reader.begin(operation), [[0, 1, 0]]);
    const sent: string[] = [];
    for (let tick = 0; tick < 50; tick += 1) {
      reader.tick(1);
      if (reader.replica.hasReady()) {
        for (const { message } of reader.replica.takeReady().messages) sent.push(message.type);
      }
    }
    expect(sent).toContain('fetch');
    expect(sent).toContain('prepare');
  });

  test.each([3, 5])('what was forgotten, whether or not the key is still known (N = %i)', (replicas) => {
    const cluster = new CoreCluster(replicas, {
      limits: { retainedInstances: 0 },
      timing: { silentTicks: 30 },
    });
    const present = cluster.ids.slice(0, -1);
    cluster.isolate(replicas);
    cluster.propose(1, put('w', 'x'));
    for (let tick = 0; tick < 100; tick += 1) {
      cluster.tick(1, present);
      cluster.deliverAll();
    }
    for (const id of present) expect(cluster.replica(id).state.index.floor[0]).toBe(1);
    // Of x something is known again, but not the write; of y nothing ever was.
    cluster.propose(2, get('again', 'x'));
    cluster.deliverAll();
    for (const key of ['x', 'y']) {
      cluster.replica(1).step(2, { type: 'readRequest', sequence: 7, keys: [key] });
      const [reply] = cluster.replica(1).takeReady().messages;
      expect(reply?.message).toMatchObject({ type: 'readReply', sequence: 7, deps: [{ 0: 1 }] });
    }
    // So the one that was away does not answer before it has learnt of w.
    cluster.rejoin(replicas);
    cluster.read(replicas, get('r', 'x'));
    cluster.deliverAll({ type: ['readRequest', 'readReply'] });
    expect(cluster.answers(replicas)).toEqual([]);
  });
});

describe('rounds', () => {
  test('an answer counts only for the round whose number it repeats', () => {
    const reader = new CoreReader();
    const [one, two] = [get('one', 'x'), get('two', 'x')];
    const first = reader.begin(one);
    reader.reply(2, first);
    expect(reader.answered()).toEqual([one]);
    const second = reader.begin(two);
    expect(second.sequence).not.toBe(first.sequence);
    reader.reply(3, first); // late: it does not know what was written since
    reader.reply(3, { ...first, sequence: second.sequence + 1 });
    expect(reader.answered()).toEqual([]);
    reader.reply(3, second);
    expect(reader.answered()).toEqual([two]);
  });

  test('several go on beside each other', () => {
    const reader = new CoreReader();
    const [one, two] = [get('one', 'x'), get('two', 'x')];
    const [first, second] = [reader.begin(one), reader.begin(two)];
    reader.reply(2, second);
    expect(reader.answered()).toEqual([two]);
    reader.reply(2, first);
    expect(reader.answered()).toEqual([one]);
  });

  test('numbers begin somewhere else after each start', () => {
    const starts = [1, 2, 3, 4].map((seed) => new CoreReader({ seed }).begin(get('r', 'x')).sequence);
    expect(new Set(starts).size).toBe(4);
    for (const start of starts) {
      // What comes after it in a run is never reached by another start.
      for (const other of starts)
        if (other !== start) expect(Math.abs(start - other)).toBeGreaterThan(1_000_000);
    }
  });

  test('an answer that has not as many deps as were asked for is none', () => {
    const reader = new CoreReader();
    const operation = get('r', 'x');
    const request = reader.begin(operation);
    reader.reply(2, request, []);
    reader.reply(2, request, [reader.none, reader.none]);
    expect(reader.answered()).toEqual([]);
    expect(reader.replica.state.reads.rounds.size).toBe(1);
  });

  test('who is asked answers with the number and deps for each key, in the order asked, and stores nothing', () => {
    const reader = new CoreReader();
    reader.learn('preAccepted');
    reader.learn('preAccepted', 2, put('v', 'y'));
    reader.learn('preAccepted', 3, get('r', 'y'));
    reader.replica.step(3, { type: 'readRequest', sequence: 77, keys: ['y', 'nothing', 'x'] });
    const ready = reader.replica.takeReady();
    const deps = [
      [0, 2, 0],
      [0, 0, 0],
      [0, 1, 0],
    ];
    expect(ready.messages).toEqual([{ to: 3, message: { type: 'readReply', sequence: 77, deps } }]);
    expect(ready).toMatchObject({ records: [], sync: false });
  });

  test('reads that arrive together share one, up to as many as fit into an instance', () => {
    const reader = new CoreReader({ limits: { operationsPerInstance: 3 } });
    const operations = Array.from({ length: 7 }, (_, index) => get(`r${index}`, `k${index}`));
    reader.read(...operations);
    const rounds = [reader.onlyRequest(), reader.onlyRequest(), reader.onlyRequest()];
    expect(rounds.map(({ keys }) => keys)).toEqual([['k0', 'k1', 'k2'], ['k3', 'k4', 'k5'], ['k6']]);
    expect(reader.requests()).toEqual([]);
    for (const round of rounds) reader.reply(2, round);
    expect(reader.answered()).toEqual(operations);
  });

  test('with as many of them as may be, reads gather for the next one', () => {
    const reader = new CoreReader({ limits: { readRounds: 2 } });
    const first = reader.begin(get('one', 'x'));
    reader.begin(get('two', 'x'));
    reader.read(get('three', 'x'), get('four', 'y'));
    expect(reader.replica.hasReady()).toBe(false);
    reader.tick(1);
    expect(reader.requests()).toEqual([]);
    reader.reply(2, first);
    expect(reader.answered()).toHaveLength(1);
    expect(reader.replica.state.reads.rounds.size).toBe(2);
    expect([...reader.replica.state.reads.rounds.values()].at(-1)?.keys).toEqual(['x', 'y']);
  });
});

describe('what is lost is repeated', () => {
  test.each(['readRequest', 'readReply'] as const)('a %s', (type) => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('w', 'x'));
    cluster.deliverAll();
    cluster.read(2, get('r', 'x'));
    if (type === 'readReply') cluster.deliver({ type: 'readRequest' });
    cluster.drop({ type });
    expect(cluster.inFlight()).toBe(0);
    cluster.run(() => cluster.answers(2).length > 0, { atMost: 21 });
    expect(cluster.answers(2)).toEqual(['r after w']);
  });

  test('to all who have not answered, with growing intervals', () => {
    const reader = new CoreReader({ replicas: 5, timing: { retryTicks: 10, maxRetryTicks: 40 } });
    const request = reader.begin(get('r', 'x'));
    reader.reply(2, request);
    const asked: [tick: number, to: ReplicaId[]][] = [];
    for (let tick = 1; tick <= 150; tick += 1) {
      reader.tick(1);
      const requests = reader.requests();
      for (const { message } of requests) expect(message).toEqual(request);
      if (requests.length > 0) asked.push([tick, requests.map(({ to }) => to)]);
    }
    expect(asked).toEqual([10, 30, 70, 110, 150].map((tick) => [tick, [3, 4, 5]]));
  });

  test('at once when a peer goes away', () => {
    const reader = new CoreReader({ replicas: 5 });
    const request = reader.begin(get('r', 'x'));
    reader.reply(2, request);
    reader.replica.setReachable(3, false);
    expect(reader.requests().map(({ to }) => to)).toEqual([3, 4, 5]);
  });

  test('until a majority can be reached again', () => {
    const cluster = new CoreCluster(3);
    cluster.propose(1, put('w', 'x'));
    cluster.deliverAll();
    for (const id of [1, 2]) cluster.crash(id);
    cluster.read(3, get('r', 'x'));
    cluster.tick(500, [3]);
    expect(cluster.answers(3)).toEqual([]);
    cluster.restart(2);
    cluster.run(() => cluster.answers(3).length > 0);
    expect(cluster.answers(3)).toEqual(['r after w']);
  });
});
