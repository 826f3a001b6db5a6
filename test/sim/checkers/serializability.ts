/**
 * Strict serializability of all that clients saw, over all keys together: one order of all operations that keeps to
 * real time and explains every read. Where an operation reads several keys that is more than linearizability key by
 * key (linearizability.ts), which cannot see that two of them were read at two moments.
 *
 * The order of the writes of each key is known: replicas agree on it. So there is nothing to search for. A write comes
 * before the next one of its key, before whoever saw it, and after whoever saw only what was before it; an operation
 * comes before those that began after it was answered; and all that is possible exactly if this has no cycle. Real time
 * goes through nodes for instants, so that there are a few edges an operation and not one a pair.
 */
import { type Node, PrecedenceGraph } from './precedence-graph.ts';

/** What a client did, and what it saw. */
export interface ClientOperation {
  /** For reports. */
  readonly name: string;
  /** Two instants of one clock; Infinity for an operation that was not answered. */
  readonly invokedAt: number;
  readonly answeredAt: number;
  /** What it read, for a key or for several; nothing if it was not answered. */
  readonly reads: readonly Seen[];
}

/** What a read saw of a key; null if it did not exist. */
export interface Seen {
  readonly key: string;
  readonly value: string | null;
}

/** A write that took effect. */
export interface OrderedWrite {
  readonly by: ClientOperation;
  /** What a put wrote, unique among the writes of the key; null for a delete. */
  readonly value: string | null;
}

export type SerializabilityVerdict =
  | { readonly type: 'serializable' }
  | {
      readonly type: 'violated';
      /** Those that no order fits together. */
      readonly operations: readonly ClientOperation[];
      readonly reason: string;
    };

/** The places in the order of a key's writes at which a read can have come: place p is after the first p of them. */
interface Places {
  readonly first: number;
  readonly last: number;
}

/**
 * Never alarms without need. It may overlook something where a key was seen not to exist and was deleted several times:
 * then only what holds for every place that real time allows is taken for certain.
 * @param history.orders by key: its writes as they took effect, also deletes of what did not exist
 */
export function checkSerializability(history: {
  readonly operations: readonly ClientOperation[];
  readonly orders: ReadonlyMap<string, readonly OrderedWrite[]>;
}): SerializabilityVerdict {
  const precedence = new Precedence();
  const orders = new Map([...history.orders].map(([key, writes]) => [key, new WriteOrder(writes)]));
  for (const [key, { writes }] of orders) precedence.addWrites(key, writes);
  for (const operation of history.operations) {
    const reason = addReads(precedence, operation, orders);
    if (reason !== null) return { type: 'violated', operations: [operation], reason };
  }
  precedence.addRealTime();
  const cycle = precedence.graph.findCycle();
  if (cycle === null) return { type: 'serializable' };
  const operations = cycle.map(({ operation }) => operation);
  const [first] = operations;
  const around = cycle.map(({ operation, why }) => `${operation.name}, which ${why}`).join(' ');
  return { type: 'violated', operations, reason: `a circle: ${around} ${first?.name}` };
}

/** @returns why nothing explains what the operation saw of a single key; null if something may */
function addReads(
  precedence: Precedence,
  operation: ClientOperation,
  orders: ReadonlyMap<string, WriteOrder>,
): string | null {
  const seen = new Map<string, string | null>();
  for (const { key, value } of operation.reads) {
    const other = seen.get(key);
    if (other !== undefined && other !== value) {
      return `${operation.name} saw both ${format(other)} and ${format(value)} of ${key}`;
    }
    seen.set(key, value);
  }
  for (const [key, value] of seen) {
    const order = orders.get(key) ?? new WriteOrder([]);
    const places = order.places(operation, value);
    if (places === null)
      return `${operation.name} saw ${format(value)} of ${key}, which it never was meanwhile`;
    precedence.addRead(key, operation, {
      seen: order.writes[places.first - 1],
      missed: order.writes[places.last],
    });
  }
  return null;
}

/** What must come before what. */
class Precedence {
  readonly graph = new PrecedenceGraph<ClientOperation>();
  readonly #nodes = new Map<ClientOperation, Node>();

  addWrites(key: string, writes: readonly OrderedWrite[]): void {
    const why = `wrote ${key} before`;
    writes.forEach(({ by }, index) => {
      const before = writes[index - 1];
      if (before !== undefined) this.#addEdge(before.by, by, why);
    });
  }

