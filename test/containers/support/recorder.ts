/** Writes down what clients did and saw, for the checks at the end. One process, so one order of all events. */
import { type Entry, type KvClient, KvError } from '../../../src/client/index.ts';
import type { HistoryOperation } from '../../sim/checkers/linearizability.ts';

/** How many operations ended how. */
export interface Counts {
  readonly attempted: number;
  readonly acknowledged: number;
  /** Failed, and certainly without effect: reads as well. */
  readonly notApplied: number;
  /** Writes that may have been applied. */
  readonly unknown: number;
}

type Answer = NonNullable<HistoryOperation['result']>;
type Asked = Pick<HistoryOperation, 'kind' | 'key' | 'value' | 'returnPrevious'>;

export class Recorder {
  /** All but what was not applied. */
  readonly history: HistoryOperation[] = [];
  readonly #errors = new Map<string, number>();
  #clock = 0;
  #acknowledged = 0;
  #notApplied = 0;
  #unknown = 0;
  #lastMs = performance.now();
  #longestStallMs = 0;

  get counts(): Counts {
    return {
      attempted: this.#acknowledged + this.#notApplied + this.#unknown,
      acknowledged: this.#acknowledged,
      notApplied: this.#notApplied,
      unknown: this.#unknown,
    };
  }

  /** How many operations failed with which code and outcome. */
  get errors(): string {
    return [...this.#errors].map(([name, times]) => `${name} ${times}`).join(', ');
  }

  /** The longest time between two answers, whoever got them. */
  get longestStallMs(): number {
    return this.#longestStallMs;
  }

  /** @param value differs from that of every other put */
  async put(client: KvClient, key: string, value: string): Promise<void> {
    await this.#record({ kind: 'put', key, value, returnPrevious: true }, async () => {
      const { version, previous } = await client.put(key, value, { returnPrevious: true });
      return { version, ...before(previous) };
    });
  }

  async get(client: KvClient, key: string): Promise<void> {
    await this.#record({ kind: 'get', key, value: null, returnPrevious: false }, async () => {
      const entry = await client.get(key);
      return { version: entry?.version ?? 0, value: entry?.text() ?? null, previousVersion: 0 };
    });
  }

  async delete(client: KvClient, key: string): Promise<void> {
    await this.#record({ kind: 'delete', key, value: null, returnPrevious: true }, async () => {
      const { version, previous } = await client.delete(key, { returnPrevious: true });
      return { version, ...before(previous) };
    });
  }

  async #record(asked: Asked, act: () => Promise<Answer>): Promise<void> {
    this.#clock += 1;
    const invokedAt = this.#clock;
    try {
      const result = await act();
      this.#clock += 1;
      this.history.push({ ...asked, invokedAt, answeredAt: this.#clock, result });
      this.#acknowledged += 1;
      const nowMs = performance.now();
      this.#longestStallMs = Math.max(this.#longestStallMs, nowMs - this.#lastMs);
      this.#lastMs = nowMs;
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      const name = `${asked.kind} ${error.code}/${error.outcome}`;
      this.#errors.set(name, (this.#errors.get(name) ?? 0) + 1);
      if (error.outcome === 'notApplied') {
        this.#notApplied += 1;
        return;
      }
      this.#unknown += 1;
      this.history.push({ ...asked, invokedAt, answeredAt: Number.POSITIVE_INFINITY, result: null });
    }
  }
}

function before(previous: Entry | null): Pick<Answer, 'value' | 'previousVersion'> {
  return { value: previous?.text() ?? null, previousVersion: previous?.version ?? 0 };
}
