/**
 * A full world: whole replicas of production code (the loop, the state machine, the store) of one seed, in virtual time. First a
 * phase with faults, in which nothing wrong may happen; then everything is healed, some replicas may be gone for
 * good, and the others must come to a good end.
 *
 * Production code waits for promises. Between two events of virtual time everything that has been settled runs to its
 * end, so that what happens is the same every time.
 */

import { DEFAULT_LIMITS, DEFAULT_TIMING, type ReplicaId } from '../../../src/epaxos/index.ts';
import { gaitFor } from '../../../src/node/gait.ts';
import { UNWANTED_MS } from '../../../src/node/snapshot-fetcher.ts';
import type { Prng } from '../../../src/util/prng.ts';
import { checkConvergence, whyUnsettled } from '../checkers/convergence.ts';
import { demand, Violation } from '../checkers/violation.ts';
import { generator, pick, Stream, sample } from '../draw.ts';
import {
  type Outcome,
  type RunOptions,
  SETTLE_MS,
  SETTLE_POLL_MS,
  Setting,
  violationOf,
} from '../setting.ts';
import type { Statistics } from '../statistics.ts';
import type { Trace } from '../trace.ts';
import { fillBacklog } from './backlog.ts';
import { rowsIn } from './durable-view.ts';
import { FullFaults } from './full-faults.ts';
import { checkImage } from './images.ts';
import {
  checkAnswers,
  checkMarks,
  checkOldAnswers,
  checkPeers,
  keptInstances,
  knowsPeers,
  openSlots,
} from './kept.ts';
import { checkLeftovers, hasStaged } from './leftovers.ts';
import { FullMachine } from './machine.ts';
import type { FullWorldOptions } from './options.ts';
import { Repeats } from './repeats.ts';
import { SerialWrites } from './serial-writes.ts';
import type { Volume } from './volume.ts';

/** A turn takes no longer in a healed world. */
const TURN_MS = 1_000;
/** A recovery takes no longer in a healed world, whatever its odd figures are. */
const RECOVERY_MS = 1_000;
/** How long it may take at rest until what is no longer needed is forgotten, beside the turns that the limits ask for. */
const FORGET_MS = 60_000;
/** Beside one that lags: it may make up an eighth every 30 s, and is waited for as long as it does (R9.13). */
const FORGET_BESIDE_LAGGARD_MS = 1_800_000;
/** So many times as long as one that is silent is one that is behind waited for at the most (R9.13). */
const PLAN_PATIENCE = 4;
/** It is looked at what is staged as often as it would take to be dropped: just before that, at the worst. */
const UNWANTED_LOOKS = 2;
/** Of the slow clock at rest, until something staged is dropped in several batches. */
const DROP_BEATS = 4;

/** Runs one world from beginning to end. Deterministic: the same options give the same outcome. */
export async function simulateFull(options: FullWorldOptions, run: RunOptions = {}): Promise<Outcome> {
  const world = new FullWorld(options, run);
  const violation = await world.run();
  const { seed, replicas } = options;
  return { seed, replicas, hash: world.trace.hash, violation, statistics: world.statistics };
}

class FullWorld {
  readonly #options: FullWorldOptions;
  readonly #setting: Setting<FullMachine>;
  readonly #fullFaults: FullFaults;
  readonly #repeats: Repeats;
  readonly #images: Prng;
  /** Those of whom something is expected once the world is healed. */
  #judged: readonly FullMachine[];
  #healedAtMs = Number.POSITIVE_INFINITY;
  #isStirred = false;
  #nextLookMs = 0;
  readonly #toLookAt = new Set<ReplicaId>();
  #violation: Violation | null = null;

