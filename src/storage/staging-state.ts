/** How far the copy of another replica's snapshot has come, as bytes (message StoredStaging). */

import type { Pruned } from '../epaxos/index.ts';
import { NO_BYTES } from '../util/no-bytes.ts';
import { type DecodeContext, malformed, messageCodec, prunedFromWire } from '../wire/index.ts';
import type { Staged } from './storage.ts';

/** What is being done: entries arrive; they take the place of the store's own; they are dropped. */
export const Phase = { receiving: 1, installing: 2, clearing: 3 } as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

/** Beside what can be asked for, the state keeps the sender's `pruned` and what is being done. */
export interface StagingState extends Staged {
  readonly phase: Phase;
  readonly pruned: Pruned;
}

interface WireStaging extends Omit<StagingState, 'id' | 'phase' | 'pruned' | 'part'> {
  readonly phase: number;
  readonly snapshot: string;
  readonly pruned: Pruned | null;
  readonly partKey: Uint8Array;
  readonly partBytes: number;
  /** 0: there is none. */
  readonly partRest: number;
}

const stagingType = messageCodec<WireStaging>('StoredStaging');

export function encodeStaging({ id, part, ...others }: StagingState): Buffer {
  const { key: partKey, bytes: partBytes, rest: partRest } = part ?? { key: NO_BYTES, bytes: 0, rest: 0 };
  return stagingType.encode({ ...others, snapshot: id, partKey, partBytes, partRest });
}

/** @throws KvError invalidArgument */
export function decodeStaging(bytes: Uint8Array, context: DecodeContext): StagingState {
  const { source, snapshot, last, entries, bytes: size, complete, ...wire } = stagingType.decode(bytes);
  const part = wire.partRest === 0 ? null : { key: wire.partKey, bytes: wire.partBytes, rest: wire.partRest };
  const phase = Object.values(Phase).find((one) => one === wire.phase);
  if (phase === undefined) throw malformed(`a snapshot in the phase ${wire.phase}`);
  const pruned = prunedFromWire(wire.pruned, context);
  return { phase, source, id: snapshot, pruned, last, part, entries, bytes: size, complete };
}
