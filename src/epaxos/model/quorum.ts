/** Every threshold of the protocol, computed from N here and nowhere else (protocol.md section 1). */
import { assert } from '../../util/assert.ts';
import type { ReplicaId } from './types.ts';

/** The cluster sizes that are supported. */
export const CLUSTER_SIZES = [3, 5, 7] as const;
export type ClusterSize = (typeof CLUSTER_SIZES)[number];

export function isClusterSize(count: number): count is ClusterSize {
  return (CLUSTER_SIZES as readonly number[]).includes(count);
}

export interface Quorums {
  /** N. */
  readonly replicas: ClusterSize;
  /** f = (N − 1) / 2: how many replicas may be down. */
  readonly faults: number;
  /** e = ⌈(f + 1) / 2⌉: how many may be down while the fast path still works. */
  readonly fastFaults: number;
  /** N − f, the sender included. */
  readonly majority: number;
  /** N − e, the coordinator included: 2 of 3, 3 of 5, 5 of 7. */
  readonly fast: number;
}

/** @param replicas N: 3, 5 or 7 */
export function quorumsOf(replicas: number): Quorums {
  assert(isClusterSize(replicas), `a cluster has 3, 5 or 7 replicas, not ${replicas}`);
  const faults = (replicas - 1) / 2;
  const fastFaults = Math.ceil((faults + 1) / 2);
  return { replicas, faults, fastFaults, majority: replicas - faults, fast: replicas - fastFaults };
}

/** 1, 2, …, N. */
export function replicaIds(replicas: number): ReplicaId[] {
  return Array.from({ length: replicas }, (_, index) => index + 1);
}