  addRead(
    key: string,
    reader: ClientOperation,
    { seen, missed }: { readonly seen: OrderedWrite | undefined; readonly missed: OrderedWrite | undefined },
  ): void {
    // Without either, it may come at any place.
    if (seen !== undefined) this.#addEdge(seen.by, reader, `wrote ${key} as seen by`);
    if (missed !== undefined) this.#addEdge(reader, missed.by, `saw ${key} without what was written by`);
  }

  /** Of all operations that were added: a chain of the instants at which one was answered. */
  addRealTime(): void {
    const why = 'was answered before';
    const byAnswer = [...this.#nodes]
      .filter(([{ answeredAt }]) => answeredAt < Number.POSITIVE_INFINITY)
      .sort(([one], [other]) => one.answeredAt - other.answeredAt);
    const instants = byAnswer.map(([, node]) => {
      const instant = this.graph.addInstant();
      this.graph.addEdge({ from: node, to: instant, why });
      return instant;
    });
    instants.forEach((instant, index) => {
      const next = instants[index + 1];
      if (next !== undefined) this.graph.addEdge({ from: instant, to: next, why });
    });
    for (const [{ invokedAt }, node] of this.#nodes) {
      const answered = countWhile(byAnswer, ([{ answeredAt }]) => answeredAt < invokedAt);
      const latest = instants[answered - 1];
      if (latest !== undefined) this.graph.addEdge({ from: latest, to: node, why });
    }
  }

  #addEdge(from: ClientOperation, to: ClientOperation, why: string): void {
    // Who reads what it writes itself comes before or after itself for nobody.
    if (from !== to) this.graph.addEdge({ from: this.#node(from), to: this.#node(to), why });
  }

  #node(operation: ClientOperation): Node {
    let node = this.#nodes.get(operation);
    if (node === undefined) {
      node = this.graph.addOperation(operation);
      this.#nodes.set(operation, node);
    }
    return node;
  }
}

/** The writes of one key, and what can be asked of their order. */
class WriteOrder {
  readonly writes: readonly OrderedWrite[];
  /** By value: the place right after the put that wrote it. */
  readonly #placeOf = new Map<string, number>();
  /** The places at which the key does not exist, in ascending order. */
  readonly #absent = [0];
  /** By write: when the last of those up to it began. */
  readonly #begunAt: number[] = [];
  /** By write: when the first of those from it on was answered. */
  readonly #answeredAt: number[] = [];

  constructor(writes: readonly OrderedWrite[]) {
    this.writes = writes;
    let begunAt = 0;
    writes.forEach(({ by, value }, index) => {
      if (value === null) this.#absent.push(index + 1);
      else this.#placeOf.set(value, index + 1);
      begunAt = Math.max(begunAt, by.invokedAt);
      this.#begunAt.push(begunAt);
    });
    let answeredAt = Number.POSITIVE_INFINITY;
    for (const { by } of [...writes].reverse()) {
      answeredAt = Math.min(answeredAt, by.answeredAt);
      this.#answeredAt.push(answeredAt);
    }
    this.#answeredAt.reverse();
  }

  /** Where a read that saw this can have come, at the earliest and at the latest; null if nowhere. */
  places({ invokedAt, answeredAt }: ClientOperation, value: string | null): Places | null {
    if (value !== null) {
      const place = this.#placeOf.get(value);
      return place === undefined ? null : { first: place, last: place };
    }
    // What was answered before it began it has behind it, with all before that; what began after its answer is ahead.
    const earliest = countWhile(this.#answeredAt, (at) => at < invokedAt);
    const latest = countWhile(this.#begunAt, (at) => at <= answeredAt);
    const first = this.#absent[countWhile(this.#absent, (place) => place < earliest)];
    const last = this.#absent[countWhile(this.#absent, (place) => place <= latest) - 1];
    return first === undefined || last === undefined || first > last ? null : { first, last };
  }
}

/** How many at the beginning of a list fulfil what none after them does. */
function countWhile<T>(list: readonly T[], holds: (element: T) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const element = list[middle];
    if (element !== undefined && holds(element)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function format(value: string | null): string {
  return value === null ? 'the absence' : `"${value}"`;
}
