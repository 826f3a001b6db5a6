/**
 * What must come before what, as a graph: between operations, and instants that only carry real time from one to
 * another. A cycle in it says that no order exists.
 */
import { assert } from '../../../src/util/assert.ts';

/** A node, by its number. */
export type Node = number;

interface Edge {
  readonly from: Node;
  readonly to: Node;
  readonly why: string;
}

/** A step on a cycle: an operation, and why it must come before that of the next step. */
export interface Step<T> {
  readonly operation: T;
  readonly why: string;
}

/** From so many operations of the first cycle that is met a shorter one is looked for. */
const MAX_STARTS = 64;

export class PrecedenceGraph<T> {
  /** By node; null for an instant. */
  readonly #operations: (T | null)[] = [];
  /** By node: those that lead away from it. */
  readonly #edges: Edge[][] = [];

  /** A node for an operation. */
  addOperation(operation: T): Node {
    return this.#add(operation);
  }

  /** A node for an instant. Instants alone must not form a cycle. */
  addInstant(): Node {
    return this.#add(null);
  }

  /** @param edge.why reads as a sentence between the two: "… was answered before …" */
  addEdge(edge: Edge): void {
    this.#edgesOf(edge.from).push(edge);
  }

  /**
   * The operations of a cycle in its order, the last one before the first, as few as can be found from one that was met;
   * null if there is no cycle. It takes time linear in the nodes and edges.
   */
  findCycle(): Step<T>[] | null {
    const cycle = this.#anyCycle();
    if (cycle === null) return null;
    const starts = cycle.filter((node) => !this.#isInstant(node));
    let smallest: Edge[] | null = null;
    for (const start of starts.slice(0, MAX_STARTS)) {
      const found = this.#cycleThrough(start);
      if (smallest === null || this.#steps(found).length < this.#steps(smallest).length) smallest = found;
    }
    assert(smallest !== null, 'instants alone form no cycle');
    return this.#steps(smallest);
  }

  #add(operation: T | null): Node {
    this.#operations.push(operation);
    this.#edges.push([]);
    return this.#edges.length - 1;
  }

  /** The nodes of some cycle; null if all can be put in order. */
  #anyCycle(): Node[] | null {
    const left = this.#notOrdered();
    const [first] = left;
    if (first === undefined) return null;
    // Whatever is left has something before it that is left.
    const before = new Map<Node, Node>();
    for (const node of left) for (const { to } of this.#edgesOf(node)) before.set(to, node);
    const path = new Set<Node>();
    let node = first;
    while (!path.has(node)) {
      path.add(node);
      const next = before.get(node);
      assert(next !== undefined, 'what is left waits for something');
      node = next;
    }
    const nodes = [...path];
    return nodes.slice(nodes.indexOf(node));
  }

  /** The nodes that are on a cycle, or behind one, after all others have been put in order. */
  #notOrdered(): Set<Node> {
    const waitsFor = new Int32Array(this.#edges.length);
    for (const edges of this.#edges) for (const { to } of edges) waitsFor[to] = (waitsFor[to] ?? 0) + 1;
    const left = new Set(this.#edges.keys());
    const free = [...left].filter((node) => waitsFor[node] === 0);
    for (let node = free.pop(); node !== undefined; node = free.pop()) {
      left.delete(node);
      for (const { to } of this.#edgesOf(node)) {
        waitsFor[to] = (waitsFor[to] ?? 0) - 1;
        if (waitsFor[to] === 0) free.push(to);
      }
    }
    return left;
  }

  /** The cycle with the fewest operations of those that lead through a node: a search in breadth, where instants cost nothing. */
  #cycleThrough(start: Node): Edge[] {
    const reachedBy = new Map<Node, Edge>();
    for (let level = [start]; level.length > 0; ) {
      const next: Node[] = [];
      // Instants join the level that is being gone through.
      for (const node of level) {
        for (const edge of this.#edgesOf(node)) {
          if (reachedBy.has(edge.to)) continue;
          reachedBy.set(edge.to, edge);
          if (edge.to === start) return pathBack(reachedBy, start);
          (this.#isInstant(edge.to) ? level : next).push(edge.to);
        }
      }
      level = next;
    }
    throw new RangeError(`node ${start} is on no cycle`);
  }

  #steps(cycle: readonly Edge[]): Step<T>[] {
    return cycle.flatMap(({ from, why }) => {
      const operation = this.#operations[from] ?? null;
      return operation === null ? [] : { operation, why };
    });
  }

  #isInstant(node: Node): boolean {
    return this.#operations[node] === null;
  }

  #edgesOf(node: Node): Edge[] {
    const edges = this.#edges[node];
    assert(edges !== undefined, 'a node of this graph');
    return edges;
  }
}

/** The edges that lead from a node back to itself, in their order. */
function pathBack(reachedBy: ReadonlyMap<Node, Edge>, start: Node): Edge[] {
  const path: Edge[] = [];
  let node = start;
  do {
    const edge = reachedBy.get(node);
    assert(edge !== undefined, 'every node on the way was reached');
    path.push(edge);
    node = edge.from;
  } while (node !== start);
  return path.reverse();
}
