/** What goes wrong in a world: rounds of faults of the kinds that the seed allows, quiet times between them, and the end. */
import type { MessageType, ReplicaId } from '../../src/epaxos/index.ts';
import type { Prng } from '../../src/util/prng.ts';
import { between, chance, pick, sample, subset } from './draw.ts';
import type { EventQueue } from './event-queue.ts';
import type { Network } from './network.ts';
import type { FaultKind, FaultOptions } from './options.ts';
import type { Reachability } from './reachability.ts';

import type { Statistics } from './statistics.ts';
import type { Trace } from './trace.ts';

/** How much of what was not synced a crash takes. */
export type Loss = 'everything' | 'some' | 'nothing';

/** A machine with a replica on it, as far as it can be harmed. */
export interface Breakable {
  readonly id: ReplicaId;
  readonly isUp: boolean;
  readonly isPaused: boolean;
  /** How many times slower the disk is now. */
  diskFactor: number;
  start(): void;
  crash(loss: Loss): void;
  /** Orders a crash at some step of what the replica does next. */
  crashAtSomeStep(prng: Prng): void;
  /** The next write fails. */
  failDisk(): void;
  /** Takes back what was ordered and has not happened. */
  calm(): void;
  pause(): void;
  resume(): void;
  /** Recovers an instance that is open there, though nobody asked for it. */
  recoverAny(): void;
}

const LOSSES: readonly Loss[] = ['everything', 'some', 'some', 'nothing'];

const MUTABLE: readonly MessageType[] = [
  'preAccept',
  'preAcceptReply',
  'accept',
  'acceptReply',
  'commit',
  'prepare',
  'prepareReply',
  'validate',
  'validateReply',
  'fetch',
];

export class Faults {
  readonly #options: FaultOptions;
  readonly #replicas: readonly Breakable[];
  readonly #network: Network;
  readonly #reachability: Reachability;
  readonly #queue: EventQueue;
  readonly #prng: Prng;
  readonly #trace: Trace;
  readonly #statistics: Statistics;
  /** What ends each fault that is not over. */
  readonly #repairs = new Set<() => void>();
  #round = 0;
  #active = false;
  #onHealed: () => void = () => {};

  constructor(parts: {
    readonly options: FaultOptions;
    readonly replicas: readonly Breakable[];
    readonly network: Network;
    readonly reachability: Reachability;
    readonly queue: EventQueue;
    readonly prng: Prng;
    readonly trace: Trace;
    readonly statistics: Statistics;
  }) {
    this.#options = parts.options;
    this.#replicas = parts.replicas;
    this.#network = parts.network;
    this.#reachability = parts.reachability;
    this.#queue = parts.queue;
    this.#prng = parts.prng;
    this.#trace = parts.trace;
    this.#statistics = parts.statistics;
  }

  /** @param onHealed called when the last fault is over and every replica runs */
  start(onHealed: () => void): void {
    this.#onHealed = onHealed;
    this.#beginRound();
  }

  /** A replica has died of itself: it starts again after some time. */
  died(id: ReplicaId): void {
    this.#restartLater(this.#replica(id));
  }

