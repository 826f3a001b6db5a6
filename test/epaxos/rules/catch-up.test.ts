/** The rule R9.1: replicas tell each other how far they have come, and fetch what they lack. */
import { describe, expect, test } from 'vitest';
import { type Message, Replica } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { commandOf, instance, put } from '../../support/core-operations.ts';

/** Replica 3 has missed `count` commits of replica 1. */
function behind(count: number, options: ConstructorParameters<typeof CoreCluster>[1] = {}): CoreCluster {
  const cluster = new CoreCluster(3, options);
  cluster.isolate(3);
  for (let slot = 1; slot <= count; slot += 1) {
    cluster.propose(1, put(`${slot}`, `key ${slot % 7}`));
    cluster.deliverAll();
  }
  cluster.rejoin(3);
  return cluster;
}

const watermarks = (committed: number[]): Message => ({
  type: 'watermarks',
  committed,
  executed: [0, 0, 0],
  highest: committed,
  pruned: [0, 0, 0],
});

test('R9.1: watermarks go to all, regularly', () => {
  const cluster = behind(3);
  cluster.tick(10, [1]);
  expect(cluster.contents({ type: 'watermarks', to: 2 })).toMatchObject([{ committed: [3, 0, 0] }]);
  expect(cluster.inFlight({ type: 'watermarks' })).toBe(2);
  cluster.tick(9, [1]);
  expect(cluster.inFlight({ type: 'watermarks' })).toBe(2);
  cluster.tick(1, [1]);
  expect(cluster.inFlight({ type: 'watermarks' })).toBe(4);
});

