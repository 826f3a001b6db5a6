/** Which store each peer had at first contact, remembered for ever (R6.5), and how far it has come (R6.13). */
import type { ReplicaId } from '../epaxos/index.ts';
import type { Storage } from '../storage/index.ts';
import type { PeerStores } from '../transport/index.ts';
import { assert } from '../util/assert.ts';
import type { StoreMark } from '../wire/index.ts';

/** How far a peer has come is remembered on disk once in so many times that it says so: every few seconds. */
const HEARD_FOR_EACH_WRITE = 64;

/**
 * What the transport asks. At first contact the peer's store is written down, ahead of whatever is written in
 * consequence of what the peer says: batches reach the disk in the order of the writes.
 * @param onFailure called if it cannot be written
 */
export function createPeerStores(
  storage: Pick<
    Storage,
    'id' | 'peerStore' | 'rememberPeerStore' | 'peerMark' | 'rememberPeerMark' | 'mark' | 'holds'
  >,
  onFailure: (error: unknown) => void,
): PeerStores {
  const known = new Map<ReplicaId, string>();
  const marks = new Map<ReplicaId, { mark: StoreMark; unwritten: number }>();
  return {
    own: storage.id,
    accepts(peer, store) {
      const before = known.get(peer) ?? storage.peerStore(peer);
      known.set(peer, before ?? store);
      if (before === undefined) storage.rememberPeerStore(peer, store).catch(onFailure);
      return before === undefined || before === store;
    },
    mark: () => storage.mark(),
    holds: (mark) => storage.holds(mark),
    heardOf: (peer) => marks.get(peer)?.mark ?? storage.peerMark(peer),
    heard(peer, mark) {
      const store = known.get(peer) ?? storage.peerStore(peer);
      assert(store !== undefined, 'whoever is heard was let in before');
      const before = marks.get(peer);
      if (before !== undefined && before.mark.run === mark.run && mark.batch <= before.mark.batch) return;
      const unwritten = (before?.unwritten ?? HEARD_FOR_EACH_WRITE) + 1;
      const isDue = unwritten > HEARD_FOR_EACH_WRITE;
      marks.set(peer, { mark, unwritten: isDue ? 0 : unwritten });
      if (isDue) storage.rememberPeerMark(peer, store, mark).catch(onFailure);
    },
  };
}
