/** Which peers can be reached now, and whether that makes a majority; says so in the log when it changes. */

import type { Logger } from 'pino';
import { quorumsOf, type ReplicaId } from '../epaxos/index.ts';

export class Reachability {
  readonly #reachable = new Set<ReplicaId>();
  readonly #majority: number;
  readonly #logger: Logger;
  readonly #onQuorum: ((reachable: boolean) => void) | undefined;

  constructor(options: {
    /** N. */
    readonly replicas: number;
    readonly logger: Logger;
    /** Is told at every change whether there is a majority. */
    readonly onQuorum?: (reachable: boolean) => void;
  }) {
    this.#majority = quorumsOf(options.replicas).majority;
    this.#logger = options.logger;
    this.#onQuorum = options.onQuorum;
  }

  /** The peers that can be reached. */
  get peers(): Iterable<ReplicaId> {
    return this.#reachable;
  }

  /** Whether a majority of replicas, this one included, can be reached. */
  get hasQuorum(): boolean {
    return this.#reachable.size + 1 >= this.#majority;
  }

  set(peer: ReplicaId, reachable: boolean): void {
    const before = this.hasQuorum;
    if (reachable) this.#reachable.add(peer);
    else this.#reachable.delete(peer);
    this.#logger.info({ peer, reachable }, 'peer changed');
    const after = this.hasQuorum;
    if (before === after) return;
    if (after) this.#logger.info('a majority of replicas is reachable');
    else this.#logger.warn('a majority of replicas is not reachable: nothing can be committed');
    this.#onQuorum?.(after);
  }
}
