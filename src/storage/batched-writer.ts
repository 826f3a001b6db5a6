/** Many changes that need not be atomic, written in batches of a bounded size. */
import type { ByteStore, ByteWrite } from './byte-store.ts';

const BATCH_CHANGES = 1_000;
const BATCH_BYTES = 1024 * 1024;

export class BatchedWriter {
  readonly #store: ByteStore;
  #writes: ByteWrite[] = [];
  #bytes = 0;

  constructor(store: ByteStore) {
    this.#store = store;
  }

  /** Adds a change; writes the batch if it is full. Nothing is synced. */
  async add(write: ByteWrite): Promise<void> {
    this.#writes.push(write);
    this.#bytes += write.key.length + (write.value?.length ?? 0);
    if (this.#writes.length >= BATCH_CHANGES || this.#bytes >= BATCH_BYTES) await this.flush();
  }

  /** Writes what has been added since the last batch. */
  async flush(): Promise<void> {
    const writes = this.#writes;
    this.#writes = [];
    this.#bytes = 0;
    if (writes.length > 0) await this.#store.write(writes, { sync: false });
  }
}
