/** Delivery of the protocol's messages between replicas. The folder's only door. */
export { GrpcTransport, type GrpcTransportOptions } from './grpc.ts';
export type { PeerStores } from './handshake.ts';
export type { ReplicaServiceHandlers } from './incoming-streams.ts';
export {
  DEFAULT_QUEUE_LIMITS,
  DEFAULT_TRANSPORT_TIMING,
  type QueueLimits,
  type TransportEvent,
  type TransportObserver,
  type TransportTiming,
} from './options.ts';
export type { PeerStatus, Transport, TransportEvents } from './transport.ts';
