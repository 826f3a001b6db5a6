/** Which store each peer had at first contact, remembered for ever (R6.5). */
import type { ReplicaId } from '../epaxos/index.ts';
import type { Storage } from '../storage/index.ts';
import type { PeerStores } from '../transport/index.ts';

/**
 * What the transport asks. At first contact the peer's store is written down, ahead of whatever is written in
 * consequence of what the peer says: batches reach the disk in the order of the writes.
 * @param onFailure called if it cannot be written
 */
export function createPeerStores(
  storage: Pick<Storage, 'id' | 'peerStore' | 'rememberPeerStore'>,
  onFailure: (error: unknown) => void,
): PeerStores {
  const known = new Map<ReplicaId, string>();
  return {
    own: storage.id,
    accepts(peer, store) {
      const before = known.get(peer) ?? storage.peerStore(peer);
      known.set(peer, before ?? store);
      if (before === undefined) storage.rememberPeerStore(peer, store).catch(onFailure);
      return before === undefined || before === store;
    },
  };
}
