/** The turn: the loop that makes the core's batches real, and all that it drives. The folder's only door. */
export { type AdvanceLimits, DEFAULT_ADVANCE } from './advance-timing.ts';
export { type Clock, systemClock } from './clock.ts';
export { Node } from './node.ts';
export type { Core, NodeOptions, NodeStatus, Restored } from './node-options.ts';
export { type OpenedNode, type OpenNodeOptions, openNode, type RestoredReplica } from './open-node.ts';
export { createPeerStores } from './peer-stores.ts';
export type { Call, Waiter } from './pending.ts';
export type { SnapshotLimits } from './snapshot-server.ts';
export { TIMEOUTS } from './timeouts.ts';
