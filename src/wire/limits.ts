/** Named limits of the wire: how large a frame, a message and a queue may be, and the gRPC options that say so. */
import type { ChannelOptions } from '@grpc/grpc-js';

const KIB = 1024;
const MIB = 1024 * KIB;

export const RPC_LIMITS = {
  /**
   * Messages for one stream are put into frames of about this many bytes; a larger message goes alone.
   * A gRPC stream takes 16 frames before it asks its writer to wait, so about 4 MiB wait inside gRPC.
   */
  frameTargetBytes: 256 * KIB,
  /** Bytes of a gRPC message, of a frame therefore, and of one protocol message. A command has at most 4 MiB. */
  messageBytes: 16 * MIB,
  /** Messages that wait for one stream to one peer. */
  queuedMessages: 16_384,
  /** Bytes of the messages that wait for one stream to one peer. */
  queuedBytes: 32 * MIB,
  /** Requests that one stream of a client may have open: a replica refuses more, and the client library sends no more. */
  streamRequests: 16_384,
  /** Bytes of their operations. */
  streamBytes: 32 * MIB,
  /** Requests in one frame of a client's stream. */
  frameRequests: 65_536,
  /** Characters of an error's message that travel: in a gRPC status it is sent as a header. */
  statusCharacters: 2048,
} as const;

/** For the connections to a replica, whoever they are from. */
export const CONNECTION_LIMITS = {
  /** Open at once, peers' included. */
  connections: 1000,
  /** Until the preface of HTTP/2 is complete, in milliseconds. */
  prefaceMs: 5_000,
  /** Calls under way on one connection; a client that keeps to HTTP/2 waits with more. */
  streams: 1024,
} as const;

/**
 * Memory that clients can take by not reading their answers, or by not finishing what they send: then bytes wait here. A
 * connection's own limit is what the answers to all requests that its stream may have open take with values of 4 KiB, and
 * four requests of the largest size; four connections at their limits fill the limit for all.
 */
export const WAITING_LIMITS = {
  /** Bytes of answers of one stream inside gRPC: beyond it nothing more is read from the stream before all have left. */
  unsentBytes: 4 * MIB,
  /** Bytes for one connection. */
  connectionBytes: 64 * MIB,
  /** Bytes for all connections together. */
  totalBytes: 256 * MIB,
  /** A stream of which nothing was taken for so long, or not all that held it up, is ended, in milliseconds. */
  stalledMs: 30_000,
  /** A connection of which nothing was taken is closed so much later: until then the stream's end can still be read. */
  graceMs: 5_000,
} as const;

/** The same, each a number: what tests may replace. */
export type WaitingLimits = { readonly [Name in keyof typeof WAITING_LIMITS]: number };

/**
 * For the one gRPC server of a replica. The HTTP/2 receive window cannot be set here: grpc-js does not
 * offer it for servers.
 */
export const SERVER_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': RPC_LIMITS.messageBytes,
  'grpc.max_send_message_length': RPC_LIMITS.messageBytes,
  'grpc.max_concurrent_streams': CONNECTION_LIMITS.streams,
  // A connection whose other end has vanished is closed, with all that waits on it.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // Channelz stays on: grpc-js finds the connections to destroy by its lists.
  // `grpc-node.max_session_memory` is not set: it does not count what lies in JavaScript (unfinished messages, answers for
  // a closed window), which {@link WAITING_LIMITS} bounds, and Node.js refuses at random once it is reached.
};

/** For every channel of this project, on top of what its owner wants about reconnecting. */
export const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': RPC_LIMITS.messageBytes,
  'grpc.max_send_message_length': RPC_LIMITS.messageBytes,
  // The default, 64 KiB, costs a round trip for every 64 KiB received.
  'grpc-node.flow_control_window': MIB,
  // Channels are independent: closing one closes its connection.
  'grpc.use_local_subchannel_pool': 1,
  // Replicas are dialled at the addresses given: no proxy from the environment, no service config from DNS.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  // Retrying is ours: only we know the request ids, and gRPC would buffer what it might have to repeat.
  'grpc.enable_retries': 0,
  // Statistics that nobody reads.
  'grpc.enable_channelz': 0,
};
