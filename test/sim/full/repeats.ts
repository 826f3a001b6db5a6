/** Old requests, sent once more: late, to any replica, as they were or with another content. They must change nothing. */

import { isWrite, type KvOperation } from '../../../src/kv/index.ts';
import type { Prng } from '../../../src/util/prng.ts';
import { decodeOperation } from '../../../src/wire/index.ts';
import { putOperation } from '../../support/kv-operations.ts';
import type { Outcome } from '../calls.ts';
import { requestKey } from '../calls.ts';
import { isSameResult } from '../checkers/effects.ts';
import { demand } from '../checkers/violation.ts';
import { between, chance, pick } from '../draw.ts';
import type { EventQueue } from '../event-queue.ts';
import type { Entry, History } from '../history.ts';
import type { Statistics } from '../statistics.ts';
import type { FullMachine } from './machine.ts';

const TIMEOUT_MS = 2_000;
/** Of these the last ones are repeated at the end. */
const FINAL_REPEATS = 40;

export interface RepeatsParts {
  readonly history: History;
  readonly machines: readonly FullMachine[];
  readonly queue: EventQueue;
  readonly prng: Prng;
  readonly statistics: Statistics;
  readonly guard: (check: () => void) => void;
}

export class Repeats {
  readonly #parts: RepeatsParts;
  #open = 0;
  #isOver = false;

  constructor(parts: RepeatsParts) {
    this.#parts = parts;
  }

  /** @param meanMs the mean time between two */
  start(meanMs: number): void {
    const { queue, prng, machines } = this.#parts;
    queue.after(between(prng, 0, 2 * meanMs), () => {
      if (this.#isOver) return;
      const old = this.#answered();
      if (old.length > 0) this.#repeat(pick(prng, old), pick(prng, machines));
      this.start(meanMs);
    });
  }

  /** None is sent any more by itself. */
  stop(): void {
    this.#isOver = true;
  }

  /** Sends many of them. */
  all(machines: readonly FullMachine[]): void {
    const { prng } = this.#parts;
    for (const entry of this.#answered().slice(-FINAL_REPEATS)) this.#repeat(entry, pick(prng, machines));
  }

  /** How many wait for an answer. */
  get open(): number {
    return this.#open;
  }

  #answered(): Entry[] {
    return this.#parts.history.entries.filter(
      ({ operation, outcome }) => outcome === 'answered' && isWrite(operation) && !operation.unrecorded,
    );
  }

  #repeat({ operation, result }: Entry, machine: FullMachine): void {
    const { guard, prng, statistics } = this.#parts;
    const again = chance(prng, 0.5) ? decodeOperation(operation.bytes) : otherContent(operation);
    this.#open += 1;
    const isTaken = machine.submit(again, TIMEOUT_MS, (outcome: Outcome) => {
      this.#open -= 1;
      if (outcome.type === 'tooOld') statistics.tooOld += 1;
      if (outcome.type !== 'answered' || result === null) return;
      guard(() =>
        demand(
          isSameResult(outcome.result, result),
          'exactlyOnce',
          () =>
            `request ${requestKey(operation.request)} was answered with version ${result.version}; ` +
            `sent once more, with version ${outcome.result.version}`,
        ),
      );
    });
    if (!isTaken) this.#open -= 1;
  }
}

/** The same request, which would write something else. */
function otherContent(operation: KvOperation): KvOperation {
  if (operation.kind !== 'put') return decodeOperation(operation.bytes);
  const { request, key, returnPrevious } = operation;
  const value = Buffer.from('another content');
  return putOperation({ request, key: Buffer.from(key, 'latin1'), value, returnPrevious });
}
