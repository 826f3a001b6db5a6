/** A store in memory that tells how many changes the batches had that were written to it. */
import { MemoryByteStore } from '../../src/storage/memory.ts';

export function countingStore(): { readonly store: MemoryByteStore; readonly sizes: readonly number[] } {
  const sizes: number[] = [];
  const store = new MemoryByteStore(new Map());
  const write = store.write.bind(store);
  store.write = async (writes, options) => {
    sizes.push(writes.length);
    await write(writes, options);
  };
  return { store, sizes };
}
