/** What a replica has forgotten (R9.2) as a message: on disk and in snapshots alike. */
import type { Pruned } from '../../epaxos/index.ts';
import { type DecodeContext, malformed } from '../check.ts';
import { messageCodec } from '../schema.ts';
import { depsFromWire } from './instance.ts';

// The message has the very shape of Pruned.
const prunedType = messageCodec<Pruned>('Pruned');

export function encodePruned(pruned: Pruned): Buffer {
  return prunedType.encode(pruned);
}

/** @throws KvError invalidArgument */
export function decodePruned(bytes: Uint8Array, context: DecodeContext): Pruned {
  return prunedFromWire(prunedType.decode(bytes), context);
}

/** @throws KvError invalidArgument unless both vectors have N slots */
export function prunedFromWire(wire: Pruned | null, context: DecodeContext): Pruned {
  if (!wire) throw malformed('the vector of what is pruned is missing');
  return { pruned: depsFromWire(wire.pruned, context), floor: depsFromWire(wire.floor, context) };
}
