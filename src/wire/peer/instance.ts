/**
 * Instances as protobuf messages: the conversions between the plain objects of the wire and the core's
 * types, with every check that the core relies on. Peers' messages and records on disk use the same ones.
 *
 * On the wire an instance id and attributes have the very shape of the core's types, so these are encoded
 * as they are; what arrives is checked and copied into objects of the core's own.
 */
import {
  type Attributes,
  type Command,
  type Deps,
  formatInstance,
  type InstanceId,
  type InstanceRecord,
  Status,
} from '../../epaxos/index.ts';
import { assert } from '../../util/assert.ts';
import {
  checkCount,
  checkReplica,
  checkSlot,
  checkSlotOrNone,
  type DecodeContext,
  isCount,
  isSlot,
  malformed,
} from '../check.ts';
import { commandFromWire, commandToWire, type WireCommand } from '../operation/command.ts';
import { messageCodec } from '../schema.ts';

/** Message InstanceRecord. */
export interface WireRecord {
  readonly id: InstanceId | null;
  readonly status: number;
  readonly ballot: number;
  readonly acceptedBallot: number;
  readonly command: WireCommand | null;
  readonly noOp: boolean;
  readonly attributes: Attributes | null;
  readonly initial: Attributes | null;
  /** 0: none. */
  readonly follower: number;
  readonly commandApart: boolean;
}

const recordType = messageCodec<WireRecord>('InstanceRecord');

const STATUSES: readonly Status[] = [Status.none, Status.preAccepted, Status.accepted, Status.committed];

/** @throws KvError invalidArgument unless it names replica 1 to N and a slot ≥ 1 */
export function instanceIdFromWire(wire: InstanceId | null, context: DecodeContext): InstanceId {
  if (!wire) throw malformed('the instance id is missing');
  return { replica: checkReplica(wire.replica, context), slot: checkSlot(wire.slot, 'the slot') };
}

/** @throws KvError invalidArgument unless it has N slots, each ≥ 0 */
export function depsFromWire(wire: readonly number[], context: DecodeContext): Deps {
  if (wire.length !== context.replicas) {
    throw malformed(`a vector has ${wire.length} slots instead of ${context.replicas}`);
  }
  for (const slot of wire) checkSlotOrNone(slot, 'a slot of a vector');
  return wire;
}

/** @throws KvError invalidArgument if it is missing, or seq or deps are out of range */
export function attributesFromWire(wire: Attributes | null, context: DecodeContext): Attributes {
  if (!wire) throw malformed('the attributes are missing');
  return { seq: checkCount(wire.seq, 'seq'), deps: depsFromWire(wire.deps, context) };
}

/** What makes it a record that no replica can have; null if nothing does. */
function findContradiction(record: InstanceRecord): string | null {
  const { status, command, noOp, attributes } = record;
  if (status === Status.none) return attributes ? 'a record of status none has attributes' : null;
  if (!attributes) return 'a record with a value has no attributes';
  return command || noOp ? null : 'a record with a value has neither command nor no-op';
}

/** What could not be read back, as a number that left its range; null for nothing. */
function findUnreadable({ id, ballot, acceptedBallot, attributes, initial }: InstanceRecord): string | null {
  if (!isSlot(id.slot)) return `the slot is ${id.slot}`;
  if (!isCount(ballot) || !isCount(acceptedBallot)) return `the ballots are ${ballot} and ${acceptedBallot}`;
  if (!isReadable(attributes) || !isReadable(initial)) return 'seq or deps are out of range';
  return null;
}

function isReadable(attributes: Attributes | null): boolean {
  if (attributes === null) return true;
  if (!isCount(attributes.seq)) return false;
  for (const slot of attributes.deps) if (slot !== 0 && !isSlot(slot)) return false;
  return true;
}

/** A record as it travels and is stored: `executed` as committed, for the executed mark is kept apart. */
export function recordToWire(record: InstanceRecord): WireRecord {
  // What could not be read back must not be written: a replica would find out only when it starts again.
  const fault = findContradiction(record) ?? findUnreadable(record);
  assert(fault === null, `${formatInstance(record.id)}: ${fault}`);
  return {
    id: record.id,
    status: Math.min(record.status, Status.committed),
    ballot: record.ballot,
    acceptedBallot: record.acceptedBallot,
    command: record.command && commandToWire(record.command),
    noOp: record.noOp,
    attributes: record.attributes,
    initial: record.initial,
    follower: record.follower ?? 0,
    commandApart: false,
  };
}

/**
 * The record that a peer or the disk holds.
 * @throws KvError invalidArgument with the reason if it is one that no replica can have
 */
export function recordFromWire(wire: WireRecord | null, context: DecodeContext): InstanceRecord {
  if (!wire) throw malformed('the record is missing');
  const record = { ...stateFromWire(wire, context), command: wire.command && commandFromWire(wire.command) };
  const contradiction = findContradiction(record);
  if (contradiction !== null) throw malformed(contradiction);
  return record;
}

/** All but the command. */
function stateFromWire(wire: WireRecord, context: DecodeContext): Omit<InstanceRecord, 'command'> {
  const status = STATUSES[wire.status];
  if (status === undefined) throw malformed(`a record has the unknown status ${wire.status}`);
  return {
    id: instanceIdFromWire(wire.id, context),
    status,
    ballot: checkCount(wire.ballot, 'the ballot'),
    acceptedBallot: checkCount(wire.acceptedBallot, 'the accepted ballot'),
    noOp: wire.noOp,
    attributes: wire.attributes && attributesFromWire(wire.attributes, context),
    initial: wire.initial && attributesFromWire(wire.initial, context),
    follower: wire.follower === 0 ? null : checkReplica(wire.follower, context),
  };
}

/**
 * The bytes of a record, `executed` as committed, without its command: that is stored beside it, as it never changes
 * and can be large.
 */
export function encodeRecordApart(record: InstanceRecord): Buffer {
  return recordType.encode({ ...recordToWire(record), command: null, commandApart: record.command !== null });
}

/** A record without its command. */
export interface RecordApart {
  readonly state: Omit<InstanceRecord, 'command'>;
  /** Whether its command is stored beside it. */
  readonly hasCommand: boolean;
  /** The whole record. @throws KvError invalidArgument unless the command is there exactly if it should be */
  withCommand(command: Command | null): InstanceRecord;
}

/** The inverse of {@link encodeRecordApart}. @throws KvError invalidArgument */
export function decodeRecordApart(bytes: Uint8Array, context: DecodeContext): RecordApart {
  const wire = recordType.decode(bytes);
  if (wire.command) throw malformed('a record with a command inside');
  const state = stateFromWire(wire, context);
  return {
    state,
    hasCommand: wire.commandApart,
    withCommand(command) {
      if (wire.commandApart !== (command !== null))
        throw malformed('a record and its command do not belong together');
      const record = { ...state, command };
      const contradiction = findContradiction(record);
      if (contradiction !== null) throw malformed(contradiction);
      return record;
    },
  };
}
