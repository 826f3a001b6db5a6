/** Clients that do one operation after another, without a pause, at the place that serves their region. */

import type { KvOperation } from '../../src/kv/index.ts';
import type { Prng } from '../../src/util/prng.ts';
import { between, chance } from '../../test/sim/draw.ts';
import type { EventQueue } from '../../test/sim/event-queue.ts';
import { getOperation, putOperation } from '../../test/support/kv-operations.ts';
import type { Samples } from './samples.ts';
import type { Setting, WorldOptions } from './settings.ts';
import type { Request } from './site.ts';

/** Clients begin one after another in this time, so that they are not in step. */
const START_MS = 500;

interface Client {
  readonly name: string;
  readonly region: number;
  sequence: number;
}

export class Clients {
  readonly #options: WorldOptions;
  readonly #queue: EventQueue;
  readonly #prng: Prng;
  readonly #samples: Samples;
  readonly #drawShared: () => string | null;
  /** Delivers a request to whoever serves the region. */
  readonly #submit: (region: number, request: Request) => void;
  /** What the answer's way back takes. */
  readonly #wayBackMs: (region: number) => number;

  constructor(parts: {
    readonly options: WorldOptions;
    readonly setting: Setting;
    readonly queue: EventQueue;
    readonly prng: Prng;
    readonly samples: Samples;
    readonly submit: (region: number, request: Request) => void;
    readonly wayBackMs: (region: number) => number;
  }) {
    this.#options = parts.options;
    this.#queue = parts.queue;
    this.#prng = parts.prng;
    this.#samples = parts.samples;
    this.#submit = parts.submit;
    this.#wayBackMs = parts.wayBackMs;
    this.#drawShared = sharedKeys(parts.setting, parts.options, parts.prng);
  }

  /** @param regions how many regions have clients */
  start(regions: number): void {
    for (let region = 0; region < regions; region += 1) {
      for (let index = 0; index < this.#options.clientsPerRegion; index += 1) {
        const client: Client = { name: `${region}/${index}`.padEnd(16, ' '), region, sequence: 0 };
        this.#queue.after(between(this.#prng, 0, START_MS), () => this.#next(client));
      }
    }
  }

  #next(client: Client): void {
    const { warmUpMs, measuredMs } = this.#options;
    const startMs = this.#queue.nowMs;
    if (startMs >= warmUpMs + measuredMs) return;
    const operation = this.#draw(client);
    const isCounted = startMs >= warmUpMs;
    const { region } = client;
    this.#submit(region, {
      operation,
      // Told as a client would learn it, if it were told of commits.
      onCommitted: () => {
        const latencyMs = this.#queue.nowMs + this.#wayBackMs(region) - startMs;
        if (isCounted) this.#samples.add(region, 'commit', latencyMs);
      },
      onAnswered: () => {
        this.#queue.after(this.#wayBackMs(region), () => {
          const latencyMs = this.#queue.nowMs - startMs;
          if (isCounted) this.#samples.add(region, operation.kind === 'get' ? 'read' : 'write', latencyMs);
          this.#next(client);
        });
      },
    });
  }

  #draw(client: Client): KvOperation {
    client.sequence += 1;
    const request = { client: client.name, sequence: client.sequence, generation: 1 };
    const isWrite = chance(this.#prng, this.#options.writeRatio);
    const key = Buffer.from(this.#drawShared() ?? client.name);
    if (!isWrite) return getOperation({ request, key });
    const value = Buffer.from(`${client.sequence}`);
    // Nothing is repeated in this world, so no answer needs to be kept.
    return putOperation({ request, key, value, returnPrevious: false, unrecorded: true });
  }
}

/** Draws a key that all clients share; null for a key of the client's own. */
function sharedKeys(setting: Setting, { keys }: WorldOptions, prng: Prng): () => string | null {
  if ('conflict' in setting) return () => (chance(prng, setting.conflict) ? 'hot' : null);
  const sums: number[] = [];
  for (let key = 1; key <= keys; key += 1) sums.push((sums.at(-1) ?? 0) + key ** -setting.zipf);
  return () => `shared ${indexAbove(sums, prng.next() * (sums.at(-1) ?? 0))}`;
}

/** The first index whose sum is above the number. */
function indexAbove(sums: readonly number[], number: number): number {
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] ?? 0) > number) high = middle;
    else low = middle + 1;
  }
  return low;
}
