/** Large graphs: the work is bounded by the size of the graph, whatever the order of commits (R7.3). */
import { describe, expect, test } from 'vitest';
import type { Executor } from '../../../src/epaxos/execution/execution.ts';
import { type InstanceKey, instanceOfKey } from '../../../src/epaxos/index.ts';
import { Prng } from '../../../src/util/prng.ts';
import { countReads } from '../../support/count-reads.ts';
import { ExecutionWorld, edgeTo, keyOf, worldOf } from '../../support/execution-world.ts';

const SIZE = 100_000;

const indexes = Array.from({ length: SIZE }, (_, index) => index);
const orders = {
  'in order': indexes,
  'in reverse': indexes.toReversed(),
  'in random order': shuffled(indexes, 11),
};
const pace = { 'running after each': 1, 'running at the end': SIZE };
const cases = Object.entries(orders).flatMap(([order, commits]) =>
  Object.entries(pace).map(([when, every]) => ({ order, commits, when, every })),
);

function shuffled(values: readonly number[], seed: number): number[] {
  const prng = new Prng(seed);
  const result = [...values];
  for (let index = result.length - 1; index > 0; index -= 1) {
    const other = prng.integer(0, index);
    [result[index], result[other]] = [result[other] ?? 0, result[index] ?? 0];
  }
  return result;
}

interface Reads {
  readonly forest: () => number;
  readonly components: () => number;
}

function countAllReads(executor: Executor): Reads {
  return { forest: countReads(executor.forest.nodes), components: countReads(executor.components) };
}

/** @param size the number of instances and edges */
function checkReads(reads: Reads, size: number): void {
  expect(reads.forest()).toBeLessThan(5 * size * Math.log2(size));
  expect(reads.components()).toBeLessThan(5 * size);
}

/** Commits all in an order, settling after every few. Everything must be executed in the end. */
function play(world: ExecutionWorld, commits: readonly number[], every: number): void {
  const reads = countAllReads(world.executor);
  commits.forEach((index, position) => {
    world.learn(keyOf(index), 'committed');
    if ((position + 1) % every === 0) world.settle();
  });
  world.settle();
  expect(world.order).toHaveLength(commits.length);
  expect(world.executor.blocked).toBe(0);
  // One question for each instance ("done"), one for each edge, and one more if it was a lack.
  expect(world.questions).toBeLessThanOrEqual(commits.length + 2 * world.edges);
  const size = commits.length + world.edges;
  checkReads(reads, size);
  // Nothing is left behind.
  const { components, names, parked, forest, queue } = world.executor;
  expect([components.size, names.size, parked.size, forest.nodes.size, queue.length]).toEqual([
    0, 0, 0, 0, 0,
  ]);
}

describe(`a chain of ${SIZE}`, () => {
  test.each(cases)('committed $order, $when', ({ commits, every }) => {
    const world = worldOf(indexes.map((index) => (index === 0 ? [] : [index - 1])));
    play(world, commits, every);
    expect(world.order).toEqual(indexes.map(keyOf));
  });
});

describe(`a cycle of ${SIZE}`, () => {
  test.each(cases)('committed $order, $when', ({ commits, every }) => {
    const world = worldOf(indexes.map((index) => [(index + SIZE - 1) % SIZE]));
    play(world, commits, every);
    expect(world.order).toEqual([...world.order].sort(byReplicaThenSlot));
  });
});

function byReplicaThenSlot(left: InstanceKey, right: InstanceKey): number {
  const [one, other] = [instanceOfKey(left), instanceOfKey(right)];
  return one.replica - other.replica || one.slot - other.slot;
}

describe('many edges', () => {
  test.each(cases)('committed $order, $when', ({ commits, every }) => {
    // Each depends on a few before it and, now and then, on one after it: components of all sizes.
    const prng = new Prng(3);
    const graph = indexes.map((index) => {
      const before = Array.from({ length: Math.min(index, 4) }, (_, back) => index - 1 - back);
      return prng.next() < 0.2 ? [...before, Math.min(SIZE - 1, index + prng.integer(1, 6))] : before;
    });
    play(worldOf(graph), commits, every);
  });
});

