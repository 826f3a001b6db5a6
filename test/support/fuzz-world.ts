/**
 * Three real replicas and ordinary clients of the first two, while somebody sends these two what nobody sends. Afterwards
 * everything must be as if he had not been there.
 */
import { expect } from 'vitest';
import type { KvClient } from '../../src/client/index.ts';
import { ClientHistory } from './client-history.ts';
import { Load, type LoadKind } from './load.ts';
import { ProcessCluster, type TableRow } from './process-cluster.ts';

/** Who is fuzzed, and serves the clients. */
export const SERVING = [1, 2] as const;
/** The keys of the ordinary clients. */
export const CLIENT_KEYS: readonly string[] = Array.from(
  { length: 40 },
  (_, index) => `ordinary key ${index}`,
);

const KINDS: readonly LoadKind[] = ['put', 'put', 'exchange', 'get', 'get', 'delete'];
const PATIENT_MS = 60_000;
/** Answers before anything else happens, by which the later ones are judged. */
const UNDISTURBED = 500;

export class FuzzWorld {
  readonly cluster: ProcessCluster;
  readonly seed: number;
  readonly #history = new ClientHistory();
  readonly #clients: readonly KvClient[];

  private constructor(cluster: ProcessCluster, seed: number) {
    this.cluster = cluster;
    this.seed = seed;
    this.#clients = SERVING.map((id) => cluster.connect({ ids: [id], timeoutMs: PATIENT_MS }));
  }

  static async start(seed: number): Promise<FuzzWorld> {
    return new FuzzWorld(await ProcessCluster.start(3), seed);
  }

  /**
   * Lets the clients work, at first alone, then beside `fuzz`; and demands that each request was answered.
   * @returns in words, how long requests took without and with it
   */
  async beside(fuzz: () => Promise<void>): Promise<string> {
    const alone = this.#load(this.seed);
    await alone.untilAnswered(UNDISTURBED);
    await alone.stop();
    const amidst = this.#load(this.seed + 1);
    try {
      await fuzz();
      await amidst.untilAnswered(100);
    } finally {
      await amidst.stop();
    }
    expect([...alone.failures, ...amidst.failures]).toEqual([]);
    const [without, during] = [p99(alone.latenciesMs), p99(amidst.latenciesMs)];
    const answered = amidst.latenciesMs.length;
    return `${answered} requests answered; p99 ${without.toFixed(1)} ms without, ${during.toFixed(1)} ms with it`;
  }

  /** Demands that both serve, hold the same, and that one order explains all that the clients saw, what is on disk included. */
  async demandUnharmed(): Promise<void> {
    const last = new Map<string, string | null>();
    for (const key of CLIENT_KEYS) {
      const seen = await Promise.all(this.#clients.map((client) => this.#history.get(client, key)));
      expect(seen[0], key).toEqual(seen[1]);
      last.set(key, seen[0]?.value ?? null);
    }
    expect(this.#history.check()).toEqual({ type: 'linearizable' });
    const tables = await this.#stopAndReadTables();
    for (const [key, value] of last) {
      for (const table of tables) expect(table.get(key)?.value ?? null, key).toEqual(value);
    }
    // Where both have a row of something else, in the same version, they have the same: not all may be executed yet.
    for (const [key, row] of tables[0] ?? []) {
      const other = tables[1]?.get(key);
      if (other?.version === row.version) expect(other, key).toEqual(row);
    }
  }

  #load(seed: number): Load {
    const clients = [...this.#clients, ...this.#clients];
    return new Load({ history: this.#history, keys: CLIENT_KEYS, clients, kinds: KINDS, seed });
  }

  /** In good order, so that their stores are read back as they are. */
  async #stopAndReadTables(): Promise<readonly ReadonlyMap<string, TableRow>[]> {
    for (const id of SERVING) expect(await this.cluster.terminate(id)).toEqual({ code: 0, signal: null });
    const tables = await Promise.all(SERVING.map((id) => this.cluster.readTable(id)));
    return tables.map((rows) => new Map(rows.map((row) => [row.key, row])));
  }
}

function p99(latenciesMs: readonly number[]): number {
  const sorted = [...latenciesMs].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
}
