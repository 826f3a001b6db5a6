/** The deterministic key-value state machine: its only door. */
export * from './answer-page.ts';
export * from './limits.ts';
export type { AdvanceOperation } from './operations/advance.ts';
export {
  asKvOperation,
  type ClientKind,
  isControl,
  isRead,
  isReadOfOneKey,
  isRecorded,
  isRepeatable,
  isWrite,
  type KindName,
  type KvOperation,
  OPERATIONS,
  type ReadOperation,
  type WriteOperation,
} from './operations/catalogue.ts';
export type { DeleteOperation } from './operations/delete.ts';
export type { GetOperation } from './operations/get.ts';
export type { MultiGetOperation } from './operations/multi-get.ts';
export type { PutOperation } from './operations/put.ts';
export * from './sessions.ts';
export * from './state-machine.ts';
export * from './types.ts';
