/** Ballots: 0 belongs to the initial coordinator, k·N + r (k ≥ 1) to replica r; so no two replicas share one. */
import type { Ballot, ReplicaId } from './types.ts';

/** The lowest ballot owned by `owner` that is higher than `above` and than 0. */
export function nextBallot(above: Ballot, owner: ReplicaId, replicas: number): Ballot {
  const round = Math.max(1, Math.floor((above - owner) / replicas) + 1);
  return round * replicas + owner;
}

/** The replica that owns a ballot; null for 0, which belongs to the initial coordinator, and for 1 to N, which are none. */
export function ballotOwner(ballot: Ballot, replicas: number): ReplicaId | null {
  return ballot <= replicas ? null : ((ballot - 1) % replicas) + 1;
}
