/**
 * Clients on the host that put, get and delete overlapping keys through all replicas, without end, while the tests
 * do harm to the cluster.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type KvClient } from '../../../src/client/index.ts';
import { until } from '../../support/until.ts';
import { Recorder } from './recorder.ts';

const CLIENTS = 10;
const KEYS = 20;
/** The deadline of each operation. */
const TIMEOUT_MS = 5000;
/** Each client rests for up to this long after each operation: the machine is small, and so shall the history be. */
const MOST_REST_MS = 40;
const PATIENCE_MS = 90_000;

export class Load {
  readonly recorder = new Recorder();
  readonly keys: readonly string[] = Array.from({ length: KEYS }, (_, index) => `key-${index}`);
  readonly #clients: readonly KvClient[];
  readonly #loops: readonly Promise<void>[];
  #isStopped = false;
  #puts = 0;

  /** Begins at once. @param endpoints of all replicas; each client prefers another one */
  constructor(endpoints: readonly string[]) {
    this.#clients = Array.from({ length: CLIENTS }, (_, index) => {
      const first = index % endpoints.length;
      return connect({
        endpoints: [...endpoints.slice(first), ...endpoints.slice(0, first)],
        timeoutMs: TIMEOUT_MS,
        prefer: 'first',
      });
    });
    this.#loops = this.#clients.map((client) => this.#run(client));
  }

  /** Waits until this many more operations have been acknowledged. */
  async untilMore(count: number): Promise<void> {
    const goal = this.recorder.counts.acknowledged + count;
    await until(
      `${count} more operations are acknowledged`,
      () => this.recorder.counts.acknowledged >= goal,
      PATIENCE_MS,
    );
  }

  /** Lets every operation under way end. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
    for (const client of this.#clients) client.close();
  }

  async #run(client: KvClient): Promise<void> {
    while (!this.#isStopped) {
      await this.#one(client);
      await pause(randomInt(MOST_REST_MS));
    }
  }

  #one(client: KvClient): Promise<void> {
    const key = this.keys[randomInt(KEYS)] ?? '';
    const chance = randomInt(10);
    if (chance < 5) {
      this.#puts += 1;
      return this.recorder.put(client, key, `value-${this.#puts}`);
    }
    return chance < 8 ? this.recorder.get(client, key) : this.recorder.delete(client, key);
  }
}
