/**
 * A full world: whole replicas of production code (the loop, the state machine, the store) of one seed, in virtual time. First a
 * phase with faults, in which nothing wrong may happen; then everything is healed, some replicas may be gone for
 * good, and the others must come to a good end.
 *
 * Production code waits for promises. Between two events of virtual time everything that has been settled runs to its
 * end, so that what happens is the same every time.
 */
import { AssertionError } from '../../../src/util/assert.ts';
import { checkConvergence, whyUnsettled } from '../checkers/convergence.ts';
import { Violation } from '../checkers/violation.ts';
import { generator, Stream } from '../draw.ts';
import { EventQueue } from '../event-queue.ts';
import { Faults } from '../faults.ts';
import { History } from '../history.ts';
import { Network } from '../network.ts';
import { Observers } from '../observers.ts';
import { Reachability } from '../reachability.ts';
import { noStatistics } from '../statistics.ts';
import { Trace } from '../trace.ts';
import { Workload } from '../workload.ts';
import type { Outcome, RunOptions } from '../world.ts';
import { rowsIn } from './durable-view.ts';
import { FullMachine, type FullSurroundings } from './machine.ts';
import type { FullWorldOptions } from './options.ts';

/** How long a healed world may take to come to rest, in virtual milliseconds. */
const SETTLE_MS = 180_000;
const SETTLE_POLL_MS = 40;

/** Runs one world from beginning to end. Deterministic: the same options give the same outcome. */
export async function simulateFull(options: FullWorldOptions, run: RunOptions = {}): Promise<Outcome> {
  const world = new FullWorld(options, run);
  const violation = await world.run();
  const { seed, replicas } = options;
  return { seed, replicas, hash: world.trace.hash, violation, statistics: world.statistics };
}

class FullWorld {
  readonly trace: Trace;
  readonly statistics = noStatistics();
  readonly #queue = new EventQueue();
  readonly #history = new History();
  readonly #observers: Observers;
  readonly #network: Network;
  readonly #machines: readonly FullMachine[];
  readonly #reachability: Reachability;
  readonly #workload: Workload;
  readonly #faults: Faults;
  /** Those of whom something is expected once the world is healed. */
  #judged: readonly FullMachine[];
  #healedAtMs = Number.POSITIVE_INFINITY;
  #isStirred = false;
  #violation: Violation | null = null;

  constructor(options: FullWorldOptions, run: RunOptions) {
    const { seed, replicas } = options;
    const { statistics } = this;
    const queue = this.#queue;
    const trace = new Trace(run.printer);
    this.trace = trace;
    this.#observers = new Observers(replicas, {
      statistics,
      disks: () => this.#machines.map(({ disk }) => disk),
      ignored: run.ignored ?? [],
    });
    this.#network = new Network({
      options: options.network,
      queue,
      prng: generator(seed, Stream.network),
      statistics,
      deliver: (to, from, messages) => this.#machines[to - 1]?.receive(from, messages),
    });
    const surroundings: FullSurroundings = {
      options,
      queue,
      network: this.#network,
      observers: this.#observers,
      trace,
      statistics,
      prng: generator(seed, Stream.replicas),
      snapshots: new Map(),
      guard: (check) => this.#guard(check),
      stirred: () => {
        this.#isStirred = true;
      },
      transportOf: (id) => this.#machines[id - 1]?.process?.transport ?? null,
      onDeath: (id) => this.#faults.died(id),
    };
    this.#machines = Array.from({ length: replicas }, (_, index) => new FullMachine(index + 1, surroundings));
    this.#judged = this.#machines;
    const common = { replicas: this.#machines, network: this.#network, queue, trace, statistics };
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

  async run(): Promise<Outcome['violation']> {
    try {
      this.#start();
      await this.#settle();
      await this.#judge();
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
    for (const machine of this.#machines) machine.start();
    this.#reachability.start();
    this.#workload.start();
    this.#faults.start(() => this.#heal());
  }

  #heal(): void {
    this.#network.heal();
    this.#reachability.heal();
    this.#workload.heal();
    this.#healedAtMs = this.#queue.nowMs;
  }

  /** One event, and all that follows from it at once. False if there is none. */
  async #step(): Promise<boolean> {
    if (!this.#queue.step()) return false;
    while (this.#isStirred) {
      this.#isStirred = false;
      await new Promise(setImmediate);
    }
    if (this.#violation !== null) throw this.#violation;
    return true;
  }

  /** Lets everything happen until all is done and all agree. */
  async #settle(): Promise<void> {
    let nextPollMs = 0;
    while (await this.#step()) {
      const { nowMs } = this.#queue;
      if (nowMs < this.#healedAtMs || nowMs < nextPollMs) continue;
      nextPollMs = nowMs + SETTLE_POLL_MS;
      const reason = this.#whyRestless();
      if (reason === null) return;
      if (nowMs > this.#healedAtMs + SETTLE_MS) {
        throw new Violation('liveness', `${SETTLE_MS} ms after the last fault: ${reason}`);
      }
    }
  }

  #whyRestless(): string | null {
    const client = this.#workload.unfinished();
    return client === null ? whyUnsettled(this.#judged) : `${client} waits for an answer`;
  }

  /** Everything has come to rest: what each holds is written, and compared. */
  async #judge(): Promise<void> {
    const stops = this.#judged.map(async ({ process }) => await process?.stop());
    let isStopped = false;
    void Promise.all(stops).then(() => {
      isStopped = true;
    });
    while (!isStopped) await this.#step();
    const tables = this.#judged.map(({ volume }) => rowsIn(volume.current));
    this.#judged.forEach(({ id }, index) => {
      const rows = tables[index];
      if (rows !== undefined) this.#observers.checkTable(id, rows);
    });
    checkConvergence(tables);
    this.#observers.finish(this.#history);
  }

  #guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#violation ??= error;
    }
  }
}
