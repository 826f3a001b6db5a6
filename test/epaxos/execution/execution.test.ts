/** The executor case by case: what wakes whom, what a component is, and what is asked of its callers (R7.3). */
import { describe, expect, test } from 'vitest';
import { Executor } from '../../../src/epaxos/execution/execution.ts';
import { type InstanceKey, instanceKey } from '../../../src/epaxos/index.ts';
import { ExecutionWorld, keyOf, worldOf } from '../../support/execution-world.ts';

const keys = (...indexes: number[]) => indexes.map(keyOf);

describe('waking', () => {
  test('a star: all that wait on one instance go when it goes, in the order in which they came', () => {
    const world = worldOf([[6], [0], [0], [0], [0], [0], []]);
    for (const index of [3, 1, 5, 2, 4]) world.learn(keyOf(index), 'committed');
    expect(world.settle()).toEqual([]);
    expect([...world.executor.lacks()]).toEqual(keys(0));
    world.learn(keyOf(0), 'committed');
    expect(world.settle()).toEqual([]);
    expect([...world.executor.lacks()]).toEqual(keys(6));
    world.learn(keyOf(6), 'committed');
    expect(world.settle()).toEqual(keys(6, 0, 3, 1, 5, 2, 4));
    expect(world.executor.blocked).toBe(0);
  });

  test('a lack that becomes a no-op is no dependency any more', () => {
    const world = worldOf([[1, 2], [], []]);
    world.learn(keyOf(0), 'committed');
    world.learn(keyOf(2), 'committed');
    expect(world.settle()).toEqual(keys(2));
    world.learn(keyOf(1), 'noOp');
    expect(world.settle()).toEqual(keys(0));
    expect([...world.executor.lacks()]).toEqual([]);
  });

  test('a lack whose command becomes known is waited for only if it interferes', () => {
    const world = new ExecutionWorld();
    world.add(keyOf(0), 1, [{ to: keyOf(2), interferes: false }]);
    world.add(keyOf(1), 1, [{ to: keyOf(2), interferes: true }]);
    world.add(keyOf(2), 1, []);
    world.learn(keyOf(0), 'committed');
    world.learn(keyOf(1), 'committed');
    expect(world.settle()).toEqual([]);
    world.learn(keyOf(2), 'known');
    expect(world.settle()).toEqual(keys(0));
    expect([...world.executor.lacks()]).toEqual(keys(2));
  });

  test('a lack that becomes committed, and is blocked itself', () => {
    const world = worldOf([[1], [2], []]);
    world.learn(keyOf(0), 'committed');
    expect(world.settle()).toEqual([]);
    world.learn(keyOf(1), 'committed');
    expect(world.settle()).toEqual([]);
    expect([...world.executor.lacks()]).toEqual(keys(2));
    expect(world.executor.blocked).toBe(2);
    world.learn(keyOf(2), 'committed');
    expect(world.settle()).toEqual(keys(2, 1, 0));
  });

  test('a diamond: the top after both sides, the sides after the bottom', () => {
    const world = worldOf([[1, 2], [3], [3], []]);
    for (const index of [0, 1, 2]) world.learn(keyOf(index), 'committed');
    expect(world.settle()).toEqual([]);
    world.learn(keyOf(3), 'committed');
    expect(world.settle()).toEqual(keys(3, 1, 2, 0));
  });

  test('two chains that a late instance makes one cycle', () => {
    // 0 → 1 → 2 → 6 and 3 → 4 → 5 → 6, and 6, which comes last, leads to the beginning of both.
    const world = worldOf([[1], [2], [6], [4], [5], [6], [0, 3]], [7, 6, 5, 4, 3, 2, 1]);
    for (const index of [0, 1, 2, 3, 4, 5]) world.learn(keyOf(index), 'committed');
    expect(world.settle()).toEqual([]);
    expect([...world.executor.lacks()]).toEqual(keys(6));
    world.learn(keyOf(6), 'committed');
    expect(world.settle()).toEqual(keys(6, 5, 4, 3, 2, 1, 0));
  });

  test('a cycle grows over what waits on it, and is executed only when it is whole', () => {
    // 0 ⇄ 1 wait on 3 through 1; 2 waits on 0; then 3 turns out to depend on 2.
    const world = worldOf([[1], [0, 3], [0], [2]]);
    for (const index of [0, 1, 2]) world.learn(keyOf(index), 'committed');
    expect(world.settle()).toEqual([]);
    world.learn(keyOf(3), 'committed');
    expect(world.settle()).toEqual(keys(0, 3, 1, 2)); // equal seqs: by replica, then by slot
  });

  test('news of something nobody waits for changes nothing', () => {
    const world = worldOf([[1], [], []]);
    world.learn(keyOf(0), 'committed');
    world.settle();
    world.executor.resolved(keyOf(2));
    expect(world.executor.hasWork).toBe(false);
    expect([...world.executor.lacks()]).toEqual(keys(1));
  });
});

