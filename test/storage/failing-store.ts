/** A store whose disk is gone after so many writes. */
import { KvError } from '../../src/errors.ts';
import type { ByteReader, ByteStore, ByteWrite } from '../../src/storage/byte-store.ts';

/** Takes so many writes, then fails, and every later one too. */
export class FailingStore<T extends ByteStore> implements ByteStore {
  readonly location = 'a store that fails';
  readonly inner: T;
  #left: number;

  constructor(inner: T, writes: number) {
    this.inner = inner;
    this.#left = writes;
  }

  get synced(): number {
    return this.inner.synced;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.inner.get(key);
  }

  entries(range: Parameters<ByteStore['entries']>[0]) {
    return this.inner.entries(range);
  }

  keys(range: Parameters<ByteStore['keys']>[0]) {
    return this.inner.keys(range);
  }

  snapshot(): ByteReader {
    return this.inner.snapshot();
  }

  async write(writes: readonly ByteWrite[], options: { readonly sync: boolean }): Promise<void> {
    this.#left -= 1;
    if (this.#left < 0) throw new KvError('storageFailure', 'the disk is gone');
    await this.inner.write(writes, options);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
