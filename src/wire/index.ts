/** Bytes: protobuf, operations, and what travels between replicas and to clients over gRPC. The folder's only door. */
export { type DisposableChannel, openChannel } from './channel.ts';
export * from './check.ts';
export * from './client/kv-messages.ts';
export { answerCall } from './client/lean-answer.ts';
export * from './client/pipeline-codec.ts';
export * from './limits.ts';
export * from './operation/command.ts';
export * from './operation/operation.ts';
export { CLIENT_ID_BYTES, checkRequestName } from './operation/operation-checks.ts';
export {
  encodeAdvance,
  encodeDelete,
  encodeGet,
  encodeMultiGet,
  encodePut,
  type OperationName,
  type RequestIdBytes,
  renamed,
  type WriteName,
} from './operation/operation-encoder.ts';
export * from './peer/instance.ts';
export * from './peer/pruned.ts';
export {
  type BeatMessage,
  decodeBeat,
  decodeFrame,
  encodeBeat,
  encodeMessage,
} from './peer/replica-codec.ts';
export * from './peer/routes.ts';
export * from './peer/snapshot.ts';
export * from './peer/store-mark.ts';
export * from './protobuf.ts';
export * from './schema.ts';
export * from './services.ts';
export * from './status.ts';
