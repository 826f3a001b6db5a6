/** Protobuf: the schema, and the encoding of operations, commands, instances and answers. The folder's only door. */
export * from './answer.ts';
export * from './check.ts';
export * from './command.ts';
export * from './instance.ts';
export * from './operation.ts';
export { CLIENT_ID_BYTES } from './operation-checks.ts';
export {
  encodeDelete,
  encodeGet,
  encodeMultiGet,
  encodePut,
  type OperationName,
  type WriteName,
} from './operation-encoder.ts';
export * from './pruned.ts';
export * from './schema.ts';
export * from './snapshot.ts';
export * from './wire.ts';
