/** gRPC: service definitions, limits, errors, and what travels between replicas. The folder's only door. */
export {
  decodeSnapshotChunk,
  decodeSnapshotRequest,
  encodeSnapshotChunk,
  encodeSnapshotRequest,
  type SnapshotChunk,
  type SnapshotRequest,
} from '../codec/index.ts';
export { type DisposableChannel, openChannel } from './channel.ts';
export * from './kv-codec.ts';
export { answerCall } from './lean-answer.ts';
export * from './limits.ts';
export * from './pipeline-codec.ts';
export { type DecodedFrame, decodeBeat, decodeFrame, encodeBeat, encodeMessage } from './replica-codec.ts';
export * from './routes.ts';
export * from './services.ts';
export * from './status.ts';
