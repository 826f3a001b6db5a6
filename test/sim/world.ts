/**
 * The simulated world: replicas, network, clocks, disks and clients of one seed, in virtual time. First a phase with
 * faults, in which nothing wrong may happen; then everything is healed, and everything must come to a good end.
 */
import type { ReplicaId } from '../../src/epaxos/index.ts';
import { AssertionError } from '../../src/util/assert.ts';
import { checkConvergence, whyUnsettled } from './checkers/convergence.ts';
import { type Check, Violation } from './checkers/violation.ts';
import type { WorldOptions } from './options.ts';
import { type Outcome, type RunOptions, SETTLE_MS, SETTLE_POLL_MS, Setting, violationOf } from './setting.ts';
import { SimulatedReplica } from './simulated-replica.ts';
import type { ServedSnapshot } from './snapshot-source.ts';
import type { Statistics } from './statistics.ts';
import type { Trace } from './trace.ts';

/** Runs one world from beginning to end. Deterministic: the same options give the same outcome. */
export function simulate(options: WorldOptions, run: RunOptions = {}): Outcome {
  const world = new World(options, run);
  const violation = world.run();
  const { seed, replicas } = options;
  return { seed, replicas, hash: world.trace.hash, violation, statistics: world.statistics };
}

class World {
  readonly #options: WorldOptions;
  readonly #setting: Setting<SimulatedReplica>;
  readonly #ignored: ReadonlySet<Check>;
  #healedAtMs = Number.POSITIVE_INFINITY;

  constructor(options: WorldOptions, run: RunOptions) {
    this.#options = options;
    this.#ignored = new Set(run.ignored);
    const serveSnapshot = (source: ReplicaId, served: ServedSnapshot) =>
      this.#setting.replicas[source - 1]?.serveSnapshot(served);
    this.#setting = new Setting(
      options,
      run,
      (id, lent) => new SimulatedReplica(id, { ...lent, options, serveSnapshot }),
    );
  }

  get trace(): Trace {
    return this.#setting.trace;
  }

  get statistics(): Statistics {
    return this.#setting.statistics;
  }

  run(): Outcome['violation'] {
    try {
      this.#start();
      if (!this.#settle()) return null;
      for (const replica of this.#setting.replicas)
        this.#setting.observers.checkTable(replica.id, replica.rows);
      if (!this.#ignored.has('convergence')) checkConvergence(this.#setting.replicas.map(({ rows }) => rows));
      this.#setting.observers.finish(this.#setting.history);
      return null;
    } catch (error) {
      return violationOf(error);
    } finally {
      this.statistics.virtualMs = this.#setting.queue.nowMs;
    }
  }

  #start(): void {
    for (const replica of this.#setting.replicas) {
      replica.start();
      this.#tick(replica);
    }
    this.#setting.reachability.start();
    this.#setting.workload.start();
    this.#setting.faults.start(() => {
      this.#setting.network.heal();
      this.#setting.reachability.heal();
      this.#setting.workload.heal();
      this.#healedAtMs = this.#setting.queue.nowMs;
    });
  }

  #tick(replica: SimulatedReplica): void {
    this.#setting.queue.after(this.#options.tickMs[replica.id - 1] ?? 10, () => {
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
      const { nowMs } = this.#setting.queue;
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
      return this.#setting.queue.step();
    } catch (error) {
      if (!(error instanceof AssertionError) || !this.#ignored.has('assertion')) throw error;
      return true;
    }
  }

  #whyRestless(): string | null {
    const client = this.#setting.workload.unfinished();
    return client === null ? whyUnsettled(this.#setting.replicas) : `${client} waits for an answer`;
  }
}
