/**
 * The order of execution (protocol.md section 7): strongly connected components of the dependency graph,
 * a component after all that it depends on. Knows only keys, edges and seqs.
 *
 * It is a search for strongly connected components that can be suspended at any edge. Every committed
 * instance begins as a component of its own, whose edges are explored one after another until one leads
 * out of it to something that is not executed. Then the component waits: on a lack, until that is
 * resolved, or on the component at the other end. If that one waits in the end on the component that
 * asks, everything between them is one cycle: it becomes one component, which goes on exploring. A
 * component without edges left to explore is executed, and whoever waits on it goes on after the edge it
 * stopped at. So every edge is visited once, and a lack once for each time it is resolved.
 *
 * Why the order is right:
 * - A component is strongly connected: it only grows by closing a cycle of edges between its parts.
 * - When its edges are explored, each led back into it or to something executed by now. Hence it is a whole
 *   strongly connected component: whatever else it reaches was executed before it, and cannot reach it,
 *   for then it would have had to wait for it. Hence, too, whatever it reaches is executed before it.
 * - Nothing that could be executed stays behind: without work left, every component waits, in the end, on
 *   one that is parked on a lack, and does depend on that lack.
 */
import { assert } from '../../util/assert.ts';
import { type InstanceKey, instanceOfKey } from '../model/types.ts';
import { WaitingForest } from './execution-forest.ts';

/**
 * What an instance waits for next, as one number, since this is asked so often:
 * - 0: nothing more.
 * - The key of an instance: an edge to it. It interferes, and is committed with a command and not executed.
 * - Minus the key of an instance: a lack, which may be or become an edge.
 */
export type Dependency = number;

/** A member whose edges are still to be explored, and how far they are; what the place and offset mean is the source's own. */
export interface Exploration {
  readonly key: InstanceKey;
  place: number;
  offset: number;
}

/** What the executor needs to know of the instances. */
export interface DependencySource {
  /**
   * The first dependency of a committed instance from the place and offset on (0 and 0 to begin with), in a fixed
   * order, leaving out what is executed or cannot be an edge (R7.1, R7.2). An order from the newest slot to the oldest
   * is best: once the newest is executed, most of the others are too.
   *
   * Moves the exploration behind an edge; but never behind a lack, which is looked at again once it is resolved.
   */
  next(exploration: Exploration): Dependency;
  /** The seq of a committed instance. */
  seq(key: InstanceKey): number;
  /** `key` is executed now. From this call on `next` must not report it. */
  executed(key: InstanceKey): void;
}

/**
 * Instances known to be strongly connected. Invariant: it is either queued; or parked on one lack; or it
 * waits on another component, is one of that one's waiters, and `top` hangs below `waitsOn` in the forest.
 */
interface Component {
  /** The member it is called by. */
  readonly name: InstanceKey;
  readonly members: InstanceKey[];
  readonly unexplored: Exploration[];
  /** The tops of those that wait on it, in the order in which they came; some may have become members of it since. */
  waiters: Set<InstanceKey> | null;
  /** The member that all other members hang below in the forest. */
  top: InstanceKey;
  /** The instance, outside of it, that it waits on. */
  waitsOn: InstanceKey | null;
  /** The lack that it is parked on. */
  parkedOn: InstanceKey | null;
}

/** Decides in which order committed instances are executed (R7.1–R7.3). Its whole state is plain data. */
export class Executor {
  /** How many instances are committed and not executed. */
  blocked = 0;
  readonly components = new Map<InstanceKey, Component>();
  /** The names of the components that took in others, by member; who is not listed has its own. */
  readonly names = new Map<InstanceKey, InstanceKey>();
  /**
   * The components that can go on, by name, in the order in which they became able to; from `head` on. Some may have been
   * withdrawn.
   */
  readonly queue: InstanceKey[] = [];
  head = 0;
  /** By lack, the components parked on it, by name, in the order in which they came. */
  readonly parked = new Map<InstanceKey, Set<InstanceKey>>();
  readonly forest = new WaitingForest();

  /** Instance `key` is committed, not as a no-op, and is to be executed. To be told once, before `run`. */
  committed(key: InstanceKey): void {
    assert(!this.components.has(this.name(key)), `instance ${key} committed twice`);
    this.blocked += 1;
    this.components.set(key, {
      name: key,
      members: [key],
      unexplored: [{ key, place: 0, offset: 0 }],
      waiters: null,
      top: key,
      waitsOn: null,
      parkedOn: null,
    });
    this.queue.push(key);
    this.resolved(key);
  }

  /**
   * More became known of `key`, which may be a lack: a command was learned, or it is committed (also as a
   * no-op), or executed elsewhere. Who is parked on it looks again. Harmless if nobody is.
   */
  resolved(key: InstanceKey): void {
    const parked = this.parked.get(key);
    if (parked === undefined) return;
    this.parked.delete(key);
    for (const name of parked) {
      this.component(name).parkedOn = null;
      this.queue.push(name);
    }
  }

  /**
   * Instance `key`, on which nothing can ever depend, is not to be executed any more. It leaves nothing behind; what
   * it alone was parked on is no lack any more.
   */
  withdraw(key: InstanceKey): void {
    const { waitsOn, parkedOn, members, waiters } = this.component(key);
    assert(members.length === 1 && waiters === null, 'what others depend on cannot be withdrawn');
    if (waitsOn !== null) {
      this.component(waitsOn).waiters?.delete(key);
      this.forest.cut(key);
    }
    if (parkedOn !== null) {
      const others = this.parked.get(parkedOn);
      others?.delete(key);
      if (others?.size === 0) this.parked.delete(parkedOn);
    }
    this.forest.delete(key);
    this.components.delete(key);
    this.blocked -= 1;
  }

