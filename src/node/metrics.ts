/** Counters of what the protocol core reports, for the operators' interface. */
import type { ReplicaId, TraceEvent } from '../epaxos/index.ts';

/** Instances committed through this replica since it started, by path. */
export interface PathCounts {
  /** Own instances, after one round trip. */
  readonly fast: number;
  /** Own instances, after an Accept phase. */
  readonly slow: number;
  /** Instances of any replica whose recovery this replica finished. */
  readonly recovered: number;
}

export class PathCounters {
  readonly #id: ReplicaId;
  #fast = 0;
  #slow = 0;
  #recovered = 0;

  /** @param id the replica whose own instances are counted */
  constructor(id: ReplicaId) {
    this.#id = id;
  }

  count(events: readonly TraceEvent[]): void {
    for (const event of events) {
      if (event.type !== 'committed') continue;
      if (event.path === 'recovery') this.#recovered += 1;
      else if (event.id.replica !== this.#id) continue;
      else if (event.path === 'fast') this.#fast += 1;
      else if (event.path === 'slow') this.#slow += 1;
    }
  }

  counts(): PathCounts {
    return { fast: this.#fast, slow: this.#slow, recovered: this.#recovered };
  }
}
