/** Writes one after another at one replica, and how long each takes. */
import { decodeOperation } from '../../../src/wire/index.ts';
import { putOperation } from '../../support/kv-operations.ts';
import { Violation } from '../checkers/violation.ts';
import type { EventQueue } from '../event-queue.ts';
import type { History } from '../history.ts';
import type { FullMachine } from './machine.ts';

const WRITES = 15;
const TIMEOUT_MS = 20_000;

export class SerialWrites {
  readonly #machine: FullMachine;
  readonly #history: History;
  readonly #queue: EventQueue;
  readonly #tookMs: number[] = [];

  constructor(parts: {
    readonly machine: FullMachine;
    readonly history: History;
    readonly queue: EventQueue;
  }) {
    this.#machine = parts.machine;
    this.#history = parts.history;
    this.#queue = parts.queue;
    this.#next();
  }

  get isDone(): boolean {
    return this.#tookMs.length === WRITES;
  }

  /** @throws Violation unless most of the later ones took less than `longestMs` */
  check(longestMs: number): void {
    const later = this.#tookMs.slice(WRITES / 3).sort((one, other) => one - other);
    const median = later[Math.floor(later.length / 2)] ?? 0;
    if (median < longestMs) return;
    throw new Violation(
      'patience',
      `writes at replica ${this.#machine.id} take ${Math.round(median)} ms, not less than ${longestMs}`,
    );
  }

  #next(): void {
    const { id } = this.#machine;
    const sequence = this.#tookMs.length + 1;
    const client = `serial ${id}`.padEnd(16, ' ');
    const value = Buffer.from(`${client.trim()}/${sequence}`);
    const key = Buffer.from('serial');
    const { generation } = this.#machine;
    const request = { client, sequence, generation: Math.max(1, generation) };
    const operation = putOperation({ request, key, value, returnPrevious: false });
    this.#history.giveUp(this.#history.begin(operation), 'unknown');
    const begunMs = this.#queue.nowMs;
    this.#machine.submit(decodeOperation(operation.bytes), TIMEOUT_MS, () => {
      this.#tookMs.push(this.#queue.nowMs - begunMs);
      if (!this.isDone) this.#next();
    });
  }
}
