/** The store of a peer, as it was at first contact, as bytes (message StoredPeer). */
import { malformed, messageCodec } from '../wire/index.ts';

const peerType = messageCodec<{ readonly store: string }>('StoredPeer');

export function encodePeer(store: string): Buffer {
  return peerType.encode({ store });
}

/** @throws KvError invalidArgument */
export function decodePeer(bytes: Uint8Array): string {
  const { store } = peerType.decode(bytes);
  if (store === '') throw malformed("the store's id is missing");
  return store;
}
