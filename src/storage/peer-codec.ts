/** What is remembered of a peer's store (R6.5, R6.13), as bytes (message StoredPeer). */
import {
  malformed,
  messageCodec,
  type StoreMark,
  type StoreMarkFields,
  storeMarkFields,
  storeMarkOf,
} from '../wire/index.ts';

export interface StoredPeer {
  /** Its id. */
  readonly store: string;
  /** How far it had come; null: nothing was heard of that. */
  readonly mark: StoreMark | null;
}

const peerType = messageCodec<{ readonly store: string } & StoreMarkFields>('StoredPeer');

export function encodePeer({ store, mark }: StoredPeer): Buffer {
  return peerType.encode({ store, ...storeMarkFields(mark) });
}

/** @throws KvError invalidArgument */
export function decodePeer(bytes: Uint8Array): StoredPeer {
  const { store, ...mark } = peerType.decode(bytes);
  if (store === '') throw malformed("the store's id is missing");
  return { store, mark: storeMarkOf(mark) };
}
