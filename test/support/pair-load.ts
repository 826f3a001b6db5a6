/**
 * Pairs of keys that are written one after the other, and read together. Each writer counts: it puts the count to the
 * first key of its pair and, once that is answered, to the second. So at every moment the first is as far as the second,
 * or one ahead; whoever sees anything else did not see one moment.
 */
import { type Entry, type KvClient, KvError } from '../../src/client/index.ts';
import { Prng } from '../../src/util/prng.ts';
import { until } from './until.ts';

/** How far the two keys of a pair are; 0: not written yet. */
export interface Counts {
  first: number;
  second: number;
}

/** What one multi-get saw of a pair. */
export interface PairRead extends Readonly<Counts> {
  readonly pair: string;
  /** What was answered to the writer before the read began. */
  readonly answered: Readonly<Counts>;
}

/** The reads that saw no one moment, or one before they began. */
export function brokenReads(reads: readonly PairRead[]): readonly PairRead[] {
  return reads.filter(({ first, second, answered }) => {
    const ahead = first - second;
    return (ahead !== 0 && ahead !== 1) || first < answered.first || second < answered.second;
  });
}

interface Pair {
  readonly name: string;
  readonly answered: Counts;
}

export interface PairLoadOptions {
  /** Each has a pair of its own. */
  readonly writers: readonly KvClient[];
  /** Each reads one pair after another, its keys in either order. */
  readonly readers: readonly KvClient[];
  readonly seed: number;
}

export class PairLoad {
  readonly reads: PairRead[] = [];
  /** How many puts and reads failed, by code. */
  readonly errors = new Map<string, number>();
  readonly #random: Prng;
  readonly #pairs: Pair[] = [];
  readonly #workers: readonly Promise<void>[];
  #isStopped = false;

  /** Begins at once. */
  constructor(options: PairLoadOptions) {
    this.#random = new Prng(options.seed);
    this.#workers = [
      ...options.writers.map((client) => this.#write(client)),
      ...options.readers.map((client) => this.#read(client)),
    ];
    // A failure is the business of stop(); until then it must not be an unhandled rejection.
    for (const worker of this.#workers) worker.catch(() => undefined);
  }

  /** Every key that was written. */
  get keys(): readonly string[] {
    return this.#pairs.flatMap((pair) => [keyOf(pair, 'first'), keyOf(pair, 'second')]);
  }

  /** Waits until the writers have counted on so often, all together, and so many more reads were answered. */
  async untilDone(count: number): Promise<void> {
    const reads = this.reads.length + count;
    const written = this.#written() + count;
    await until(`pairs are written and read ${count} more times`, () => {
      if (this.reads.length >= reads && this.#written() >= written) return true;
      const errors = [...this.errors].map(([code, number]) => `${number} ${code}`).join(', ');
      throw new Error(`${this.reads.length} reads, ${this.#written()} pairs written, failed: ${errors}`);
    });
  }

  /** Waits for what is under way. @throws what is no KvError */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#workers);
  }

  #written(): number {
    return this.#pairs.reduce((sum, { answered }) => sum + answered.second, 0);
  }

  /**
   * A put of which nobody knows whether it was applied may be applied later, behind what the writer would put next: so
   * the pair is left as it is, and another one begun. Readers go on reading it.
   */
  async #write(client: KvClient): Promise<void> {
    while (!this.#isStopped) {
      const pair = { name: `pair ${this.#pairs.length + 1}`, answered: { first: 0, second: 0 } };
      this.#pairs.push(pair);
      while (!this.#isStopped) {
        if (!(await this.#put(client, pair, 'first'))) break;
        if (!(await this.#put(client, pair, 'second'))) break;
      }
    }
  }

  /** Puts the next count, again and again until it is answered. False: its outcome is unknown. */
  async #put(client: KvClient, pair: Pair, which: keyof Counts): Promise<boolean> {
    const { answered } = pair;
    const count = answered[which] + 1;
    for (;;) {
      try {
        await client.put(keyOf(pair, which), `${count}`);
        answered[which] = count;
        return true;
      } catch (error) {
        this.#failed(error);
        if (this.#isStopped || !(error instanceof KvError) || error.outcome !== 'notApplied') return false;
      }
    }
  }

  async #read(client: KvClient): Promise<void> {
    while (!this.#isStopped) {
      const pair = this.#draw(this.#pairs);
      const reversed = this.#draw([true, false]);
      const answered = { ...pair.answered };
      const keys = [keyOf(pair, 'first'), keyOf(pair, 'second')];
      try {
        const entries = await client.multiGet(reversed ? keys.toReversed() : keys);
        const [first, second] = (reversed ? entries.toReversed() : entries).map(countOf);
        this.reads.push({ pair: pair.name, first: first ?? 0, second: second ?? 0, answered });
      } catch (error) {
        this.#failed(error); // its replica may be dead just now: then there is nothing to be seen
      }
    }
  }

  /** Whoever closes a client has stopped the load. @throws what is no KvError */
  #failed(error: unknown): void {
    if (!(error instanceof KvError)) throw error;
    this.errors.set(error.code, (this.errors.get(error.code) ?? 0) + 1);
    if (error.code === 'cancelled') this.#isStopped = true;
  }

  #draw<T>(choices: readonly T[]): T {
    return choices[this.#random.integer(0, choices.length - 1)] as T;
  }
}

function keyOf({ name }: Pair, which: keyof Counts): string {
  return `${name}, ${which}`;
}

function countOf(entry: Entry | null): number {
  return entry === null ? 0 : Number(entry.text());
}
