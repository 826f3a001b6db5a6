/** Clients that work until they are told to stop, each with one request at a time, everything recorded. */
import { type KvClient, KvError } from '../../src/client/index.ts';
import { Prng } from '../../src/util/prng.ts';
import type { ClientHistory } from './client-history.ts';
import { until } from './until.ts';

export type LoadKind = 'put' | 'exchange' | 'get' | 'delete';

export interface LoadOptions {
  readonly history: ClientHistory;
  /** Each works by itself; name one twice to have it work twice at once. */
  readonly clients: readonly KvClient[];
  readonly keys: readonly string[];
  /** Drawn evenly: name one twice to have it twice as often. */
  readonly kinds: readonly LoadKind[];
  readonly seed: number;
}

export class Load {
  readonly #options: LoadOptions;
  readonly #random: Prng;
  readonly #workers: readonly Promise<void>[];
  #values = 0;
  #answered = 0;
  #isStopped = false;
  /** Requests that were not answered; each is in the history as well. */
  readonly failures: KvError[] = [];
  /** How long each request took that was answered. */
  readonly latenciesMs: number[] = [];

  /** Begins at once. */
  constructor(options: LoadOptions) {
    this.#options = options;
    this.#random = new Prng(options.seed);
    this.#workers = options.clients.map((client) => this.#work(client));
    // A failure is the business of stop(); until then it must not be an unhandled rejection.
    for (const worker of this.#workers) worker.catch(() => undefined);
  }

  /** Waits until so many more requests were answered. */
  async untilAnswered(count: number): Promise<void> {
    const goal = this.#answered + count;
    await until(`${count} more requests are answered`, () => this.#answered >= goal);
  }

  /** Waits for the requests under way. @throws what is no KvError */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#workers);
  }

  async #work(client: KvClient): Promise<void> {
    while (!this.#isStopped) {
      const begunAt = performance.now();
      try {
        await this.#request(client);
        this.#answered += 1;
        this.latenciesMs.push(performance.now() - begunAt);
      } catch (error) {
        if (!(error instanceof KvError)) throw error;
        this.failures.push(error);
      }
    }
  }

  async #request(client: KvClient): Promise<unknown> {
    const { history, keys, kinds, seed } = this.#options;
    const key = this.#draw(keys);
    const kind = this.#draw(kinds);
    if (kind === 'get') return history.get(client, key);
    if (kind === 'delete') return history.delete(client, key);
    this.#values += 1;
    return history[kind](client, key, `value ${this.#values} of load ${seed}`);
  }

  #draw<T>(choices: readonly T[]): T {
    return choices[this.#random.integer(0, choices.length - 1)] as T;
  }
}
