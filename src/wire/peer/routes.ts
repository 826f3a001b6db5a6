/**
 * Which message travels where: for every type of message the stream, the direction on it, and its place
 * in the frame (proto/epaxos/v1/replica.proto). The compiler keeps the table complete.
 */
import type { MessageType } from '../../epaxos/index.ts';

/** The streams that carry the protocol's messages: RPCs of the Replica service. */
export const MESSAGE_STREAMS = [
  'PreAccept',
  'Accept',
  'Commit',
  'Prepare',
  'Validate',
  'CatchUp',
  'Read',
] as const;
export type MessageStream = (typeof MESSAGE_STREAMS)[number];

/** The RPC that measures round trips and notices silence. */
export const HEARTBEAT_STREAM = 'Heartbeat';
export type ReplicaStream = MessageStream | typeof HEARTBEAT_STREAM;
export const REPLICA_STREAMS: readonly ReplicaStream[] = [...MESSAGE_STREAMS, HEARTBEAT_STREAM];

/** The RPC by which a replica that is too far behind copies another one's state: one request, many chunks. */
export const SNAPSHOT_CALL = 'Snapshot';

/** `request`: from the replica that opened the stream; `response`: back to it. */
export type Direction = 'request' | 'response';

/** The frames of one direction of one stream: a message of the schema made of repeated fields. */
export interface Lane {
  readonly stream: MessageStream;
  readonly direction: Direction;
}

export interface Route extends Lane {
  /** The frame's repeated field that holds messages of this type. */
  readonly field: string;
}

export const ROUTES: Readonly<Record<MessageType, Route>> = {
  preAccept: { stream: 'PreAccept', direction: 'request', field: 'messages' },
  preAcceptReply: { stream: 'PreAccept', direction: 'response', field: 'messages' },
  accept: { stream: 'Accept', direction: 'request', field: 'messages' },
  acceptReply: { stream: 'Accept', direction: 'response', field: 'messages' },
  commit: { stream: 'Commit', direction: 'request', field: 'messages' },
  prepare: { stream: 'Prepare', direction: 'request', field: 'messages' },
  prepareReply: { stream: 'Prepare', direction: 'response', field: 'messages' },
  validate: { stream: 'Validate', direction: 'request', field: 'messages' },
  validateReply: { stream: 'Validate', direction: 'response', field: 'messages' },
  waiting: { stream: 'Validate', direction: 'request', field: 'waiting' },
  fetch: { stream: 'CatchUp', direction: 'request', field: 'fetches' },
  watermarks: { stream: 'CatchUp', direction: 'request', field: 'watermarks' },
  readRequest: { stream: 'Read', direction: 'request', field: 'messages' },
  readReply: { stream: 'Read', direction: 'response', field: 'messages' },
};

/** The name of a lane's frame in the schema. */
export function frameName(lane: Lane): string {
  return lane.direction === 'request' ? `${lane.stream}Frame` : `${lane.stream}ReplyFrame`;
}
