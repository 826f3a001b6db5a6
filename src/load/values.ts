/** The values that a load writes, made beforehand: random bytes, so that nothing on the way can squeeze them. */
import { Prng } from '../util/prng.ts';

const POOL_BYTES = 1024 * 1024;
const [FEWEST, MOST] = [4, 64];

/** Some values of this size; they are used in turn. */
export function valuesOf(options: { readonly valueSize: number; readonly seed: number }): Uint8Array[] {
  const { valueSize, seed } = options;
  const count = Math.max(FEWEST, Math.min(MOST, Math.floor(POOL_BYTES / Math.max(1, valueSize))));
  const random = new Prng(seed);
  const pool = Uint8Array.from({ length: count * valueSize }, () => random.integer(0, 255));
  return Array.from({ length: count }, (_, index) =>
    pool.subarray(index * valueSize, (index + 1) * valueSize),
  );
}
