/** Records and attributes of one instance, for tests that hand replies to a recovery. */
import {
  type Attributes,
  type Command,
  emptyRecord,
  type InstanceRecord,
  type ReplicaId,
  Status,
} from '../../src/epaxos/index.ts';
import { commandOf, instance, put } from './core-operations.ts';

/** The command that the records of this file carry. */
export const COMMAND: Command = commandOf(put('c', 'x'));

export function attributes(seq: number, ...deps: number[]): Attributes {
  return { seq, deps };
}

/** Instance 1.1 at a replica that has promised ballot 99 and knows it in some way. */
const PROMISED: InstanceRecord = { ...emptyRecord(instance('1.1')), ballot: 99 };

export const nothing: InstanceRecord = PROMISED;

export function preAccepted(fields: {
  readonly current: Attributes;
  readonly initial: Attributes;
  readonly follower?: ReplicaId | null;
}): InstanceRecord {
  const { current, initial, follower = null } = fields;
  return {
    ...PROMISED,
    status: Status.preAccepted,
    command: COMMAND,
    attributes: current,
    initial,
    follower,
  };
}

export function accepted(ballot: number, value: Attributes | 'no-op', replicas = 3): InstanceRecord {
  const isNoOp = value === 'no-op';
  return {
    ...PROMISED,
    status: Status.accepted,
    acceptedBallot: ballot,
    command: isNoOp ? null : COMMAND,
    noOp: isNoOp,
    attributes: isNoOp ? { seq: 0, deps: new Array<number>(replicas).fill(0) } : value,
  };
}

export function committed(value: Attributes | 'no-op', replicas = 3): InstanceRecord {
  return { ...accepted(0, value, replicas), status: Status.committed };
}