  /** What blocked instances are parked on now: to be fetched, or recovered. */
  lacks(): Iterable<InstanceKey> {
    return this.parked.keys();
  }

  /** Whether anybody is parked on this one. */
  isLack(key: InstanceKey): boolean {
    return this.parked.has(key);
  }

  /** False if nothing can be done before something is committed or resolved. */
  get hasWork(): boolean {
    return this.head < this.queue.length;
  }

  /**
   * Goes on for about `budget` steps; a step is one question to `source`, or one execution.
   *
   * A component is never split: it is executed as a whole in one run, even if that takes more than the
   * budget. The effects of a run must become durable together, for if a crash came inside a component, the
   * rest need not be strongly connected any more, and could be executed in another order than elsewhere.
   * @returns what is executed now, in order; `source.executed` was called for each, in the same order
   */
  run(source: DependencySource, budget: number): InstanceKey[] {
    const executed: InstanceKey[] = [];
    for (let spent = 0; spent < budget && this.hasWork; ) {
      const component = this.components.get(this.name(this.queue[this.head] ?? 0));
      if (component === undefined) {
        this.dequeue(); // withdrawn
        spent += 1;
        continue;
      }
      assert(component.waitsOn === null, 'what is queued does not wait');
      const exploration = component.unexplored.at(-1);
      if (exploration === undefined) {
        this.dequeue();
        this.execute(component, source);
        for (const key of component.members) executed.push(key);
        spent += component.members.length;
      } else {
        this.explore(component, exploration, source);
        spent += 1;
      }
    }
    return executed;
  }

  /** Follows one edge of the component at the head of the queue. */
  private explore(component: Component, exploration: Exploration, source: DependencySource): void {
    const dependency = source.next(exploration);
    if (dependency === 0) {
      component.unexplored.pop();
    } else if (dependency < 0) {
      this.dequeue();
      this.park(component, -dependency);
    } else {
      this.follow(component, dependency);
    }
  }

  private park(component: Component, lack: InstanceKey): void {
    assert(!this.components.has(this.name(lack)), `instance ${lack} is committed, and no lack`);
    component.parkedOn = lack;
    const others = this.parked.get(lack);
    if (others === undefined) this.parked.set(lack, new Set([component.name]));
    else others.add(component.name);
  }

  /** An edge leads from the component at the head of the queue to `key`. */
  private follow(component: Component, key: InstanceKey): void {
    const target = this.component(key);
    if (target === component) return; // as the forest would say, at a higher price
    if (this.forest.root(key) === component.top) {
      this.contract(component, target);
      return;
    }
    this.dequeue();
    component.waitsOn = key;
    target.waiters ??= new Set();
    target.waiters.add(component.top);
    this.forest.link(component.top, key);
  }

  /** Makes one component of `last`, at the head of the queue, and all from `first` on that wait on it. */
  private contract(last: Component, first: Component): void {
    const chain: Component[] = [];
    for (let link = first; link !== last; ) {
      assert(link.waitsOn !== null, 'a chain that ends at a component leads to it');
      chain.push(link);
      link = this.component(link.waitsOn);
    }
    const whole = chain.reduce((one, other) => this.merge(one, other), last);
    // In the forest its members stay as they are: they hang together, below the top of the last.
    whole.top = last.top;
    whole.waitsOn = null;
  }

  /** The smaller moves into the larger, so that nothing is moved more than log₂ n times. */
  private merge(one: Component, other: Component): Component {
    const [large, small] = one.members.length < other.members.length ? [other, one] : [one, other];
    for (const member of small.members) {
      large.members.push(member);
      this.names.set(member, large.name);
    }
    for (const exploration of small.unexplored) large.unexplored.push(exploration);
    for (const waiter of small.waiters ?? []) {
      large.waiters ??= new Set();
      large.waiters.add(waiter);
    }
    this.components.delete(small.name);
    return large;
  }

  /** All edges of the component are explored: its turn has come. Leaves its members in their order (R7.1). */
  private execute(component: Component, source: DependencySource): void {
    for (const top of component.waiters ?? []) {
      const waiter = this.component(top);
      if (waiter === component) continue;
      assert(waiter.top === top && waiter.waitsOn !== null, 'a waiter waits until it is woken');
      waiter.waitsOn = null;
      this.forest.cut(top);
      this.queue.push(waiter.name);
    }
    sortForExecution(component.members, source);
    this.components.delete(component.name);
    for (const key of component.members) {
      this.names.delete(key);
      this.forest.delete(key);
      source.executed(key);
    }
    this.blocked -= component.members.length;
  }

  private name(key: InstanceKey): InstanceKey {
    return this.names.get(key) ?? key;
  }

  private component(key: InstanceKey): Component {
    const component = this.components.get(this.name(key));
    assert(component !== undefined, `instance ${key} was never handed over, or is executed`);
    return component;
  }

  private dequeue(): void {
    this.head += 1;
    // Dropping what was taken only when it is the larger half keeps it at constant cost for each.
    if (this.head * 2 > this.queue.length) {
      this.queue.splice(0, this.head);
      this.head = 0;
    }
  }
}

/** R7.1: inside a component, by (seq, replica, slot). */
function sortForExecution(members: InstanceKey[], source: DependencySource): void {
  if (members.length === 1) return;
  const ranked = members.map((key) => ({ key, seq: source.seq(key), id: instanceOfKey(key) }));
  ranked.sort((a, b) => a.seq - b.seq || a.id.replica - b.id.replica || a.id.slot - b.id.slot);
  ranked.forEach(({ key }, index) => {
    members[index] = key;
  });
}