describe('a long chain that goes on slowly, while others attach to its far end', () => {
  /**
   * Instance k of the chain waits on k − 1, and on a gate of its own. Each of the others has a gate of its
   * own, then the chain's far end, and one that waits on it, so that it might close a cycle.
   */
  test('whoever attaches does not walk along the chain', () => {
    const size = 20_000;
    const world = new ExecutionWorld();
    const gate = (index: number) => 2 * size + index;
    const otherGate = (index: number) => 3 * size + index;
    const other = (index: number) => size + index;
    const behind = (index: number) => 4 * size + index;
    for (let index = 0; index < size; index += 1) {
      world.add(keyOf(index), 1, index === 0 ? [edgeTo(gate(0))] : [edgeTo(index - 1), edgeTo(gate(index))]);
      world.add(keyOf(other(index)), 1, [edgeTo(otherGate(index)), edgeTo(size - 1)]);
      world.add(keyOf(behind(index)), 1, [edgeTo(other(index))]);
      for (const lack of [gate(index), otherGate(index)]) world.add(keyOf(lack), 1, []);
    }
    const reads = countAllReads(world.executor);
    for (const place of [(index: number) => index, other, behind]) {
      for (let index = 0; index < size; index += 1) world.learn(keyOf(place(index)), 'committed');
      world.settle();
    }
    for (let index = 0; index < size; index += 1) {
      world.learn(keyOf(otherGate(index)), 'noOp');
      world.settle();
      world.learn(keyOf(gate(index)), 'noOp');
      const executed = world.settle();
      if (index < size - 1) expect(executed).toEqual([keyOf(index)]);
    }
    expect(world.order).toHaveLength(3 * size);
    expect(world.executor.blocked).toBe(0);
    const total = 3 * size + world.edges;
    expect(world.questions).toBeLessThanOrEqual(3 * size + 2 * world.edges);
    checkReads(reads, total);
  });
});

test('a lack that thousands wait for wakes each of them once', () => {
  const world = worldOf([[], ...indexes.slice(1).map(() => [0])]);
  for (const index of indexes.slice(1)) world.learn(keyOf(index), 'committed');
  world.settle();
  expect([...world.executor.lacks()]).toEqual([keyOf(0)]);
  expect(world.questions).toBe(SIZE - 1);
  world.learn(keyOf(0), 'committed');
  world.settle();
  expect(world.order).toEqual(indexes.map(keyOf));
  expect(world.questions).toBeLessThanOrEqual(SIZE + 2 * world.edges);
});

describe('thousands that are withdrawn', () => {
  test.each([
    ['are parked on one lack', [[], ...indexes.slice(1).map(() => [0])], 0],
    ['wait on one instance', [[1], [], ...indexes.slice(2).map(() => [0])], 1],
  ])('%s', (_, graph, first) => {
    const world = worldOf(graph);
    const others = shuffled(indexes.slice(first + 1), 5);
    if (first > 0) world.learn(keyOf(0), 'committed');
    for (const index of others) world.learn(keyOf(index), 'committed');
    world.settle();
    const { components, parked, forest, names } = world.executor;
    const reads = countAllReads(world.executor);
    for (const index of shuffled(others, 6)) world.withdraw(keyOf(index));
    checkReads(reads, SIZE);
    expect([components.size, parked.size, names.size]).toEqual([first, first, 0]);
    expect(forest.nodes.size).toBeLessThanOrEqual(first);
    world.learn(keyOf(first), 'committed');
    expect(world.settle()).toHaveLength(first + 1);
    expect([components.size, forest.nodes.size]).toEqual([0, 0]);
  });
});
