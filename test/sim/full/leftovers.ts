/** That nothing lies in a store which nobody will ever look for: what was dropped is gone, also after a crash. */

import { formatInstance } from '../../../src/epaxos/index.ts';
import type { ByteRange } from '../../../src/storage/byte-store.ts';
import {
  INSTANCE_RANGE,
  PIECE_RANGE,
  PRUNED_KEY,
  PRUNED_NO_OP_RANGE,
  parseInstanceKey,
  STAGED_RANGE,
  STAGING_KEY,
} from '../../../src/storage/keys.ts';
import { decodeStaging, Phase } from '../../../src/storage/staging-state.ts';
import { decodePruned, keyToString } from '../../../src/wire/index.ts';
import { demand } from '../checkers/violation.ts';
import { unsealed } from './durable-view.ts';
import type { SortedBytes } from './sorted-bytes.ts';

/** By name: what is there only as long as a note says how far the copy of a snapshot has come. */
const OF_A_COPY: readonly (readonly [name: string, range: ByteRange])[] = [
  ['an entry of a snapshot', STAGED_RANGE],
  ['a piece of an entry of a snapshot', PIECE_RANGE],
  ['a no-op that was pruned while a snapshot was copied', PRUNED_NO_OP_RANGE],
];

/**
 * @param contents of a store that was opened, or that nothing is written into at this moment
 * @throws Violation bounds
 */
export function checkLeftovers(
  contents: SortedBytes,
  store: { readonly name: string /** N. */; readonly replicas: number },
): void {
  for (const [what, range] of hasStaged(contents) ? [] : OF_A_COPY) {
    demand(contents.range(rangeOf(range)).length === 0, 'bounds', () => `in ${store.name} lies ${what}`);
  }
  const bytes = contents.get(keyToString(PRUNED_KEY));
  const pruned = bytes === undefined ? [] : decodePruned(unsealed(bytes), store).pruned;
  for (const [key] of contents.range(rangeOf(INSTANCE_RANGE))) {
    const id = parseInstanceKey(key)?.id;
    demand(
      id === undefined || id.slot > (pruned[id.replica - 1] ?? 0),
      'bounds',
      () => `in ${store.name} lies a part of ${id && formatInstance(id)}, which is pruned`,
    );
  }
}

/** Whether there is a note of how far the copy of a snapshot has come. */
export function hasStaged(contents: SortedBytes): boolean {
  return contents.get(keyToString(STAGING_KEY)) !== undefined;
}

/**
 * What a crash cut off in the middle of putting a snapshot in place, or of dropping one, was finished.
 * @param contents of a store that was opened just now
 * @throws Violation storage
 */
export function checkRecovered(
  contents: SortedBytes,
  store: { readonly name: string /** N. */; readonly replicas: number },
): void {
  const note = contents.get(keyToString(STAGING_KEY));
  if (note === undefined) return;
  const { phase } = decodeStaging(unsealed(note), store);
  demand(
    phase === Phase.receiving,
    'storage',
    () => `${store.name} was left in the middle of phase ${phase}`,
  );
}

function rangeOf({ start, end }: ByteRange): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  return { gte: start, lt: end };
}
