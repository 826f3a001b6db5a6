/** Proposes the end of a generation when its time has come (R7.13), in the ordinary way of an operation that nobody waits for. */

import { Proposal, type ReplicaId, type ReplicaStatus } from '../epaxos/index.ts';
import type { Sessions } from '../kv/index.ts';
import { advanceOperation } from '../wire/index.ts';
import { type AdvanceLimits, AdvanceTiming, DEFAULT_ADVANCE } from './advance-timing.ts';
import type { Core } from './node-options.ts';

export interface AdvancerOptions {
  readonly id: ReplicaId;
  /** The period of the core's ticks, in milliseconds. */
  readonly tickMs: number;
  /** Undefined: {@link DEFAULT_ADVANCE}. */
  readonly advance?: AdvanceLimits;
  readonly sessions: Sessions;
}

export class Advancer {
  readonly #id: ReplicaId;
  readonly #timing: AdvanceTiming;
  /** What was proposed last. */
  #taken: { readonly core: Pick<Core, 'propose'>; readonly generation: number } | null = null;

  constructor({ id, tickMs, advance = DEFAULT_ADVANCE, sessions }: AdvancerOptions) {
    this.#id = id;
    this.#timing = new AdvanceTiming({
      limits: advance,
      tickMs,
      rank: id - 1,
      generation: sessions.generation,
    });
  }

  /**
   * Time has passed.
   * @param ticks at least 1 @param at.reachable the peers that can be reached
   */
  tick(
    ticks: number,
    at: {
      readonly core: Pick<Core, 'propose' | 'status'>;
      readonly sessions: Pick<Sessions, 'generation' | 'hasNews'>;
      readonly reachable: Iterable<ReplicaId>;
    },
  ): void {
    const { core, sessions, reachable } = at;
    const { generation, hasNews } = sessions;
    const isCalm = () => isCalmAt(core.status(), new Set([this.#id, ...reachable]));
    if (!this.#timing.tick({ ticks, generation, hasNews, isCalm })) return;
    // What a core took stays with it until it is executed, and then the generation is another one: a second one would only
    // be one more instance that all wait for. What it had no room for, or took along to its end, is proposed again.
    if (this.#taken?.core === core && this.#taken.generation === generation) return;
    if (core.propose(new Proposal(advanceOperation(generation)))) this.#taken = { core, generation };
  }
}

/** Nothing is open in the row of a replica that is silent, and nothing waits for anything that is open. */
function isCalmAt({ rows, blockedInstances }: ReplicaStatus, heard: ReadonlySet<ReplicaId>): boolean {
  return (
    blockedInstances === 0 &&
    rows.every(({ replica, committed, highest }) => heard.has(replica) || committed === highest)
  );
}
