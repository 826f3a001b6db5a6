/** The protocol core: its only door. Synchronous, deterministic, without input or output. */
export * from './messages.ts';
export { DEFAULT_LIMITS, DEFAULT_TIMING, type Limits, type ReplicaOptions, type Timing } from './options.ts';
export { Proposal } from './proposer.ts';
export * from './quorum.ts';
export type { Execution, Pruned, Ready, TraceEvent } from './ready.ts';
export { Replica, type ReplicaStatus, type RowProgress, type StoredState } from './replica.ts';
export * from './types.ts';
