/** Protobuf: the schema, and the encoding of operations, commands, instances and answers. The folder's only door. */
export * from './answer.ts';
export * from './check.ts';
export * from './instance.ts';
export * from './operation.ts';
export * from './pruned.ts';
export * from './schema.ts';
export * from './snapshot.ts';
export * from './wire.ts';
