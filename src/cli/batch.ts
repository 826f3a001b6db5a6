/** Many writes at once: keeps a number of them under way until all have ended, and counts how they ended. */
import { randomBytes, randomInt } from 'node:crypto';
import { createHistogram } from 'node:perf_hooks';
import { connect, type KvClient, KvError } from '../client/index.ts';
import { assert } from '../util/assert.ts';

export interface BatchOptions {
  /** `host:port` of the replicas; each gets its share of the writes, and stands in for the others. */
  readonly endpoints: readonly string[];
  /** Of each write, retries included. */
  readonly timeoutMs: number;
  /** How many writes. */
  readonly count: number;
  /** How many keys there are: the prefix and a number from 0. */
  readonly keys: number;
  readonly keyPrefix: string;
  /** Keys by chance instead of in order. */
  readonly random: boolean;
  /** Bytes of each value, which are random. */
  readonly valueSize: number;
  /** How many writes are under way at once. */
  readonly depth: number;
  /** Called after each write. @param done how many have ended */
  readonly onProgress?: (done: number) => void;
}

export interface BatchSummary {
  readonly count: number;
  readonly acknowledged: number;
  /** Writes that certainly were not applied. */
  readonly failed: number;
  /** Writes that may have been applied. */
  readonly unknown: number;
  readonly durationMs: number;
  readonly acknowledgedPerSecond: number;
  /** Of the acknowledged writes; null if there is none. */
  readonly latencyMs: Readonly<Record<'p50' | 'p90' | 'p99' | 'max', number>> | null;
  /** How many writes ended with each error code. */
  readonly errors: Readonly<Record<string, number>>;
}

/** Runs a batch to its end. @throws only what is no KvError */
export async function runBatch(options: BatchOptions): Promise<BatchSummary> {
  const clients = clientsOf(options);
  const tally = new Tally();
  const keyOf = keysOf(options);
  const startedMs = performance.now();
  let next = 0;
  const keepOneUnderWay = async () => {
    while (next < options.count) {
      const index = next;
      next += 1;
      const client = clients[index % clients.length];
      assert(client !== undefined, 'a batch has endpoints');
      await putOne(client, keyOf(index), options, tally);
      options.onProgress?.(tally.done);
    }
  };
  try {
    const lanes = Math.min(options.depth, options.count);
    await Promise.all(Array.from({ length: lanes }, keepOneUnderWay));
  } finally {
    for (const client of clients) client.close();
  }
  return tally.summary(options.count, performance.now() - startedMs);
}

async function putOne(client: KvClient, key: string, options: BatchOptions, tally: Tally): Promise<void> {
  const startedMs = performance.now();
  try {
    await client.put(key, randomBytes(options.valueSize));
    tally.acknowledged(performance.now() - startedMs);
  } catch (error) {
    if (!(error instanceof KvError)) throw error;
    tally.failed(error);
  }
}

/** A client for each replica, which begins with this one and goes on to those that follow it. */
function clientsOf({ endpoints, timeoutMs }: BatchOptions): readonly KvClient[] {
  return endpoints.map((_, index) =>
    connect({
      endpoints: [...endpoints.slice(index), ...endpoints.slice(0, index)],
      timeoutMs,
      prefer: 'first',
    }),
  );
}

/** Names the key of each write; in order, every key comes up once before the first comes up again. */
function keysOf({ keys, keyPrefix, random }: BatchOptions): (index: number) => string {
  return (index) => `${keyPrefix}${random ? randomInt(keys) : index % keys}`;
}

class Tally {
  /** In whole microseconds. */
  readonly #latencies = createHistogram();
  readonly #errors = new Map<string, number>();
  #acknowledged = 0;
  #failed = 0;
  #unknown = 0;

  get done(): number {
    return this.#acknowledged + this.#failed + this.#unknown;
  }

  acknowledged(latencyMs: number): void {
    this.#acknowledged += 1;
    this.#latencies.record(Math.max(1, Math.round(latencyMs * 1000)));
  }

  failed(error: KvError): void {
    if (error.outcome === 'unknown') this.#unknown += 1;
    else this.#failed += 1;
    this.#errors.set(error.code, (this.#errors.get(error.code) ?? 0) + 1);
  }

  summary(count: number, durationMs: number): BatchSummary {
    return {
      count,
      acknowledged: this.#acknowledged,
      failed: this.#failed,
      unknown: this.#unknown,
      durationMs,
      acknowledgedPerSecond: (this.#acknowledged / durationMs) * 1000,
      latencyMs: this.#acknowledged === 0 ? null : this.#percentiles(),
      errors: Object.fromEntries([...this.#errors].sort()),
    };
  }

  #percentiles(): BatchSummary['latencyMs'] {
    const at = (percentile: number) => this.#latencies.percentile(percentile) / 1000;
    return { p50: at(50), p90: at(90), p99: at(99), max: this.#latencies.max / 1000 };
  }
}