describe('a component', () => {
  test('is ordered by seq, then replica, then slot, compared as numbers', () => {
    const order: (readonly [replica: number, slot: number, seq: number])[] = [
      [3, 1, 9],
      [1, 9, 10],
      [1, 10, 10],
      [2, 2, 10],
      [2, 10, 10],
      [1, 1, 11],
    ];
    const inOrder = order.map(([replica, slot]) => instanceKey({ replica, slot }));
    const world = new ExecutionWorld();
    order.forEach(([, , seq], index) => {
      const to = inOrder[(index + 1) % inOrder.length] ?? 0;
      world.add(inOrder[index] ?? 0, seq, [{ to, interferes: true }]);
    });
    for (const key of inOrder.toReversed()) world.learn(key, 'committed');
    expect(world.settle()).toEqual(inOrder);
  });

  test('is never split between runs, however small the budget', () => {
    const world = worldOf([[1], [2], [0], [0]]);
    for (const index of [0, 1, 2, 3]) world.learn(keyOf(index), 'committed');
    const runs: InstanceKey[][] = [];
    while (world.executor.hasWork) runs.push(world.run(1));
    expect(runs.filter((run) => run.length > 0)).toEqual([keys(0, 1, 2), keys(3)]);
  });

  test('that has nothing to wait for is executed alone, and a self-dependency does not matter', () => {
    const world = worldOf([[0], []]);
    world.learn(keyOf(0), 'committed');
    world.learn(keyOf(1), 'committed');
    expect(world.settle()).toEqual(keys(0, 1));
  });
});

describe('what is withdrawn', () => {
  /** 0 is a lack of 1 and 2, 2 waits on 1; nothing leads to 3, 4 or 5. */
  const graph = [[], [0], [1], [0], [1], []];
  const emptied = ({ executor }: ExecutionWorld) => {
    const { blocked, components, names, parked, forest, queue } = executor;
    return [blocked, components.size, names.size, parked.size, forest.nodes.size, queue.length].join();
  };

  test('leaves a lack to others, and takes it along if nobody else is parked on it', () => {
    const world = worldOf(graph);
    for (const index of [3, 1]) world.learn(keyOf(index), 'committed');
    world.settle();
    world.withdraw(keyOf(3));
    expect([...world.executor.lacks()]).toEqual(keys(0));
    expect(world.executor.blocked).toBe(1);
    world.withdraw(keyOf(1));
    expect([...world.executor.lacks()]).toEqual([]);
    expect(emptied(world)).toBe('0,0,0,0,0,0');
  });

  test('is not woken by what it waited on, while others are', () => {
    const world = worldOf(graph);
    for (const index of [1, 4, 2]) world.learn(keyOf(index), 'committed');
    world.settle();
    world.withdraw(keyOf(4));
    expect(world.executor.forest.root(keyOf(2))).toBe(keyOf(1));
    world.learn(keyOf(0), 'committed');
    expect(world.settle()).toEqual(keys(0, 1, 2));
    expect(emptied(world)).toBe('0,0,0,0,0,0');
  });

  test('is passed over if it could go on', () => {
    const world = worldOf(graph);
    for (const index of [5, 0]) world.learn(keyOf(index), 'committed');
    world.withdraw(keyOf(5));
    expect(world.settle()).toEqual(keys(0));
    expect(emptied(world)).toBe('0,0,0,0,0,0');
  });

  test('is nothing that others wait on', () => {
    const world = worldOf(graph);
    for (const index of [1, 2]) world.learn(keyOf(index), 'committed');
    world.settle();
    expect(() => world.withdraw(keyOf(1))).toThrow('cannot be withdrawn');
    expect(() => world.withdraw(keyOf(3))).toThrow('never handed over');
  });
});

test('a copy goes on like the original, and neither disturbs the other', () => {
  const graph = [[1, 7], [2], [0, 3], [4], [8], [3, 0], [5], [], [9], []];
  const original = worldOf(graph);
  for (let index = 0; index < 7; index += 1) original.learn(keyOf(index), 'committed');
  original.run(6);
  expect(original.executor.hasWork).toBe(true);

  const copy = worldOf(graph);
  for (const [key, { knowledge }] of original.instances) {
    copy.instances.set(key, { ...instanceOf(copy, key), knowledge });
  }
  copy.executor = copyOf(original.executor);
  expect(copy.executor).toEqual(original.executor);
  expect(copy.executor).toBeInstanceOf(Executor);
  for (const world of [original, copy]) {
    for (const index of [7, 8, 9]) world.learn(keyOf(index), 'committed');
    world.settle();
    expect(world.executor.blocked).toBe(0);
  }
  expect(copy.order).toHaveLength(10);
  expect(copy.order).toEqual(original.order);
});

function instanceOf(world: ExecutionWorld, key: InstanceKey) {
  const instance = world.instances.get(key);
  if (instance === undefined) throw new Error(`no instance ${key}`);
  return instance;
}

/** A deep copy of a tree of maps, sets, arrays and objects; nothing in it may be shared. */
function copyOf<T>(value: T): T;
function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => copyOf(each));
  if (value instanceof Map) return new Map([...value].map(([key, each]) => [key, copyOf(each)]));
  if (value instanceof Set) return new Set([...value].map((each) => copyOf(each)));
  const copy: object = Object.create(Object.getPrototypeOf(value));
  return Object.assign(
    copy,
    Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copyOf(each)])),
  );
}

describe('misuse ends the program', () => {
  test('an instance handed over twice', () => {
    const world = worldOf([[]]);
    world.learn(keyOf(0), 'committed');
    expect(() => world.executor.committed(keyOf(0))).toThrow('committed twice');
  });

  test('an edge to an instance that was not handed over', () => {
    const executor = new Executor();
    executor.committed(keyOf(0));
    const source = {
      next: () => keyOf(1),
      seq: () => 1,
      executed: () => undefined,
    };
    expect(() => executor.run(source, 1)).toThrow('never handed over');
  });

  test('a lack that was handed over as committed', () => {
    const executor = new Executor();
    executor.committed(keyOf(0));
    executor.committed(keyOf(1));
    const source = {
      next: () => -keyOf(1),
      seq: () => 1,
      executed: () => undefined,
    };
    expect(() => executor.run(source, 1)).toThrow('no lack');
  });
});
