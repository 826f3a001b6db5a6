/** Puts every key of a load once, so that reads find something. */
import { keyAt } from './keys.ts';
import type { Target } from './target.ts';
import { valuesOf } from './values.ts';

/** @throws KvError the first one that a target rejects with; then some keys are missing */
export async function fillKeys(options: {
  readonly clients: readonly Target[];
  /** Operations under way at each client. */
  readonly depth: number;
  /** How many keys. */
  readonly keys: number;
  readonly valueSize: number;
  readonly seed: number;
  /** Called after each put. @param done how many keys are there */
  readonly onProgress?: (done: number) => void;
}): Promise<void> {
  const { clients, depth, keys } = options;
  const values = valuesOf(options);
  let [next, done] = [0, 0];
  const work = async (target: Target) => {
    while (next < keys) {
      const number = next;
      next += 1;
      await target.put(keyAt(number), values[number % values.length] as Uint8Array);
      done += 1;
      options.onProgress?.(done);
    }
  };
  await Promise.all(clients.flatMap((target) => Array.from({ length: depth }, () => work(target))));
}
