/**
 * The protocol's messages as the plain objects of the schema (proto/epaxos/v1/replica.proto), and back
 * with every check that the core relies on. Most have the very shape of the core's types, so these are
 * encoded as they are; what arrives is checked and copied field by field.
 */

import {
  type Attributes,
  type Ballot,
  type Command,
  type Contradiction,
  formatInstance,
  type InstanceId,
  type InstanceRecord,
  MAX_LISTED,
  type Message,
  type MessageType,
  type ReplicaId,
  type SlotRange,
} from '../../epaxos/index.ts';
import { checkCount, checkReplica, checkSlot, type DecodeContext, malformed } from '../check.ts';
import { commandFromWire, commandToWire, type WireCommand } from '../operation/command.ts';
import { keyToBytes, keyToString } from '../operation/operation.ts';
import {
  attributesFromWire,
  depsFromWire,
  instanceIdFromWire,
  recordFromWire,
  recordToWire,
  type WireRecord,
} from './instance.ts';

/** The messages on the wire, by type. Absent messages are null. */
interface WireMessages {
  readonly preAccept: {
    readonly id: InstanceId | null;
    readonly command: WireCommand | null;
    readonly attributes: Attributes | null;
    /** 0: none. */
    readonly follower: number;
    readonly prompt: boolean;
  };
  readonly preAcceptReply: { readonly id: InstanceId | null; readonly attributes: Attributes | null };
  readonly accept: {
    readonly id: InstanceId | null;
    readonly ballot: number;
    readonly command: WireCommand | null;
    readonly attributes: Attributes | null;
    readonly sent: boolean;
  };
  readonly acceptReply: {
    readonly id: InstanceId | null;
    readonly ballot: number;
    readonly promised: number;
  };
  readonly commit: {
    readonly id: InstanceId | null;
    readonly command: WireCommand | null;
    readonly attributes: Attributes | null;
    readonly sent: boolean;
  };
  readonly prepare: { readonly id: InstanceId | null; readonly ballot: number };
  readonly prepareReply: { readonly ballot: number; readonly record: WireRecord | null };
  readonly validate: {
    readonly id: InstanceId | null;
    readonly ballot: number;
    readonly command: WireCommand | null;
    readonly attributes: Attributes | null;
  };
  readonly validateReply: {
    readonly id: InstanceId | null;
    readonly ballot: number;
    readonly promised: number;
    readonly contradictions: readonly { readonly id: InstanceId | null; readonly committed: boolean }[];
    readonly more: boolean;
  };
  readonly waiting: { readonly id: InstanceId | null; readonly matching: number };
  readonly fetch: { readonly ranges: readonly SlotRange[] };
  readonly watermarks: {
    readonly committed: readonly number[];
    readonly executed: readonly number[];
    readonly highest: readonly number[];
    readonly pruned: readonly number[];
  };
  readonly readRequest: { readonly sequence: number; readonly keys: readonly Uint8Array[] };
  readonly readReply: {
    readonly sequence: number;
    readonly deps: readonly { readonly slots: readonly number[] }[];
  };
}

type MessageOf<Type extends MessageType> = Extract<Message, { readonly type: Type }>;

/** One type of message: to the wire and back. */
export interface Conversion<Type extends MessageType> {
  toWire(message: MessageOf<Type>): WireMessages[Type];
  /** @throws KvError invalidArgument or limitExceeded, with the reason, if it is no message a replica can send */
  fromWire(wire: WireMessages[Type], context: DecodeContext): MessageOf<Type>;
}

