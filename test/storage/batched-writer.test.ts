/** Changes in batches: how large those are. */
import { expect, test } from 'vitest';
import { BatchedWriter } from '../../src/storage/batched-writer.ts';
import { countingStore } from './counting-store.ts';

/** The sizes of the batches in which values of these lengths are written. */
async function batches(lengths: readonly number[]): Promise<number[]> {
  const { store, sizes } = countingStore();
  const writer = new BatchedWriter(store);
  for (const [number, length] of lengths.entries()) {
    await writer.add({ key: Buffer.from(`${number}`), value: Buffer.alloc(length) });
  }
  await writer.flush();
  await writer.flush();
  return [...sizes];
}

const KIB = 1_024;

test('a batch ends with the change that makes a thousand, or a mebibyte, counted anew for each', async () => {
  expect(await batches(Array<number>(2_500).fill(1))).toEqual([1_000, 1_000, 500]);
  expect(await batches([600 * KIB, 600 * KIB, 1, 1, 1])).toEqual([2, 3]);
  expect(await batches([])).toEqual([]);
});