describe('R9.1: fetching', () => {
  test('who is behind for longer than messages take asks for the range that it lacks', () => {
    const cluster = behind(5);
    cluster.replica(3).step(1, watermarks([5, 0, 0]));
    cluster.tick(3, [3]);
    expect(cluster.inFlight({ type: 'fetch' })).toBe(0);
    cluster.tick(1, [3]);
    expect(cluster.contents({ type: 'fetch', to: 1 })).toEqual([
      { type: 'fetch', ranges: [{ replica: 1, from: 1, to: 5 }] },
    ]);
    cluster.deliverAll();
    expect(cluster.log(3)).toEqual(['1', '2', '3', '4', '5']);
  });

  test('what comes meanwhile by itself is not asked for', () => {
    const replica = new Replica({ id: 3, replicas: 3, seed: 1 });
    replica.step(1, watermarks([1, 0, 0]));
    replica.tick();
    replica.step(1, {
      type: 'commit',
      id: instance('1.1'),
      command: commandOf(put('a', 'x')),
      attributes: { seq: 1, deps: [0, 0, 0] },
    });
    for (let tick = 0; tick < 9; tick += 1) replica.tick();
    const { messages } = replica.takeReady();
    expect(messages.filter(({ message }) => message.type === 'fetch')).toEqual([]);
  });

  test('in batches, one after another, without waiting for the next watermarks', () => {
    const cluster = behind(50, { limits: { fetchSlots: 8 } });
    cluster.replica(3).step(1, watermarks([50, 0, 0]));
    cluster.tick(4, [3]);
    const asked: string[] = [];
    for (let batch = 0; batch < 7; batch += 1) {
      for (const message of cluster.contents({ type: 'fetch' })) {
        if (message.type === 'fetch')
          asked.push(message.ranges.map(({ from, to }) => `${from}–${to}`).join());
      }
      cluster.deliver({ type: 'fetch' });
      expect(cluster.inFlight({ type: 'commit' })).toBeLessThanOrEqual(8);
      cluster.deliver({ type: 'commit' });
    }
    expect(asked).toEqual(['1–8', '9–16', '17–24', '25–32', '33–40', '41–48', '49–50']);
    expect(cluster.log(3)).toEqual(cluster.log(1));
  });

  test('only the gap is asked for, not what is committed above it', () => {
    const cluster = behind(4);
    cluster.propose(1, put('5', 'key 5'));
    cluster.deliverAll();
    cluster.replica(3).step(1, watermarks([5, 0, 0]));
    cluster.tick(4, [3]);
    expect(cluster.contents({ type: 'fetch', to: 1 })).toEqual([
      { type: 'fetch', ranges: [{ replica: 1, from: 1, to: 4 }] },
    ]);
  });

  test('who has forgotten what is missing is not asked for it, be it the nearest', () => {
    const replica = new Replica({ id: 1, replicas: 3, seed: 1 });
    replica.setRoundTrip(2, 1);
    replica.setRoundTrip(3, 50);
    for (const peer of [2, 3]) replica.setReachable(peer, true);
    replica.step(2, { ...watermarks([0, 0, 5]), pruned: [0, 0, 3] } as Message);
    replica.step(3, watermarks([0, 0, 5]));
    const asked = new Set<number>();
    for (let tick = 0; tick < 10; tick += 1) {
      replica.tick();
      for (const { to, message } of replica.takeReady().messages) if (message.type === 'fetch') asked.add(to);
    }
    expect([...asked]).toEqual([3]);
  });

  test('if the source does not answer, another is asked', () => {
    const cluster = behind(5);
    cluster.replica(3).step(1, watermarks([5, 0, 0]));
    cluster.tick(4, [3]);
    expect(cluster.inFlight({ type: 'fetch', to: 1 })).toBe(1);
    cluster.crash(1);
    cluster.run(() => cluster.log(3).length === 5);
  });

  test('an answer keeps to its limits, and tells only what is committed', () => {
    const replica = new Replica({ id: 1, replicas: 3, seed: 1, limits: { fetchSlots: 3 } });
    for (const name of ['2.1', '2.2', '2.4', '2.5']) {
      const command = commandOf(put(name, name));
      const deps = [0, 0, 0];
      replica.step(2, { type: 'commit', id: instance(name), command, attributes: { seq: 1, deps } });
    }
    replica.takeReady();
    replica.step(3, { type: 'fetch', ranges: [{ replica: 2, from: 2, to: 1_000_000 }] });
    expect(replica.takeReady().messages.map(({ message }) => 'id' in message && message.id.slot)).toEqual([
      2, 4,
    ]);
  });

  test('an answer ends with the commit that reaches its limit of bytes', () => {
    const command = commandOf(put('a', 'x'));
    const limits = { bytesPerInstance: 2 * command.size };
    const replica = new Replica({ id: 1, replicas: 3, seed: 1, limits });
    for (let slot = 1; slot <= 4; slot += 1) {
      const attributes = { seq: slot, deps: [0, slot - 1, 0] };
      replica.step(2, { type: 'commit', id: { replica: 2, slot }, command, attributes });
    }
    replica.takeReady();
    replica.step(3, { type: 'fetch', ranges: [{ replica: 2, from: 1, to: 4 }] });
    expect(replica.takeReady().messages.map(({ message }) => 'id' in message && message.id.slot)).toEqual([
      1, 2,
    ]);
  });

  test('of what blocks others no more is asked for at once than an answer holds, and the rest after it', () => {
    const replica = new Replica({ id: 1, replicas: 3, seed: 1, limits: { fetchSlots: 3 } });
    replica.setReachable(2, true);
    for (let slot = 1; slot <= 5; slot += 1) {
      const command = commandOf(put(`${slot}`, `key ${slot}`));
      const attributes = { seq: slot, deps: [0, 0, 0] };
      const open = { command, attributes, follower: 1, prompt: false };
      replica.step(2, { type: 'preAccept', id: { replica: 2, slot }, ...open });
      const behind = { seq: slot + 1, deps: [0, slot, 0] };
      replica.step(3, { type: 'commit', id: { replica: 3, slot }, command, attributes: behind });
    }
    const asked: number[][] = [];
    for (let tick = 0; tick < 20; tick += 1) {
      replica.tick();
      for (const { message } of replica.takeReady().messages) {
        if (message.type !== 'fetch') continue;
        asked.push(
          message.ranges.flatMap(({ from, to }) =>
            Array.from({ length: to - from + 1 }, (_, index) => from + index),
          ),
        );
      }
    }
    expect(Math.max(...asked.map((slots) => slots.length))).toBe(3);
    expect(asked.flat().sort()).toEqual([1, 2, 3, 4, 5]);
  });

  test('what gets on by fetching is asked for once, however many answers it takes', () => {
    const cluster = behind(50, { limits: { fetchSlots: 8 } });
    cluster.propose(1, put('51', 'key 51'));
    cluster.deliverAll();
    cluster.crash(1);
    cluster.replica(3).setReachable(1, false);
    cluster.replica(3).step(2, watermarks([50, 0, 0]));
    const asked: number[] = [];
    for (let ticks = 0; ticks < 100 && cluster.log(3).length < 51; ticks += 1) {
      for (const message of cluster.contents({ type: 'fetch', to: 2 })) {
        if (message.type === 'fetch') asked.push(...message.ranges.map(({ from }) => from));
      }
      for (const type of ['fetch', 'commit'] as const)
        if (cluster.inFlight({ type }) > 0) cluster.deliver({ type });
      cluster.tick(1, [3]);
    }
    expect(cluster.log(3).length).toBe(51);
    expect(asked).toEqual([1, 9, 17, 25, 33, 41, 49]);
  });

  test('fetched commits are learned like any other, and a repeated answer is harmless', () => {
    const cluster = behind(3);
    cluster.replica(3).step(1, watermarks([3, 0, 0]));
    cluster.tick(4, [3]);
    cluster.duplicate({ type: 'fetch' });
    cluster.deliverAll();
    expect(cluster.path(3, '1.2')).toBe('learned');
    expect(cluster.log(3)).toEqual(['1', '2', '3']);
  });
});
