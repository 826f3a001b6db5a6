/** The order of execution (R7.1, R7.2), against its definition, in small graphs. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { InstanceKey } from '../../../src/epaxos/index.ts';
import { expectedExecution, type GraphEdge, type Knowledge } from '../../support/execution-oracle.ts';
import { ExecutionWorld, keyOf, worldOf } from '../../support/execution-world.ts';

describe('any graph, learned in any order, in slices of any size', () => {
  /** One thing that the replica learns, and how far it runs afterwards; null: until no work is left. */
  interface Step {
    readonly index: number;
    readonly knowledge: Knowledge;
    readonly budget: number | null;
  }
  interface Scenario {
    readonly seqs: readonly number[];
    readonly dependencies: readonly (readonly GraphEdge[])[];
    readonly steps: readonly Step[];
  }

  const scenarios = fc
    .record({ size: fc.integer({ min: 1, max: 12 }), density: fc.constantFrom(0.1, 0.2, 0.4, 0.8) })
    .chain(({ size, density }): fc.Arbitrary<Scenario> => {
      const index = fc.nat({ max: size - 1 });
      const edge = fc.record({
        to: index.map(keyOf),
        interferes: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.constant(false)),
      });
      const knowledge = fc.oneof(
        { weight: 6, arbitrary: fc.constant<Knowledge>('committed') },
        fc.constantFrom<Knowledge>('known', 'noOp', 'unknown'),
      );
      const budget = fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 2 * size }));
      return fc.record({
        seqs: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: size, maxLength: size }),
        dependencies: fc.array(
          fc.uniqueArray(edge, { maxLength: Math.ceil(density * size), selector: ({ to }) => to }),
          { minLength: size, maxLength: size },
        ),
        steps: fc.array(fc.record({ index, knowledge, budget }), { maxLength: 4 * size }),
      });
    });

  const rank: Record<Knowledge, number> = { unknown: 0, known: 1, committed: 2, noOp: 2 };

  test('everything that can be executed is, and nothing else, in the order of R7.1', () => {
    let componentsSeen = 0;
    let largestSeen = 0;
    let blockedSeen = 0;
    fc.assert(
      fc.property(scenarios, ({ seqs, dependencies, steps }) => {
        const world = new ExecutionWorld();
        dependencies.forEach((edges, index) => {
          world.add(keyOf(index), seqs[index] ?? 1, edges);
        });
        for (const { index, knowledge, budget } of steps) {
          const key = keyOf(index);
          const current = world.instances.get(key)?.knowledge ?? 'unknown';
          if (rank[knowledge] > rank[current]) world.learn(key, knowledge);
          else world.executor.resolved(key); // news that changes nothing
          checkRun(world, budget);
        }
        checkRun(world, null);
        const { components, blocked } = expectedExecution([...world.instances.values()]);
        componentsSeen += components.length;
        largestSeen = Math.max(largestSeen, ...components.map((each) => each.length));
        blockedSeen += blocked.size;
      }),
      { numRuns: 5000 },
    );
    // The graphs are worth the trouble: they execute, they block, and they have cycles.
    expect(componentsSeen).toBeGreaterThan(5000);
    expect(blockedSeen).toBeGreaterThan(1000);
    expect(largestSeen).toBeGreaterThan(4);
  });

  test('what is withdrawn might as well never have been there', () => {
    const size = 12;
    const node = fc.nat({ max: size - 1 });
    const graphs = fc.array(fc.array(node, { maxLength: 3 }), { minLength: size, maxLength: size });
    // Nothing leads to what comes after the graph.
    const extras = fc.array(fc.array(node, { minLength: 1, maxLength: 3 }), { minLength: 5, maxLength: 5 });
    const index = fc.oneof(node, fc.integer({ min: size, max: size + 4 }));
    const step = fc.record({ index, budget: fc.nat({ max: 4 }) });
    const steps = fc.array(step, { minLength: 10, maxLength: 40 });
    let withdrawn = 0;
    fc.assert(
      fc.property(graphs, extras, steps, (graph, more, todo) => {
        const world = worldOf([...graph, ...more]);
        const known = new Set<number>();
        for (const { index: next, budget } of todo) {
          const key = keyOf(next);
          if (!known.has(next)) {
            known.add(next);
            world.learn(key, 'committed');
          } else if (next >= size && world.executor.components.has(key)) {
            world.withdraw(key);
            withdrawn += 1;
          }
          checkRun(world, budget);
        }
        checkRun(world, null);
        for (const key of world.executor.forest.nodes.keys()) {
          expect(world.executor.components.has(world.executor.names.get(key) ?? key)).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
    expect(withdrawn).toBeGreaterThan(1000);
  });

  function checkRun(world: ExecutionWorld, budget: number | null): void {
    const before = new Set(world.order);
    const questionsBefore = world.questions;
    const executed = budget === null ? world.settle() : world.run(budget);
    const expected = expectedExecution([...world.instances.values()]);
    const last = checkOrder(world, expected.components, { before, executed });
    if (budget !== null) {
      const spent = world.questions - questionsBefore + executed.length;
      expect(spent).toBeLessThanOrEqual(Math.max(budget, budget - 1 + last));
    }
    const committed = [...world.instances.values()].filter((each) => each.knowledge === 'committed');
    expect(world.executor.blocked).toBe(committed.length - world.order.length);
    if (world.executor.hasWork) return;

    expect([...world.order].sort()).toEqual(expected.components.flat().sort());
    const lacks = [...world.executor.lacks()];
    expect(new Set(lacks).size).toBe(lacks.length);
    const all = new Set([...expected.blocked.values()].flatMap((each) => [...each]));
    expect(lacks.filter((lack) => !all.has(lack))).toEqual([]);
    for (const needed of expected.blocked.values()) expect(lacks.some((lack) => needed.has(lack))).toBe(true);
  }

  /** Whole components, in their own order, each after all it depends on; returns the size of the last. */
  function checkOrder(
    world: ExecutionWorld,
    components: readonly (readonly InstanceKey[])[],
    run: { readonly before: ReadonlySet<InstanceKey>; readonly executed: readonly InstanceKey[] },
  ): number {
    const done = new Set(run.before);
    let last = 0;
    for (let at = 0; at < run.executed.length; at += last) {
      const component = components.find((each) => each[0] === run.executed[at]) ?? [];
      expect(run.executed.slice(at, at + component.length)).toEqual(component);
      for (const key of component) done.add(key);
      for (const key of component) {
        for (const { to, interferes } of world.instances.get(key)?.dependencies ?? []) {
          const isEdge = interferes && world.instances.get(to)?.knowledge === 'committed';
          if (isEdge) expect(done.has(to)).toBe(true);
        }
      }
      last = component.length;
      expect(last).toBeGreaterThan(0);
    }
    return last;
  }
});

test('slices of one step give the order of one long run', () => {
  const dependencies = fc.array(fc.array(fc.nat({ max: 29 }), { maxLength: 3 }), {
    minLength: 30,
    maxLength: 30,
  });
  fc.assert(
    fc.property(dependencies, (graph) => {
      const [sliced, whole] = [worldOf(graph), worldOf(graph)];
      for (const world of [sliced, whole]) {
        for (const index of graph.keys()) world.learn(keyOf(index), 'committed');
      }
      while (sliced.executor.hasWork) sliced.run(1);
      whole.run(Number.POSITIVE_INFINITY);
      expect(whole.executor.hasWork).toBe(false);
      expect(whole.order).toHaveLength(30);
      expect(sliced.order).toEqual(whole.order);
    }),
    { numRuns: 500 },
  );
});
