/** R9.2: how much is forgotten at once. */
import { expect, test } from 'vitest';
import { type Message, Replica, type ReplicaOptions } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import { commandOf, put } from '../../support/core-operations.ts';

const EXECUTED = [50_000, 0, 0];

/** Says of a peer that it has all committed, and so much executed. */
function watermarks(executed: readonly number[]): Message {
  return { type: 'watermarks', committed: EXECUTED, executed, highest: EXECUTED, pruned: [0, 0, 0] };
}

/** Replica 1 has executed 50,000 slots of row 1. */
function full(options: Partial<ReplicaOptions> = {}): Replica {
  const replica = new Replica({ id: 1, replicas: 3, seed: 1, timing: { flushTicks: 1 }, ...options });
  const command = commandOf(put('a', 'x'));
  for (let slot = 1; slot <= 50_000; slot += 1) {
    const attributes = { seq: slot, deps: [slot - 1, 0, 0] };
    replica.step(2, { type: 'commit', id: { replica: 1, slot }, command, attributes });
  }
  while (replica.hasReady()) replica.takeReady();
  for (let tick = 0; tick < 20; tick += 1) {
    replica.tick();
    replica.takeReady();
  }
  expect(replica.state.durablyExecuted).toEqual(EXECUTED);
  expect(replica.state.space.row(1).pruned).toBe(0);
  return replica;
}

/** How many slots of row 1 are forgotten in each turn, until all of it is. */
function forget(replica: Replica, turn: () => void): number[] {
  const turns: number[] = [];
  for (let before = 0; before < 50_000; ) {
    turn();
    const upTo = replica.takeReady().pruned?.pruned[0] ?? before;
    turns.push(upTo - before);
    before = upTo;
  }
  return turns;
}

test('R9.2: a bounded number of slots a turn, however many ticks the turn makes up for', () => {
  const replica = full();
  for (const from of [2, 3]) replica.step(from, watermarks(EXECUTED));
  const turns = forget(replica, () => {
    for (let slept = 0; slept < 25; slept += 1) replica.tick();
  });
  expect(turns).toEqual([...Array<number>(12).fill(4_096), 50_000 - 12 * 4_096]);
});

test('R9.2: what is forgotten without a silent replica shares that bound with what all have executed', () => {
  const replica = full({
    timing: { flushTicks: 1, silentTicks: 30 },
    limits: { prunedPerTurn: 100, retainedInstances: 10_000 },
  });
  replica.step(3, watermarks([20_000, 0, 0]));
  const turns = forget(replica, () => {
    replica.step(2, watermarks(EXECUTED));
    replica.tick();
  });
  expect(turns).toEqual(Array<number>(500).fill(100));
});

test('R9.2: nothing is forgotten without a silent replica while something is open of which only this one has heard', () => {
  const replica = full({
    timing: { flushTicks: 1, silentTicks: 30 },
    limits: { retainedInstances: 10_000 },
  });
  const id = { replica: 3, slot: 1 };
  const command = commandOf(put('b', 'y'));
  const attributes = { seq: 1, deps: [0, 0, 0] };
  replica.step(3, { type: 'preAccept', id, command, attributes, follower: 1, prompt: false });
  const pass = (ticks: number) => {
    for (let tick = 0; tick < ticks; tick += 1) {
      replica.step(2, watermarks(EXECUTED));
      replica.tick();
      replica.takeReady();
    }
    return replica.state.space.row(1).pruned;
  };
  expect(pass(100)).toBe(0);
  replica.step(3, { type: 'commit', id, command, attributes });
  expect(pass(10)).toBeGreaterThan(0);
});

test('R9.1: one turn tells the peers once, however many ticks it makes up for', () => {
  const cluster = new CoreCluster(3);
  const replica = cluster.replica(1);
  for (let slept = 0; slept < 25; slept += 1) replica.tick();
  cluster.turn(1);
  expect(cluster.messages({ type: 'watermarks', from: 1 }).map((line) => line[2])).toEqual(['2', '3']);
});