  constructor(options: FullWorldOptions, run: RunOptions) {
    const { seed } = options;
    this.#options = options;
    this.#images = generator(seed, Stream.images);
    const surroundings = {
      options,
      snapshots: new Map(),
      guard: (check: () => void) => this.#guard(check),
      lookAt: (id: ReplicaId) => this.#toLookAt.add(id),
      stirred: () => {
        this.#isStirred = true;
      },
      transportOf: (id: ReplicaId) => this.#machines[id - 1]?.process?.transport ?? null,
    };
    this.#setting = new Setting(
      options,
      run,
      (id, lent) => new FullMachine(id, { ...lent, ...surroundings }),
    );
    this.#judged = this.#machines;
    const { network, queue, history, trace, statistics } = this.#setting;
    this.#fullFaults = new FullFaults({
      options,
      machines: this.#machines,
      network,
      queue,
      history,
      trace,
      prng: generator(seed, Stream.fullFaults),
      settlingMs: () => this.#settlingMs(),
      guard: (check) => this.#guard(check),
    });
    this.#repeats = new Repeats({
      history,
      machines: this.#machines,
      queue,
      prng: generator(seed, Stream.repeats),
      statistics,
      guard: (check) => this.#guard(check),
    });
  }

  get trace(): Trace {
    return this.#setting.trace;
  }

  get statistics(): Statistics {
    return this.#setting.statistics;
  }

  get #machines(): readonly FullMachine[] {
    return this.#setting.replicas;
  }

  async run(): Promise<Outcome['violation']> {
    try {
      await this.#fill();
      this.#start();
      await this.#settle();
      await this.#repeatAll();
      await this.#writeBesideHanging();
      await this.#forget();
      await this.#settle();
      await this.#dropStaged();
      await this.#judge();
      return null;
    } catch (error) {
      return violationOf(error);
    } finally {
      this.statistics.virtualMs = this.#setting.queue.nowMs;
    }
  }

  async #fill(): Promise<void> {
    const { backlog: kept, behind, abandoned } = this.#options.full;
    if (kept === 0) return;
    const common = { observers: this.#setting.observers, history: this.#setting.history };
    await fillBacklog({ machines: this.#machines, kept, behind, abandoned, ...common });
  }

  #start(): void {
    for (const machine of this.#machines) machine.start();
    this.#setting.reachability.start();
    this.#setting.workload.start();
    this.#setting.faults.start(() => this.#heal());
    this.#fullFaults.start();
    const { repeatMs } = this.#options.full;
    if (repeatMs > 0) this.#repeats.start(repeatMs);
  }

  #heal(): void {
    this.#setting.network.heal();
    this.#setting.reachability.heal();
    this.#fullFaults.heal();
    this.#bury();
    this.#setting.workload.heal(this.#judged, this.#settlingMs());
    this.#healedAtMs = this.#setting.queue.nowMs;
  }

  /** How long it may take to settle what was left open, or only reserved (R6.4), by few recoveries at a time (R5.9). */
  #settlingMs(): number {
    const { recoveries = DEFAULT_LIMITS.recoveries } = this.#options.limits;
    return Math.ceil(openSlots(this.#judged) / recoveries) * RECOVERY_MS;
  }

  /** Some replicas are gone for good, and of one that lags, or is heard only, nothing is expected. */
  #bury(): void {
    const { dead, laggardFactor, outcast, farewell } = this.#options.full;
    const gone = sample(this.#images, this.#machines, dead);
    if (farewell !== null) this.#fullFaults.farewell(farewell, gone);
    for (const machine of gone) {
      if (farewell === null) machine.crash('some');
      machine.isGone = true;
    }
    const laggard = laggardFactor > 1 || outcast !== null ? this.#machines.at(-1) : undefined;
    if (outcast === 'hanging') laggard?.hang();
    if (outcast === 'deaf' && laggard !== undefined) laggard.isDeaf = true;
    this.#judged = this.#machines.filter((machine) => !gone.includes(machine) && machine !== laggard);
  }

  /** One event, and all that follows from it at once. False if there is none. */
  async #step(): Promise<boolean> {
    if (!this.#setting.queue.step()) return false;
    while (this.#isStirred) {
      this.#isStirred = false;
      await new Promise(setImmediate);
    }
    if (this.#violation !== null) throw this.#violation;
    await this.#look();
    return true;
  }

  /** Now and then, and while a snapshot is copied and put in place: could a store be opened again, if its machine died now? */
  async #look(): Promise<void> {
    const { imageMs } = this.#options.full;
    if (imageMs === 0) return;
    const ids = [...this.#toLookAt];
    this.#toLookAt.clear();
    if (this.#setting.queue.nowMs >= this.#nextLookMs) {
      this.#nextLookMs = this.#setting.queue.nowMs + imageMs;
      ids.push(pick(this.#images, this.#machines).id);
    }
    for (const { id, volume, storeId } of this.#machines) {
      if (ids.includes(id)) await this.#lookAt(id, volume, storeId);
    }
  }

  async #lookAt(id: ReplicaId, volume: Volume, storeId: string): Promise<void> {
    const image = volume.image(pick(this.#images, ['everything', 'some', 'nothing']), this.#images);
    const { replicas } = this.#options;
    await checkImage(image, { id: storeId, name: `the store of replica ${id}`, replicas });
  }

  /** Lets everything happen until all is done and all agree. */
  async #settle(): Promise<void> {
    const begunMs = this.#setting.queue.nowMs;
    let nextPollMs = 0;
    while (await this.#step()) {
      const { nowMs } = this.#setting.queue;
      if (nowMs < this.#healedAtMs || nowMs < nextPollMs) continue;
      // They may be more than the replicas get through, so that these would never be at rest.
      this.#repeats.stop();
      nextPollMs = nowMs + SETTLE_POLL_MS;
      const reason = this.#whyRestless();
      if (reason === null) return;
      if (nowMs > Math.max(this.#healedAtMs, begunMs) + SETTLE_MS) {
        throw new Violation('liveness', `for ${SETTLE_MS} ms without a fault: ${reason}`);
      }
    }
  }

  #whyRestless(): string | null {
    const client = this.#setting.workload.unfinished();
    return client === null ? whyUnsettled(this.#judged) : `${client} waits for an answer`;
  }

  /** Every answer is still there, or comes too late everywhere: old requests are sent once more, and nothing changes. */
  async #repeatAll(): Promise<void> {
    this.#repeats.all(this.#judged);
    const upToMs = this.#setting.queue.nowMs + 5_000;
    while (this.#repeats.open > 0 && this.#setting.queue.nowMs < upToMs && (await this.#step()));
    await this.#settle();
  }

  /** R3.12: beside a replica that hangs, writes do not go on waiting for it. */
  async #writeBesideHanging(): Promise<void> {
    const { timing, full } = this.#options;
    // Where patience is short, the network may take as long.
    if (full.outcast !== 'hanging' || timing.followerTicks !== undefined) return;
    for (const machine of this.#judged) {
      const writes = new SerialWrites({
        machine,
        history: this.#setting.history,
        queue: this.#setting.queue,
      });
      while (!writes.isDone && (await this.#step()));
      writes.check(DEFAULT_TIMING.followerTicks * full.tickMs);
    }
    await this.#settle();
  }

  /** Replicas at rest forget all, or until they keep no more than they may for the sake of one that is away (R9.2). */
  async #forget(): Promise<void> {
    const { limits, timing, replicas, full } = this.#options;
    const missing = replicas - this.#judged.length;
    const allowed = missing === 0 ? 0 : (limits.retainedInstances ?? DEFAULT_LIMITS.retainedInstances);
    if (missing > 1 || (missing === 1 && timing.silentTicks === 0)) return;
    const whyMuch = () => {
      for (const { id, core } of this.#judged) {
        const kept = core === null ? 0 : keptInstances(core);
        if (kept > allowed) return `replica ${id} keeps ${kept} instances`;
      }
      return null;
    };
    // A turn forgets no more than so many, and at rest it comes with every beat.
    const { prunedPerTurn = DEFAULT_LIMITS.prunedPerTurn } = limits;
    const most = Math.max(...this.#judged.map(({ core }) => (core === null ? 0 : keptInstances(core))));
    const { restTicks } = gaitFor(full.tickMs);
    const { silentTicks = DEFAULT_TIMING.silentTicks } = timing;
    // Where a peer at rest counts as silent between two beats, each batch takes a plan of its own, and its patience (R9.13).
    const ticks = silentTicks < restTicks ? restTicks + PLAN_PATIENCE * silentTicks : restTicks;
    const beatMs = (ticks * full.tickMs) / Math.min(...full.clockRates);
    const patienceMs = full.laggardFactor > 1 ? FORGET_BESIDE_LAGGARD_MS : FORGET_MS;
    const upToMs = this.#setting.queue.nowMs + patienceMs + Math.ceil(most / prunedPerTurn) * beatMs;
    while (whyMuch() !== null && (await this.#step())) {
      if (this.#setting.queue.nowMs > upToMs) throw new Violation('bounds', `${whyMuch()}, not ${allowed}`);
    }
  }

  /** Nobody needs a snapshot any more: what was copied of one whose source is gone is dropped. */
  async #dropStaged(): Promise<void> {
    const { tickMs, clockRates } = this.#options.full;
    const patienceMs = UNWANTED_LOOKS * UNWANTED_MS + DROP_BEATS * gaitFor(tickMs).restTicks * tickMs;
    const upToMs = this.#setting.queue.nowMs + patienceMs / Math.min(...clockRates);
    const isStaged = ({ volume }: FullMachine) => hasStaged(volume.current);
    while (this.#judged.some(isStaged) && (await this.#step())) {
      const keeps = this.#judged.find(isStaged)?.id;
      demand(
        this.#setting.queue.nowMs < upToMs,
        'bounds',
        () => `replica ${keeps} keeps what it copied of a snapshot that nobody needs`,
      );
    }
  }

  /** Everything has come to rest: what each holds is written, and compared. */
  async #judge(): Promise<void> {
    // What is heard of a peer in this very moment is for the next turn of the loop.
    const upToMs = this.#setting.queue.nowMs + TURN_MS;
    while (!this.#judged.every(knowsPeers) && this.#setting.queue.nowMs < upToMs && (await this.#step()));
    for (const machine of this.#judged) {
      checkPeers(machine);
      checkOldAnswers(machine);
    }
    const stops = this.#judged.map(async ({ process }) => await process?.stop());
    let isStopped = false;
    void Promise.all(stops).then(() => {
      isStopped = true;
    });
    while (!isStopped) await this.#step();
    const tables = this.#judged.map(({ volume }) => rowsIn(volume.current));
    this.#judged.forEach(({ id }, index) => {
      const rows = tables[index];
      if (rows !== undefined) this.#setting.observers.checkTable(id, rows);
    });
    checkConvergence(tables);
    for (const machine of this.#judged) {
      checkLeftovers(machine.volume.current, {
        name: `the store of replica ${machine.id}`,
        replicas: this.#options.replicas,
      });
      checkMarks(machine);
    }
    const generation = checkAnswers(this.#judged, this.#setting.history);
    this.statistics.generations = generation - 1;
    for (const { id } of this.#judged) {
      demand(
        this.#setting.observers.generation(id) === generation,
        'effects',
        () =>
          `replica ${id} is in generation ${generation}, and executed up to ${this.#setting.observers.generation(id)}`,
      );
    }
    this.#setting.observers.finish(this.#setting.history, this.#judged[0]?.id);
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
