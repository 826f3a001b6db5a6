/** How large a replica's heap must be allowed to be: with less it would be alive and do nothing but tidy up. */
import { getHeapStatistics } from 'node:v8';
import { KvError } from '../errors.ts';

const MIB = 1024 * 1024;

/** Of the whole heap, young generation included: 128 MiB of old space and 3 × 32 MiB (`--max-semi-space-size`). */
export const HEAP_NEEDED_MIB = 224;

/**
 * @param allowedMib what the heap may grow to
 * @throws KvError badConfiguration if that is too little
 */
export function requireHeap(allowedMib = getHeapStatistics().heap_size_limit / MIB): void {
  if (allowedMib >= HEAP_NEEDED_MIB) return;
  throw new KvError(
    'badConfiguration',
    `this process may have a heap of ${Math.floor(allowedMib)} MiB, and a replica needs ${HEAP_NEEDED_MIB}: give it ` +
      'more memory, or raise the limit (node --max-old-space-size=256, or NODE_OPTIONS)',
  );
}