export const CONVERSIONS: { readonly [Type in MessageType]: Conversion<Type> } = {
  preAccept: {
    toWire: ({ id, command, attributes, follower, prompt }) => ({
      id,
      command: commandToWire(command),
      attributes,
      follower: follower ?? 0,
      prompt,
    }),
    fromWire: (wire, context) => ({
      type: 'preAccept',
      ...idAndAttributes(wire, context),
      command: commandOf(wire.command),
      follower: followerOf(wire, context),
      prompt: wire.prompt,
    }),
  },
  preAcceptReply: {
    toWire: ({ id, attributes }) => ({ id, attributes }),
    fromWire: (wire, context) => ({ type: 'preAcceptReply', ...idAndAttributes(wire, context) }),
  },
  accept: {
    toWire: ({ id, ballot, command, attributes }) => ({ id, ballot, attributes, ...valueToWire(command) }),
    fromWire: (wire, context) => ({
      type: 'accept',
      ...idAndAttributes(wire, context),
      ballot: ballotOf(wire.ballot, context),
      command: valueFromWire(wire),
    }),
  },
  acceptReply: {
    toWire: ({ id, ballot, promised }) => ({ id, ballot, promised }),
    fromWire: ({ id, ballot, promised }, context) => ({
      type: 'acceptReply',
      id: instanceIdFromWire(id, context),
      ballot: ballotOf(ballot, context),
      promised: ballotOf(promised, context),
    }),
  },
  commit: {
    toWire: ({ id, command, attributes }) => ({ id, attributes, ...valueToWire(command) }),
    fromWire: (wire, context) => ({
      type: 'commit',
      ...idAndAttributes(wire, context),
      command: valueFromWire(wire),
    }),
  },
  prepare: {
    toWire: ({ id, ballot }) => ({ id, ballot }),
    fromWire: ({ id, ballot }, context) => ({
      type: 'prepare',
      id: instanceIdFromWire(id, context),
      ballot: recoveryBallotOf(ballot, context),
    }),
  },
  prepareReply: {
    toWire: ({ ballot, record }) => ({ ballot, record: recordToWire(record) }),
    fromWire: ({ ballot, record }, context) => ({
      type: 'prepareReply',
      ballot: recoveryBallotOf(ballot, context),
      record: checkRecord(recordFromWire(record, context), context),
    }),
  },
  validate: {
    toWire: ({ id, ballot, command, attributes }) => ({
      id,
      ballot,
      command: commandToWire(command),
      attributes,
    }),
    fromWire: (wire, context) => ({
      type: 'validate',
      ...idAndAttributes(wire, context),
      ballot: recoveryBallotOf(wire.ballot, context),
      command: commandOf(wire.command),
    }),
  },
  validateReply: {
    toWire: ({ id, ballot, promised, contradictions, more }) => ({
      id,
      ballot,
      promised,
      contradictions,
      more,
    }),
    fromWire: ({ id, ballot, promised, contradictions, more }, context) => ({
      type: 'validateReply',
      id: instanceIdFromWire(id, context),
      ballot: recoveryBallotOf(ballot, context),
      promised: ballotOf(promised, context),
      contradictions: listed(contradictions).map(
        ({ id, committed }): Contradiction => ({ id: instanceIdFromWire(id, context), committed }),
      ),
      more,
    }),
  },
  waiting: {
    toWire: ({ id, matching }) => ({ id, matching }),
    fromWire: ({ id, matching }, context) => {
      if (matching > context.replicas) throw malformed(`${matching} of ${context.replicas} replicas match`);
      return { type: 'waiting', id: instanceIdFromWire(id, context), matching };
    },
  },
  fetch: {
    toWire: ({ ranges }) => ({ ranges }),
    fromWire: ({ ranges }, context) => ({
      type: 'fetch',
      ranges: listed(ranges).map((range) => rangeOf(range, context)),
    }),
  },
  watermarks: {
    toWire: ({ committed, executed, highest, pruned }) => ({ committed, executed, highest, pruned }),
    fromWire: ({ committed, executed, highest, pruned }, context) => ({
      type: 'watermarks',
      committed: depsFromWire(committed, context),
      executed: depsFromWire(executed, context),
      highest: depsFromWire(highest, context),
      pruned: depsFromWire(pruned, context),
    }),
  },
  readRequest: {
    toWire: ({ sequence, keys }) => ({ sequence, keys: keys.map(keyToBytes) }),
    fromWire: ({ sequence, keys }) => {
      if (keys.length === 0) throw malformed('a read without a key');
      return {
        type: 'readRequest',
        sequence: checkCount(sequence, 'sequence'),
        keys: listed(keys).map(keyToString),
      };
    },
  },
  readReply: {
    toWire: ({ sequence, deps }) => ({ sequence, deps: deps.map((slots) => ({ slots })) }),
    fromWire: ({ sequence, deps }, context) => ({
      type: 'readReply',
      sequence: checkCount(sequence, 'sequence'),
      deps: listed(deps).map(({ slots }) => depsFromWire(slots, context)),
    }),
  },
};

