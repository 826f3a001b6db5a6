/**
 * `Ready`: everything one turn of the core wants done in the outside world. The batch IS the contract
 * between the core and input/output (protocol.md section 6); whoever runs the core makes it real in
 * the order of the fields, and finishes before it takes the next one.
 */
import type { Envelope } from './messages.ts';
import type {
  Command,
  Deps,
  InstanceId,
  InstanceKey,
  InstanceRecord,
  Operation,
  ReplicaId,
} from './types.ts';

/** A committed instance whose turn has come. No-ops are reported too: their executed mark must be kept. */
export interface Execution {
  readonly id: InstanceId;
  /** Null for a no-op. */
  readonly command: Command | null;
}

/** What the core did, for counters, logs and the simulator's checkers. The core itself never logs. */
export type TraceEvent =
  | { readonly type: 'proposed'; readonly id: InstanceId; readonly operations: number }
  | {
      readonly type: 'committed';
      readonly id: InstanceId;
      readonly path: 'fast' | 'slow' | 'recovery' | 'learned';
    }
  | { readonly type: 'recoveryStarted'; readonly id: InstanceId; readonly ballot: number }
  | { readonly type: 'reproposed'; readonly id: InstanceId }
  | { readonly type: 'fetched'; readonly slots: number };

/** What a replica has forgotten, and must not be asked for any more (R9.2). */
export interface Pruned {
  /** By row: every slot up to this one is executed, and its record can be removed. */
  readonly pruned: Deps;
  /** Every contribution is merged with this (R2.7). */
  readonly floor: Deps;
}

export interface Ready {
  /** 1. Written in one batch, before anything below; at most one record an instance, the newest. */
  readonly records: readonly InstanceRecord[];
  /**
   * True if that batch must be on disk (fsync) before anything below (R6.1, R6.2), and with it
   * everything written before. May be set without a record.
   */
  readonly sync: boolean;
  /** 2. Sent after the records are written. Losing one is harmless. */
  readonly messages: readonly Envelope[];
  /** 3. Applied in this order. Effects need not be written at once: lost ones are executed again (R7.4). */
  readonly executions: readonly Execution[];
  /**
   * True if the effects of all that was executed and not written yet, these executions included, are to be written
   * now, with their executed marks, in one atomic batch (R7.4). They may be written sooner, but only so.
   */
  readonly flush: boolean;
  /** 4. Reads to be answered from the state that these executions leave (R8.1). */
  readonly reads: readonly Operation[];
  /** 5. Written in one batch with whatever is convenient, not before those of the instances it names; null for no change. */
  readonly pruned: Pruned | null;
  /** A peer that has forgotten what this replica still needs: a snapshot must be had from it. */
  readonly snapshotFrom: ReplicaId | null;
  /** For counters and logs; in the order things happened. */
  readonly events: readonly TraceEvent[];
}

/** A `Ready` in the making. */
export class Outbox {
  /** By instance: a later record replaces an earlier one of the same turn. */
  readonly records = new Map<InstanceKey, InstanceRecord>();
  sync = false;
  flush = false;
  readonly messages: Envelope[] = [];
  readonly executions: Execution[] = [];
  readonly reads: Operation[] = [];
  readonly events: TraceEvent[] = [];

  pruned: Pruned | null = null;
  snapshotFrom: ReplicaId | null = null;

  get isEmpty(): boolean {
    const count = this.records.size + this.messages.length + this.executions.length + this.events.length;
    return (
      count === 0 &&
      this.reads.length === 0 &&
      !this.sync &&
      !this.flush &&
      this.pruned === null &&
      this.snapshotFrom === null
    );
  }

  seal(): Ready {
    const { sync, messages, executions, flush, reads, pruned, snapshotFrom, events } = this;
    return {
      records: [...this.records.values()],
      sync,
      messages,
      executions,
      flush,
      reads,
      pruned,
      snapshotFrom,
      events,
    };
  }
}
