/** Tells each replica how its peers look: late, by polling, and in some worlds wrongly. */
import type { ReplicaId } from '../../src/epaxos/index.ts';
import type { Prng } from '../../src/util/prng.ts';
import { between, chance } from './draw.ts';
import type { EventQueue } from './event-queue.ts';
import type { Network } from './network.ts';
import type { ReachabilityOptions } from './options.ts';

/** A replica as far as it is looked at from others, and told. */
export interface Observer {
  readonly id: ReplicaId;
  readonly isUp: boolean;
  readonly isPaused: boolean;
  setReachable(peer: ReplicaId, reachable: boolean): void;
}

export class Reachability {
  readonly #options: ReachabilityOptions;
  readonly #replicas: readonly Observer[];
  readonly #network: Network;
  readonly #queue: EventQueue;
  readonly #prng: Prng;
  #extraWrong = 0;
  #healed = false;

  constructor(parts: {
    readonly options: ReachabilityOptions;
    readonly replicas: readonly Observer[];
    readonly network: Network;
    readonly queue: EventQueue;
    readonly prng: Prng;
  }) {
    this.#options = parts.options;
    this.#replicas = parts.replicas;
    this.#network = parts.network;
    this.#queue = parts.queue;
    this.#prng = parts.prng;
  }

  start(): void {
    for (const replica of this.#replicas) this.#poll(replica);
  }

  /** Is wrong more often, until the returned function is called. */
  confuse(rate: number): () => void {
    this.#extraWrong += rate;
    return () => {
      this.#extraWrong -= rate;
    };
  }

  /** From now on it tells the truth. */
  heal(): void {
    this.#healed = true;
  }

  #poll(observer: Observer): void {
    const wrongRate = this.#healed ? 0 : this.#options.wrongRate + this.#extraWrong;
    for (const peer of this.#replicas) {
      if (peer === observer) continue;
      const isOpen = this.#network.isOpen(observer.id, peer.id) && this.#network.isOpen(peer.id, observer.id);
      const isWrong = wrongRate > 0 && chance(this.#prng, wrongRate);
      observer.setReachable(peer.id, (isOpen && peer.isUp && !peer.isPaused) !== isWrong);
    }
    const { periodMs } = this.#options;
    this.#queue.after(between(this.#prng, periodMs / 2, periodMs * 1.5), () => this.#poll(observer));
  }
}