  #beginRound(): void {
    this.#active = true;
    this.#round += 1;
    this.#next(this.#round);
    this.#queue.after(this.#options.roundMs, () => this.#endRound());
  }

  #endRound(): void {
    this.#active = false;
    for (const repair of [...this.#repairs]) repair();
    for (const replica of this.#replicas) {
      replica.calm();
      replica.resume();
      if (!replica.isUp) replica.start();
    }
    this.#trace.note(this.#queue.nowMs, 0, 'all is repaired after round', this.#round);
    if (this.#round < this.#options.rounds)
      this.#queue.after(this.#options.quietMs, () => this.#beginRound());
    else this.#onHealed();
  }

  #next(round: number): void {
    if (this.#options.kinds.length === 0) return;
    this.#queue.after(between(this.#prng, 0, 2 * this.#options.intervalMs), () => {
      if (!this.#active || round !== this.#round) return;
      this.#strike(pick(this.#prng, this.#options.kinds));
      this.#next(round);
    });
  }

  #strike(kind: FaultKind): void {
    const prng = this.#prng;
    const replica = pick(prng, this.#replicas);
    this.#trace.note(this.#queue.nowMs, replica.id, 'fault', kind);
    switch (kind) {
      case 'crash':
        if (this.#mayStop(replica)) this.#crash(replica, pick(prng, LOSSES));
        return;
      case 'crashAll': {
        const loss = pick(prng, LOSSES);
        for (const each of this.#replicas) if (each.isUp) this.#crash(each, loss);
        return;
      }
      case 'crashAtStage':
        if (this.#mayStop(replica)) replica.crashAtSomeStep(prng);
        return;
      case 'pause':
        if (this.#mayStop(replica)) this.#pause(replica);
        return;
      case 'partition':
        this.#partition(subset(prng, this.#replicas, 0.5));
        return;
      case 'isolate':
        this.#partition([replica]);
        return;
      case 'oneWay':
        this.#cutOneWay();
        return;
      case 'slowLinks':
        this.#slowLinks();
        return;
      case 'loss':
        this.#during(this.#network.disturb(between(prng, 0.05, 0.6)));
        return;
      case 'mute':
        this.#during(this.#network.mute(pick(prng, MUTABLE)));
        return;
      case 'diskError':
        if (this.#mayStop(replica)) replica.failDisk();
        return;
      case 'slowDisk':
        this.#slowDisk(replica);
        return;
      case 'wrongReachability':
        this.#during(this.#reachability.confuse(between(prng, 0.1, 0.9)));
        return;
      case 'absence':
        this.#absence();
        return;
      case 'eagerRecovery':
        for (const each of sample(prng, this.#replicas, prng.integer(1, 3))) each.recoverAny();
        return;
    }
  }

  /** True unless too many are down already. */
  #mayStop(replica: Breakable): boolean {
    const others = this.#replicas.filter((each) => each !== replica && (!each.isUp || each.isPaused));
    return replica.isUp && !replica.isPaused && others.length < this.#options.maxDown;
  }

  #crash(replica: Breakable, loss: Loss): void {
    replica.crash(loss);
    this.#restartLater(replica);
  }

  #restartLater(replica: Breakable): void {
    this.#restartAfter(replica, chance(this.#prng, 0.3) ? 1 : this.#durationMs());
  }

  #restartAfter(replica: Breakable, delayMs: number): void {
    this.#queue.after(delayMs, () => {
      if (!replica.isUp) replica.start();
    });
  }

  /** A few replicas are away for a large part of the round: down, or cut off together. */
  #absence(): void {
    const prng = this.#prng;
    const away = sample(prng, this.#replicas, prng.integer(1, (this.#replicas.length - 1) / 2));
    const durationMs = between(prng, 0.2, 1) * this.#options.roundMs;
    if (chance(prng, 0.7)) {
      this.#partition(away, durationMs);
      // What only those who were away know is finished by others if its coordinator dies on the way back.
      const dying = chance(prng, 0.5) ? pick(prng, away) : null;
      if (dying !== null) this.#queue.after(durationMs, () => this.#stop(dying, durationMs));
      return;
    }
    for (const replica of away) this.#stop(replica, durationMs);
  }

  /** Crashes a replica for some time, unless too many are down already, or the round is over. */
  #stop(replica: Breakable, durationMs: number): void {
    if (!this.#active || !this.#mayStop(replica)) return;
    replica.crash(pick(this.#prng, LOSSES));
    this.#restartAfter(replica, durationMs);
  }

  #pause(replica: Breakable): void {
    this.#statistics.pauses += 1;
    replica.pause();
    this.#during(() => replica.resume());
  }

  #partition(side: readonly Breakable[], durationMs = this.#durationMs()): void {
    this.#statistics.partitions += 1;
    const repairs: (() => void)[] = [];
    for (const one of side) {
      for (const other of this.#replicas) {
        if (side.includes(other)) continue;
        repairs.push(this.#network.cut(one.id, other.id), this.#network.cut(other.id, one.id));
      }
    }
    this.#during(() => {
      for (const repair of repairs) repair();
    }, durationMs);
  }

  /** Cuts some links in one direction. */
  #cutOneWay(): void {
    this.#statistics.partitions += 1;
    const repairs = this.#pairs(between(this.#prng, 0.1, 0.5)).map(([from, to]) =>
      this.#network.cut(from, to),
    );
    this.#during(() => {
      for (const repair of repairs) repair();
    });
  }

  #slowLinks(): void {
    const extraMs = between(this.#prng, 5, 300);
    const repairs = this.#pairs(between(this.#prng, 0.1, 0.6)).map(([from, to]) =>
      this.#network.slow(from, to, extraMs),
    );
    this.#during(() => {
      for (const repair of repairs) repair();
    });
  }

  #slowDisk(replica: Breakable): void {
    replica.diskFactor = between(this.#prng, 3, 40);
    this.#during(() => {
      replica.diskFactor = 1;
    });
  }

  #pairs(share: number): (readonly [from: ReplicaId, to: ReplicaId])[] {
    const pairs = this.#replicas.flatMap(({ id: from }) =>
      this.#replicas.filter(({ id }) => id !== from).map(({ id: to }) => [from, to] as const),
    );
    return subset(this.#prng, pairs, share);
  }

  /** Repairs a fault after some time, or at the end of the round. */
  #during(repair: () => void, durationMs = this.#durationMs()): void {
    const end = () => {
      if (this.#repairs.delete(end)) repair();
    };
    this.#repairs.add(end);
    this.#queue.after(durationMs, end);
  }

  #durationMs(): number {
    return between(this.#prng, 5, this.#options.durationMs);
  }

  #replica(id: ReplicaId): Breakable {
    const replica = this.#replicas[id - 1];
    if (replica === undefined) throw new RangeError(`no replica ${id}`);
    return replica;
  }
}
