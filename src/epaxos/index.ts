/** The protocol core: its only door. Synchronous, deterministic, without input or output. */

export { Proposal } from './agreement/proposal.ts';
export { mayComeFrom } from './agreement/senders.ts';
export { Command } from './model/command.ts';
export * from './model/messages.ts';
export * from './model/operation.ts';
export {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  type Limits,
  type ReplicaOptions,
  type Timing,
} from './model/options.ts';
export * from './model/quorum.ts';
export type { Execution, KeyHandle, Pruned, Ready, TraceEvent } from './model/ready.ts';
export * from './model/types.ts';
export { Replica, type ReplicaStatus, type RowProgress, type StoredState } from './replica.ts';
