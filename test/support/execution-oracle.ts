/**
 * What must be executed, and in which groups, by the definition (R7.1, R7.2): reachability over the whole
 * graph, in cubic time. Shares nothing with the executor but the numbering of instances.
 */
import { type InstanceKey, instanceOfKey } from '../../src/epaxos/index.ts';

/** What a replica knows of an instance; `known` means the command, in a status below committed. */
export type Knowledge = 'unknown' | 'known' | 'committed' | 'noOp';

export interface GraphEdge {
  readonly to: InstanceKey;
  /** False for an instance that is in the deps but does not interfere. */
  readonly interferes: boolean;
}

export interface GraphInstance {
  readonly key: InstanceKey;
  readonly seq: number;
  readonly knowledge: Knowledge;
  readonly dependencies: readonly GraphEdge[];
}

export interface Expectation {
  /** The strongly connected components of all that can be executed, each in its order. */
  readonly components: readonly (readonly InstanceKey[])[];
  /** For each committed instance that must wait, all that it reaches and that is not resolved. */
  readonly blocked: ReadonlyMap<InstanceKey, ReadonlySet<InstanceKey>>;
}

export function expectedExecution(instances: readonly GraphInstance[]): Expectation {
  const byKey = new Map(instances.map((each) => [each.key, each]));
  const committed = instances.filter((each) => each.knowledge === 'committed');
  const isLack = ({ to, interferes }: GraphEdge) => {
    const { knowledge } = byKey.get(to) ?? { knowledge: 'unknown' };
    return knowledge === 'unknown' || (knowledge === 'known' && interferes);
  };

  const reach = new Map(committed.map((each) => [each.key, new Set([each.key])]));
  for (const { key, dependencies } of committed) {
    for (const { to, interferes } of dependencies) {
      if (interferes && byKey.get(to)?.knowledge === 'committed') reach.get(key)?.add(to);
    }
  }
  for (const middle of reach.keys()) {
    for (const reached of reach.values()) {
      if (reached.has(middle)) for (const to of reach.get(middle) ?? []) reached.add(to);
    }
  }
  const reaches = (from: InstanceKey, to: InstanceKey) => reach.get(from)?.has(to) ?? false;

  const blocked = new Map<InstanceKey, Set<InstanceKey>>();
  for (const { key } of committed) {
    const lacks = new Set<InstanceKey>();
    for (const reached of reach.get(key) ?? []) {
      for (const edge of byKey.get(reached)?.dependencies ?? []) if (isLack(edge)) lacks.add(edge.to);
    }
    if (lacks.size > 0) blocked.set(key, lacks);
  }

  const components: InstanceKey[][] = [];
  for (const { key } of committed) {
    if (blocked.has(key)) continue;
    const component = components.find(([member]) => {
      return member !== undefined && reaches(key, member) && reaches(member, key);
    });
    if (component === undefined) components.push([key]);
    else component.push(key);
  }
  const rank = (key: InstanceKey) => {
    const { replica, slot } = instanceOfKey(key);
    return [byKey.get(key)?.seq ?? 0, replica, slot];
  };
  for (const component of components) component.sort((a, b) => compareLists(rank(a), rank(b)));
  return { components, blocked };
}

function compareLists(left: readonly number[], right: readonly number[]): number {
  for (const [index, one] of left.entries()) {
    const difference = one - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
