/** What the worlds of either kind have around their replicas: time, network, clients, faults, and those who watch. */
import type { Message, ReplicaId } from '../../src/epaxos/index.ts';
import { AssertionError } from '../../src/util/assert.ts';
import type { Prng } from '../../src/util/prng.ts';
import type { DurableState } from './checkers/durability.ts';
import { type Check, Violation } from './checkers/violation.ts';
import { generator, Stream } from './draw.ts';
import { EventQueue } from './event-queue.ts';
import { type Breakable, Faults } from './faults.ts';
import { History } from './history.ts';
import { Network } from './network.ts';
import { Observers } from './observers.ts';
import type { WorldOptions } from './options.ts';
import { type Observer, Reachability } from './reachability.ts';
import { noStatistics, type Statistics } from './statistics.ts';
import { type Printer, Trace } from './trace.ts';
import { type Server, Workload } from './workload.ts';

/** How long a healed world may take to come to rest, in virtual milliseconds, and how often it is asked whether it has. */
export const SETTLE_MS = 180_000;
export const SETTLE_POLL_MS = 40;

export interface Outcome {
  readonly seed: number;
  readonly replicas: number;
  /** Over everything that happened, in order. */
  readonly hash: string;
  /** The first thing that was wrong; null if nothing was. */
  readonly violation: { readonly check: Check; readonly message: string } | null;
  readonly statistics: Statistics;
}

export interface RunOptions {
  readonly printer?: Printer;
  /**
   * Checks that are left out, to see that others find the same fault. Without `assertion` what trips over an assertion
   * of the core is lost, and everything goes on; without `liveness` a world that does not come to rest just ends.
   */
  readonly ignored?: readonly Check[];
}

/** A replica with its machine. */
export interface Member extends Breakable, Observer, Server {
  readonly disk: DurableState;
  receive(from: ReplicaId, messages: readonly Message[]): void;
}

/** What is lent to each of them. */
export interface Lent {
  readonly queue: EventQueue;
  readonly network: Network;
  readonly observers: Observers;
  readonly trace: Trace;
  readonly statistics: Statistics;
  readonly prng: Prng;
  /** A replica has died of itself: by a failed disk, or at the step where it was ordered to. */
  readonly onDeath: (replica: ReplicaId) => void;
}

export class Setting<Replica extends Member> {
  readonly queue = new EventQueue();
  readonly history = new History();
  readonly statistics = noStatistics();
  readonly trace: Trace;
  readonly observers: Observers;
  readonly network: Network;
  readonly replicas: readonly Replica[];
  readonly reachability: Reachability;
  readonly workload: Workload;
  readonly faults: Faults;

  /** @param make the replica of an id */
  constructor(options: WorldOptions, run: RunOptions, make: (id: ReplicaId, lent: Lent) => Replica) {
    const { seed, replicas } = options;
    const { queue, history, statistics } = this;
    const trace = new Trace(run.printer);
    this.trace = trace;
    this.observers = new Observers(replicas, {
      statistics,
      disks: () => this.replicas.map(({ disk }) => disk),
      ignored: run.ignored ?? [],
    });
    this.network = new Network({
      options: options.network,
      queue,
      prng: generator(seed, Stream.network),
      statistics,
      deliver: (to, from, messages) => this.replicas[to - 1]?.receive(from, messages),
    });
    const { network, observers } = this;
    const prng = generator(seed, Stream.replicas);
    const onDeath = (id: ReplicaId) => this.faults.died(id);
    const lent = { queue, network, observers, trace, statistics, prng, onDeath };
    this.replicas = Array.from({ length: replicas }, (_, index) => make(index + 1, lent));
    const common = { replicas: this.replicas, network, queue, trace, statistics };
    this.reachability = new Reachability({
      ...common,
      options: options.reachability,
      prng: generator(seed, Stream.reachability),
    });
    this.workload = new Workload({
      ...common,
      options: options.workload,
      prng: generator(seed, Stream.clients),
      history,
    });
    this.faults = new Faults({
      ...common,
      options: options.faults,
      prng: generator(seed, Stream.faults),
      reachability: this.reachability,
    });
  }
}

/** What a world has come to that ended with this. @throws what is neither a violation nor a failed assertion */
export function violationOf(error: unknown): NonNullable<Outcome['violation']> {
  if (error instanceof Violation) return { check: error.check, message: error.message };
  if (error instanceof AssertionError) return { check: 'assertion', message: error.stack ?? error.message };
  throw error;
}
