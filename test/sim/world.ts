/**
 * The simulated world: replicas, network, clocks, disks and clients of one seed, in virtual time. First a phase with
 * faults, in which nothing wrong may happen; then everything is healed, and everything must come to a good end.
 */
import { AssertionError } from '../../src/util/assert.ts';
import { checkConvergence, whyUnsettled } from './checkers/convergence.ts';
import { type Check, Violation } from './checkers/violation.ts';
import { generator, Stream } from './draw.ts';
import { EventQueue } from './event-queue.ts';
import { Faults } from './faults.ts';
import { History } from './history.ts';
import { Network } from './network.ts';
import { Observers } from './observers.ts';
import type { WorldOptions } from './options.ts';
import { Reachability } from './reachability.ts';
import { SimulatedReplica } from './simulated-replica.ts';
import type { ServedSnapshot } from './snapshot-source.ts';
import { noStatistics, type Statistics } from './statistics.ts';
import { type Printer, Trace } from './trace.ts';
import { Workload } from './workload.ts';

/** How long a healed world may take to come to rest, in virtual milliseconds. */
const SETTLE_MS = 180_000;
const SETTLE_POLL_MS = 40;

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

/** Runs one world from beginning to end. Deterministic: the same options give the same outcome. */
export function simulate(options: WorldOptions, run: RunOptions = {}): Outcome {
  const world = new World(options, run);
  const violation = world.run();
  const { seed, replicas } = options;
  return { seed, replicas, hash: world.trace.hash, violation, statistics: world.statistics };
}

class World {
  readonly trace: Trace;
  readonly statistics = noStatistics();
  readonly #options: WorldOptions;
  readonly #queue = new EventQueue();
  readonly #history = new History();
  readonly #observers: Observers;
  readonly #network: Network;
  readonly #replicas: readonly SimulatedReplica[];
  readonly #reachability: Reachability;
  readonly #workload: Workload;
  readonly #faults: Faults;
  readonly #ignored: ReadonlySet<Check>;
  #healedAtMs = Number.POSITIVE_INFINITY;

  constructor(options: WorldOptions, run: RunOptions) {
    const { seed, replicas } = options;
    const { statistics } = this;
    const queue = this.#queue;
    const trace = new Trace(run.printer);
    this.trace = trace;
    this.#options = options;
    this.#ignored = new Set(run.ignored);
    this.#observers = new Observers(replicas, {
      statistics,
      disks: () => this.#replicas.map(({ disk }) => disk),
      ignored: run.ignored ?? [],
    });
    this.#network = new Network({
      options: options.network,
      queue,
      prng: generator(seed, Stream.network),
      statistics,
      deliver: (to, from, messages) => this.#replicas[to - 1]?.receive(from, messages),
    });
    const surroundings = {
      options,
      queue,
      network: this.#network,
      observers: this.#observers,
      trace,
      statistics,
      prng: generator(seed, Stream.replicas),
      onDeath: (id: number) => this.#faults.died(id),
      serveSnapshot: (source: number, served: ServedSnapshot) =>
        this.#replicas[source - 1]?.serveSnapshot(served),
    };
    this.#replicas = Array.from(
      { length: replicas },
      (_, index) => new SimulatedReplica(index + 1, surroundings),
    );
    const common = { replicas: this.#replicas, network: this.#network, queue, trace, statistics };
    this.#reachability = new Reachability({
      ...common,
      options: options.reachability,
      prng: generator(seed, Stream.reachability),
    });
    this.#workload = new Workload({
      ...common,
      options: options.workload,
      prng: generator(seed, Stream.clients),
      history: this.#history,
    });
    this.#faults = new Faults({
      ...common,
      options: options.faults,
      prng: generator(seed, Stream.faults),
      reachability: this.#reachability,
    });
  }

  run(): Outcome['violation'] {
    try {
      this.#start();
      if (!this.#settle()) return null;
      for (const replica of this.#replicas) this.#observers.checkTable(replica.id, replica.rows);
      if (!this.#ignored.has('convergence')) checkConvergence(this.#replicas.map(({ rows }) => rows));
      this.#observers.finish(this.#history);
      return null;
    } catch (error) {
      if (error instanceof Violation) return { check: error.check, message: error.message };
      if (error instanceof AssertionError)
        return { check: 'assertion', message: error.stack ?? error.message };
      throw error;
    } finally {
      this.statistics.virtualMs = this.#queue.nowMs;
    }
  }

  #start(): void {
    for (const replica of this.#replicas) {
      replica.start();
      this.#tick(replica);
    }
    this.#reachability.start();
    this.#workload.start();
    this.#faults.start(() => {
      this.#network.heal();
      this.#reachability.heal();
      this.#workload.heal();
      this.#healedAtMs = this.#queue.nowMs;
    });
  }

  #tick(replica: SimulatedReplica): void {
    this.#queue.after(this.#options.tickMs[replica.id - 1] ?? 10, () => {
      try {
        replica.tick();
      } finally {
        this.#tick(replica);
      }
    });
  }

  /** Lets everything happen until all is done and all agree. False: it does not come to that. */
  #settle(): boolean {
    let nextPollMs = 0;
    while (this.#step()) {
      const { nowMs } = this.#queue;
      if (nowMs < this.#healedAtMs || nowMs < nextPollMs) continue;
      nextPollMs = nowMs + SETTLE_POLL_MS;
      const reason = this.#whyRestless();
      if (reason === null) return true;
      if (nowMs > this.#healedAtMs + SETTLE_MS) {
        if (this.#ignored.has('liveness')) return false;
        throw new Violation('liveness', `${SETTLE_MS} ms after the last fault: ${reason}`);
      }
    }
    return true;
  }

  /** The next thing that happens. False: there is none. */
  #step(): boolean {
    try {
      return this.#queue.step();
    } catch (error) {
      if (!(error instanceof AssertionError) || !this.#ignored.has('assertion')) throw error;
      return true;
    }
  }

  #whyRestless(): string | null {
    const client = this.#workload.unfinished();
    return client === null ? whyUnsettled(this.#replicas) : `${client} waits for an answer`;
  }
}
