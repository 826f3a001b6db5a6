/** A dependency graph of which a replica learns bit by bit, and an executor that works on it. */
import {
  type Dependency,
  type DependencySource,
  Executor,
  type Exploration,
} from '../../src/epaxos/execution/execution.ts';
import { type InstanceKey, instanceKey } from '../../src/epaxos/index.ts';
import type { GraphEdge, GraphInstance, Knowledge } from './execution-oracle.ts';

interface WorldInstance extends GraphInstance {
  knowledge: Knowledge;
  executed: boolean;
}

export class ExecutionWorld implements DependencySource {
  readonly instances = new Map<InstanceKey, WorldInstance>();
  executor = new Executor();
  /** Everything executed so far, in order. */
  readonly order: InstanceKey[] = [];
  /** What the calls of `next` were in number: the measure of the work done. */
  questions = 0;
  edges = 0;

  add(key: InstanceKey, seq: number, dependencies: readonly GraphEdge[]): void {
    this.instances.set(key, { key, seq, dependencies, knowledge: 'unknown', executed: false });
    this.edges += dependencies.length;
  }

  /** The replica learns more of an instance, and tells the executor. */
  learn(key: InstanceKey, knowledge: Knowledge): void {
    this.#instance(key).knowledge = knowledge;
    if (knowledge === 'committed') this.executor.committed(key);
    else this.executor.resolved(key);
  }

  /** What nothing leads to is not to be executed any more. */
  withdraw(key: InstanceKey): void {
    this.#instance(key).knowledge = 'unknown';
    this.executor.withdraw(key);
  }

  /** Runs with a budget; returns what this run executed. */
  run(budget: number): InstanceKey[] {
    const before = this.order.length;
    const executed = this.executor.run(this, budget);
    if (executed.join() !== this.order.slice(before).join()) throw new Error('returned is not executed');
    return executed;
  }

  /** Runs until no work is left; returns what was executed meanwhile. */
  settle(): InstanceKey[] {
    const before = this.order.length;
    while (this.executor.hasWork) this.run(1000);
    return this.order.slice(before);
  }

  next(exploration: Exploration): Dependency {
    this.questions += 1;
    const { dependencies } = this.#instance(exploration.key);
    for (; exploration.place < dependencies.length; exploration.place += 1) {
      const edge = dependencies[exploration.place];
      if (edge === undefined) break;
      const { knowledge, executed } = this.#instance(edge.to);
      if (knowledge === 'unknown') return -edge.to;
      if (!edge.interferes || knowledge === 'noOp' || executed) continue;
      if (knowledge === 'known') return -edge.to;
      exploration.place += 1;
      return edge.to;
    }
    return 0;
  }

  seq(key: InstanceKey): number {
    return this.#instance(key).seq;
  }

  executed(key: InstanceKey): void {
    const instance = this.#instance(key);
    if (instance.executed) throw new Error(`${key} executed twice`);
    instance.executed = true;
    this.order.push(key);
  }

  #instance(key: InstanceKey): WorldInstance {
    const instance = this.instances.get(key);
    if (instance === undefined) throw new Error(`no instance ${key} in this world`);
    return instance;
  }
}

/** The keys of instances spread over three rows: 1.1, 2.1, 3.1, 1.2, … */
export function keyOf(index: number): InstanceKey {
  return instanceKey({ replica: (index % 3) + 1, slot: Math.floor(index / 3) + 1 });
}

/** An edge to an interfering instance. */
export function edgeTo(index: number): GraphEdge {
  return { to: keyOf(index), interferes: true };
}

/** A world of instances 0, 1, … with these dependencies; the seq of each is 1 unless told. */
export function worldOf(
  dependencies: readonly (readonly number[])[],
  seqs: readonly number[] = [],
): ExecutionWorld {
  const world = new ExecutionWorld();
  dependencies.forEach((each, index) => {
    world.add(keyOf(index), seqs[index] ?? 1, each.map(edgeTo));
  });
  return world;
}