/** A list that is no longer than anybody makes one (R3.14). */
function listed<T>(elements: readonly T[]): readonly T[] {
  if (elements.length > MAX_LISTED) throw malformed(`a list of ${elements.length} elements`);
  return elements;
}

/** Both, and that the instance does not depend on itself or on later slots of its row (R2.5). */
function idAndAttributes(
  wire: { readonly id: InstanceId | null; readonly attributes: Attributes | null },
  context: DecodeContext,
): { readonly id: InstanceId; readonly attributes: Attributes } {
  const id = instanceIdFromWire(wire.id, context);
  const attributes = attributesFromWire(wire.attributes, context);
  checkOwnRow(id, attributes);
  return { id, attributes };
}

function checkOwnRow(id: InstanceId, attributes: Attributes): void {
  const own = attributes.deps[id.replica - 1] ?? 0;
  if (own >= id.slot) throw malformed(`instance ${formatInstance(id)} depends on slot ${own} of its own row`);
}

/** A record as a peer tells it: it keeps to what always holds of one (R2.5, I3). */
function checkRecord(record: InstanceRecord, context: DecodeContext): InstanceRecord {
  const { id, ballot, acceptedBallot, attributes, initial } = record;
  ballotOf(ballot, context);
  ballotOf(acceptedBallot, context);
  if (acceptedBallot > ballot)
    throw malformed(
      `instance ${formatInstance(id)} is accepted at ${acceptedBallot}, and promised at ${ballot}`,
    );
  if (attributes !== null) checkOwnRow(id, attributes);
  if (initial !== null) checkOwnRow(id, initial);
  return record;
}

/** A command, or that it was sent before, or the no-op. */
interface WireValue {
  readonly command: WireCommand | null;
  readonly sent: boolean;
}

function valueToWire(command: Command | 'sent' | null): WireValue {
  const sent = command === 'sent';
  return { command: sent ? null : command && commandToWire(command), sent };
}

function valueFromWire({ command, sent }: WireValue): Command | 'sent' | null {
  if (!sent) return command && commandFromWire(command);
  if (command) throw malformed('a command that is said to have been sent before');
  return 'sent';
}

function commandOf(wire: WireCommand | null): Command {
  if (!wire) throw malformed('the command is missing');
  return commandFromWire(wire);
}

/** R4.1: with three replicas one of the two others is designated, with more nobody. */
function followerOf(wire: WireMessages['preAccept'], context: DecodeContext): ReplicaId | null {
  const { follower, id } = wire;
  if (context.replicas === 3) {
    if (follower === id?.replica) throw malformed(`replica ${follower} is designated as its own follower`);
    return checkReplica(follower, context);
  }
  if (follower !== 0) throw malformed(`replica ${follower} is designated, among ${context.replicas}`);
  return null;
}

/** 0, or the ballot of some replica: k·N + r with k ≥ 1. */
function ballotOf(ballot: number, context: DecodeContext): Ballot {
  checkCount(ballot, 'the ballot');
  if (ballot > 0 && ballot <= context.replicas) throw malformed(`no replica owns ballot ${ballot}`);
  return ballot;
}

function recoveryBallotOf(ballot: number, context: DecodeContext): Ballot {
  if (ballot === 0) throw malformed('a recovery has ballot 0');
  return ballotOf(ballot, context);
}

function rangeOf({ replica, from, to }: SlotRange, context: DecodeContext): SlotRange {
  checkSlot(from, 'the first slot of a range');
  checkSlot(to, 'the last slot of a range');
  if (from > to) throw malformed(`a range from slot ${from} to slot ${to}`);
  return { replica: checkReplica(replica, context), from, to };
}
