/**
 * How long this replica's own instances take, from when they were proposed: until they are committed, and until
 * they are executed and their clients answered. Counted an instance, not an operation, at a constant cost each.
 */
import type { Execution, ReplicaId, Slot, TraceEvent } from '../epaxos/index.ts';
import { LatencyHistogram } from '../util/latency-histogram.ts';
import type { Clock } from './clock.ts';

/** Since the process started; each is as `LatencyHistogram.counts` gives it. */
export interface InstanceLatencyCounts {
  /** Operations proposed in own instances; one that is proposed again counts again. */
  readonly operations: number;
  /** From proposed to committed here. */
  readonly commit: readonly number[];
  /** From proposed to executed here and answered. */
  readonly execute: readonly number[];
  /** From committed here to executed here and answered. */
  readonly executionDelay: readonly number[];
}

interface Times {
  readonly proposedMs: number;
  committedMs: number | null;
}

export class InstanceLatencyCounters {
  readonly #id: ReplicaId;
  readonly #clock: Clock;
  /** Own instances that are not executed yet: as many as the core keeps open. */
  readonly #open = new Map<Slot, Times>();
  #operations = 0;
  readonly #commit = new LatencyHistogram();
  readonly #execute = new LatencyHistogram();
  readonly #executionDelay = new LatencyHistogram();

  constructor(options: { readonly id: ReplicaId; readonly clock: Clock }) {
    this.#id = options.id;
    this.#clock = options.clock;
  }

  /** A turn begins to be performed: what it proposed is new. */
  proposed(events: readonly TraceEvent[]): void {
    if (events.length === 0) return;
    const nowMs = this.#clock.nowMs();
    for (const event of events) {
      if (event.type !== 'proposed') continue;
      this.#operations += event.operations;
      this.#open.set(event.id.slot, { proposedMs: nowMs, committedMs: null });
    }
  }

  /** The turn's records are written: what it committed is final and would survive a crash. */
  committed(events: readonly TraceEvent[]): void {
    if (events.length === 0) return;
    const nowMs = this.#clock.nowMs();
    for (const event of events) {
      if (event.type !== 'committed' || event.id.replica !== this.#id) continue;
      const times = this.#open.get(event.id.slot);
      if (times === undefined || times.committedMs !== null) continue; // of an earlier process, or of an earlier core
      times.committedMs = nowMs;
      this.#commit.record(nowMs - times.proposedMs);
    }
  }

  /** These were executed and their clients answered. */
  executed(executions: readonly Execution[]): void {
    if (executions.length === 0) return;
    const nowMs = this.#clock.nowMs();
    for (const { id } of executions) {
      if (id.replica !== this.#id) continue;
      const times = this.#open.get(id.slot);
      if (times === undefined) continue;
      this.#open.delete(id.slot);
      this.#execute.record(nowMs - times.proposedMs);
      if (times.committedMs !== null) this.#executionDelay.record(nowMs - times.committedMs);
    }
  }

  /** A snapshot took the place of the state: what was open before is settled without being executed here. */
  forgetOpen(): void {
    this.#open.clear();
  }

  counts(): InstanceLatencyCounts {
    return {
      operations: this.#operations,
      commit: this.#commit.counts(),
      execute: this.#execute.counts(),
      executionDelay: this.#executionDelay.counts(),
    };
  }
}
