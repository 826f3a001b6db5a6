/** The last own slot that is reserved (R6.4), as bytes (message StoredReservation). */

import type { Slot } from '../epaxos/index.ts';
import { checkSlot, messageCodec } from '../wire/index.ts';

const reservationType = messageCodec<{ readonly last: number }>('StoredReservation');

export function encodeReservation(last: Slot): Buffer {
  return reservationType.encode({ last });
}

/** @throws KvError invalidArgument */
export function decodeReservation(bytes: Uint8Array): Slot {
  return checkSlot(reservationType.decode(bytes).last, 'the last reserved slot');
}
