/**
 * `Ready`: everything one turn of the core wants done in the outside world. The batch IS the contract
 * between the core and input/output (protocol.md section 6); whoever runs the core makes it real in
 * the order of the fields, and finishes before it takes the next one.
 */

import type { Command } from './command.ts';
import type { Envelope, MessageType } from './messages.ts';
import type { Operation } from './operation.ts';
import type { Deps, InstanceId, InstanceKey, InstanceRecord, ReplicaId, Slot } from './types.ts';

/**
 * A key that commands touch. Who executes them can attach something to it, and need not look the key up the next time: what
 * it then looks for is where the core has just been. The core never looks at it, and forgets it with the key.
 */
export interface KeyHandle {
  readonly key: string;
  attachment: object | null;
}

/** A committed instance whose turn has come. No-ops are reported too: their executed mark must be kept. */
export interface Execution {
  readonly id: InstanceId;
  /** Null for a no-op. */
  readonly command: Command | null;
  /** Of each operation its key, or the first of its keys. Without, they are to be looked up. */
  readonly keys?: readonly KeyHandle[];
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
  | { readonly type: 'fetched'; readonly slots: number }
  /** R3.13: a message was ignored, as what it says is too far beyond all that is known here. */
  | { readonly type: 'disbelieved'; readonly from: ReplicaId; readonly message: MessageType };

/** What a replica has forgotten, and must not be asked for any more (R9.2). */
export interface Pruned {
  /** By row: every slot up to this one is executed, and its record can be removed. */
  readonly pruned: Deps;
  /** Every contribution is merged with this (R2.7). */
  readonly floor: Deps;
}

/**
 * The fields stand in the order in which they are made real. What each must come after, and before, stands at it; what
 * is not said is free.
 */
export interface Ready {
  /**
   * Messages that speak of slots reserved on disk before (R6.4). Losing one is harmless.
   * After: nothing. Before: nothing; best while `records` are being written.
   */
  readonly early: readonly Envelope[];
  /** At most one record an instance, the newest. After: nothing. Before: all below, as `sync` says. */
  readonly records: readonly InstanceRecord[];
  /** Every slot of the own row up to this one may be in use (R6.4); null for no change. In one batch with `records`. */
  readonly reserved: Slot | null;
  /**
   * True if `records`, `reserved` and everything written before must be on disk (fsync) before anything below (R6.1,
   * R6.2). May be set without a record. False: nothing below rests on them, and they may be written with any later batch,
   * but before the next `flush` or `pruned`.
   */
  readonly sync: boolean;
  /** Losing one is harmless. After: `sync`. Before: nothing. */
  readonly messages: readonly Envelope[];
  /** Applied in memory, in this order, and then answered. After: `sync`. Before: `reads`, `flush`. */
  readonly executions: readonly Execution[];
  /** Reads, to be answered from the state that these executions leave (R8.1). After: `executions`. Before: the next Ready. */
  readonly reads: readonly Operation[];
  /**
   * True if the effects of all that was executed and not written yet, these executions included, are to be written
   * now, with their executed marks, in one atomic batch (R7.4). Lost ones are executed again. They may be written sooner,
   * but only so. After: `executions`, and every record executed is written. Before: the next Ready.
   */
  readonly flush: boolean;
  /** What to remove from the store; null for no change. After: `flush`, and the marks of what it names. Before: nothing. */
  readonly pruned: Pruned | null;
  /** A peer that has forgotten what this replica still needs: a snapshot must be had from it. After, before: nothing. */
  readonly snapshotFrom: ReplicaId | null;
  /** For counters and logs; in the order things happened. After, before: nothing. */
  readonly events: readonly TraceEvent[];
}

/** A `Ready` in the making. */
export class Outbox {
  /** By instance: a later record replaces an earlier one of the same turn. */
  readonly records = new Map<InstanceKey, InstanceRecord>();
  reserved: Slot | null = null;
  sync = false;
  flush = false;
  readonly early: Envelope[] = [];
  readonly messages: Envelope[] = [];
  readonly executions: Execution[] = [];
  readonly reads: Operation[] = [];
  readonly events: TraceEvent[] = [];

  pruned: Pruned | null = null;
  /** How many slots that makes. */
  prunedSlots = 0;
  snapshotFrom: ReplicaId | null = null;
  /** Whether the watermarks are among the messages. */
  hasWatermarks = false;

  get isEmpty(): boolean {
    const { records, early, messages, executions, reads, events } = this;
    const lists = [early, messages, executions, reads, events];
    return (
      records.size === 0 &&
      lists.every((list) => list.length === 0) &&
      this.reserved === null &&
      !this.sync &&
      !this.flush &&
      this.pruned === null &&
      this.snapshotFrom === null
    );
  }

  seal(): Ready {
    const { early, reserved, sync, messages, executions, flush, reads, pruned, snapshotFrom, events } = this;
    return {
      early,
      records: [...this.records.values()],
      reserved,
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
