/**
 * The database of one process: what LevelByteStore (src/storage) asks of a LevelDB database, over a simulated volume, in
 * virtual time. Everything that is asked of it is a step at which its process may die.
 */

import type { LogDirectory } from '../../../src/storage/level-log.ts';
import type { Database } from '../../../src/storage/level-reader.ts';
import { keyToString } from '../../../src/wire/index.ts';
import type { BytesRange, Change, SortedBytes } from './sorted-bytes.ts';
import { bytesOf, type Lineage, type Volume } from './volume.ts';

/** The process that has it open. */
export interface DatabaseHost {
  /** A step of the process. False: it is dead, and nothing must come of it. */
  step(what: string): boolean;
  /** Calls back when the disk has done what takes it usually so long; never if the process dies before. */
  afterDisk(kind: 'write' | 'sync', done: (error: Error | null) => void): void;
  /** The log was changed: to be called back when the table of the closed one is made, whatever happens to the process. */
  afterCompaction(done: () => void): void;
  /** What a batch of these changes makes of the lineage. */
  lineageAfter(changes: readonly Change[], before: Lineage): Lineage;
  /** A promise of the process was made, or settled. */
  stirred(): void;
}

interface ReadOptions {
  readonly snapshot?: SimulatedSnapshot;
}

class SimulatedSnapshot {
  readonly contents: SortedBytes;
  readonly #host: DatabaseHost;

  constructor(contents: SortedBytes, host: DatabaseHost) {
    this.contents = contents;
    this.#host = host;
  }

  async close(): Promise<void> {
    this.#host.stirred();
  }
}

class Cursor<T> {
  readonly #rest: IterableIterator<T>;
  readonly #host: DatabaseHost;

  constructor(found: readonly T[], host: DatabaseHost) {
    this.#rest = found[Symbol.iterator]() as IterableIterator<T>;
    this.#host = host;
  }

  next(): Promise<T | undefined> {
    this.#host.stirred();
    if (!this.#host.step('reading')) return new Promise(() => {});
    const { done, value } = this.#rest.next();
    return Promise.resolve(done === true ? undefined : value);
  }

  async close(): Promise<void> {}
}

class SimulatedBatch {
  readonly #changes: Change[] = [];
  readonly #write: (changes: readonly Change[], sync: boolean) => Promise<void>;

  constructor(write: (changes: readonly Change[], sync: boolean) => Promise<void>) {
    this.#write = write;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#changes.push([keyToString(key), Buffer.from(value)]);
  }

  del(key: Uint8Array): void {
    this.#changes.push([keyToString(key), null]);
  }

  write(options: { readonly sync: boolean }): Promise<void> {
    return this.#write(this.#changes, options.sync);
  }
}

export class SimulatedDatabase {
  readonly #volume: Volume;
  readonly #host: DatabaseHost;
  /** Writes that are under way. */
  writing = 0;

  constructor(volume: Volume, host: DatabaseHost) {
    this.#volume = volume;
    this.#host = host;
  }

  /** As the product's type has it; only what LevelByteStore uses is there. */
  get asLevel(): Database {
    return this as unknown as Database;
  }

  /** Where it keeps its logs. The names in it are on disk at once. */
  get directory(): LogDirectory {
    const host = this.#host;
    const answer = async <T>(value: T): Promise<T> => {
      host.stirred();
      return value;
    };
    return { newestLog: () => answer(this.#volume.logNumber), sync: () => answer(undefined) };
  }

  getSync(key: Uint8Array, options?: ReadOptions): Uint8Array | undefined {
    const value = this.#contents(options).get(keyToString(key));
    return value && Buffer.from(value);
  }

  iterator(range: BytesRange & ReadOptions): Cursor<readonly [key: Uint8Array, value: Uint8Array]> {
    return new Cursor(this.#contents(range).range(range), this.#host);
  }

  keys(range: BytesRange & ReadOptions): AsyncIterable<Uint8Array> & Cursor<Uint8Array> {
    const keys = this.#contents(range)
      .range(range)
      .map(([key]) => key);
    const cursor = new Cursor(keys, this.#host);
    return Object.assign(cursor, {
      async *[Symbol.asyncIterator]() {
        for (let key = await cursor.next(); key !== undefined; key = await cursor.next()) yield key;
      },
    });
  }

  snapshot(): SimulatedSnapshot {
    return new SimulatedSnapshot(this.#volume.current.copy(), this.#host);
  }

  batch(): SimulatedBatch {
    return new SimulatedBatch((changes, sync) => this.#write(changes, sync));
  }

  async close(): Promise<void> {
    this.#host.stirred();
  }

  #contents(options: ReadOptions | undefined): SortedBytes {
    return options?.snapshot?.contents ?? this.#volume.current;
  }

  #write(changes: readonly Change[], sync: boolean): Promise<void> {
    const host = this.#host;
    host.stirred();
    return new Promise((resolve, reject) => {
      if (!host.step('write begins')) return;
      const volume = this.#volume;
      const lineage = host.lineageAfter(changes, volume.lineage);
      volume.begin({ changes, bytes: bytesOf(changes), lineage });
      this.writing += 1;
      if (!host.step('being written')) return;
      host.afterDisk(sync ? 'sync' : 'write', (error) => {
        this.writing -= 1;
        host.stirred();
        if (error !== null) {
          reject(error);
          return;
        }
        if (volume.complete({ sync })) host.afterCompaction(() => volume.compacted());
        if (host.step('written')) resolve();
      });
    });
  }
}
