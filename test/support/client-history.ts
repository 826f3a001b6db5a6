/**
 * What clients did and saw, one operation after another on one clock, in the form that the linearizability
 * checker takes.
 */
import { type Entry, type KvClient, KvError } from '../../src/client/index.ts';
import {
  checkLinearizability,
  type HistoryOperation,
  type SeenResult,
  type Verdict,
} from '../sim/checkers/linearizability.ts';

/** A bound far above what these histories need: versions tell nearly everything about their order. */
const MAX_STEPS = 500_000;

interface Invocation {
  readonly kind: HistoryOperation['kind'];
  readonly key: string;
  readonly value: string | null;
  readonly returnPrevious: boolean;
}

export class ClientHistory {
  readonly #operations: HistoryOperation[] = [];
  #clock = 0;

  /** Operations that were answered, and writes whose outcome is unknown. */
  get operations(): readonly HistoryOperation[] {
    return this.#operations;
  }

  /** Puts a value that nobody else puts. @throws KvError as the client, after it was noted */
  async put(client: KvClient, key: string, value: string): Promise<void> {
    await this.#record({ kind: 'put', key, value, returnPrevious: false }, async () => {
      const { version } = await client.put(key, value);
      return { version, value: null, previousVersion: 0 };
    });
  }

  /** Puts, and asks for what was replaced. @throws KvError as the client, after it was noted */
  async exchange(client: KvClient, key: string, value: string): Promise<void> {
    await this.#record({ kind: 'put', key, value, returnPrevious: true }, async () => {
      const { version, previous } = await client.put(key, value, { returnPrevious: true });
      return { version, ...seen(previous) };
    });
  }

  /** @throws KvError as the client, after it was noted */
  async delete(client: KvClient, key: string): Promise<void> {
    await this.#record({ kind: 'delete', key, value: null, returnPrevious: true }, async () => {
      const { version, previous } = await client.delete(key, { returnPrevious: true });
      return { version, ...seen(previous) };
    });
  }

  /** @throws KvError as the client, after it was noted */
  async get(client: KvClient, key: string): Promise<SeenResult> {
    return this.#record({ kind: 'get', key, value: null, returnPrevious: false }, async () => {
      const entry = await client.get(key);
      return { version: entry?.version ?? 0, value: entry?.text() ?? null, previousVersion: 0 };
    });
  }

  /** Whether one order of all operations explains everything that was seen. */
  check(): Verdict {
    return checkLinearizability(this.#operations, MAX_STEPS);
  }

  async #record(invocation: Invocation, run: () => Promise<SeenResult>): Promise<SeenResult> {
    const invokedAt = this.#tick();
    try {
      const result = await run();
      this.#operations.push({ ...invocation, invokedAt, answeredAt: this.#tick(), result });
      return result;
    } catch (error) {
      if (error instanceof KvError && error.outcome === 'unknown') {
        const answeredAt = Number.POSITIVE_INFINITY;
        this.#operations.push({ ...invocation, invokedAt, answeredAt, result: null });
      }
      throw error;
    }
  }

  #tick(): number {
    this.#clock += 1;
    return this.#clock;
  }
}

function seen(previous: Entry | null): { readonly value: string | null; readonly previousVersion: number } {
  return { value: previous?.text() ?? null, previousVersion: previous?.version ?? 0 };
}
