/** What goes wrong in whole replicas only, beside the faults that all worlds have (../faults.ts). */

import type { Prng } from '../../../src/util/prng.ts';
import { decodeOperation } from '../../../src/wire/index.ts';
import { putOperation } from '../../support/kv-operations.ts';
import { between, chance, pick } from '../draw.ts';
import type { EventQueue } from '../event-queue.ts';
import type { History } from '../history.ts';
import type { Network } from '../network.ts';
import type { Trace } from '../trace.ts';
import type { FullMachine } from './machine.ts';
import type { FullFaultKind, FullWorldOptions } from './options.ts';

/** Nobody but bursts writes it. */
const BURST_KEY = Buffer.from('burst');
const BURST_TIMEOUT_MS = 2_000;

export interface FullFaultsParts {
  readonly options: FullWorldOptions;
  readonly machines: readonly FullMachine[];
  readonly network: Network;
  readonly queue: EventQueue;
  readonly history: History;
  readonly trace: Trace;
  readonly prng: Prng;
}

export class FullFaults {
  readonly #parts: FullFaultsParts;
  readonly #repairs = new Set<() => void>();
  #bursts = 0;
  #isHealed = false;

  constructor(parts: FullFaultsParts) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#parts.options.full.faults.length > 0) this.#next();
  }

  heal(): void {
    this.#isHealed = true;
    for (const repair of [...this.#repairs]) repair();
  }

  #next(): void {
    const { options, queue, prng, trace, machines } = this.#parts;
    queue.after(between(prng, 0, 4 * options.faults.intervalMs), () => {
      if (this.#isHealed) return;
      const machine = pick(prng, machines);
      const kind = pick(prng, options.full.faults);
      trace.note(queue.nowMs, machine.id, 'fault', kind);
      this.#strike(kind, machine);
      this.#next();
    });
  }

  #strike(kind: FullFaultKind, machine: FullMachine): void {
    switch (kind) {
      case 'hangingDisk':
        machine.hang();
        this.#during(() => machine.unhang());
        return;
      case 'linkBothWays':
        this.#cutLink(machine);
        return;
      case 'burst':
        this.#burst(machine);
        return;
    }
  }

  /** Cuts a link in both directions; each heals when it does. */
  #cutLink(machine: FullMachine): void {
    const { machines, network, prng } = this.#parts;
    const other = pick(
      prng,
      machines.filter((each) => each !== machine),
    );
    this.#during(network.cut(machine.id, other.id));
    this.#during(network.cut(other.id, machine.id));
  }

  /** Many writes of one key at once, by callers who do not wait; then, maybe, their coordinator dies. */
  #burst(machine: FullMachine): void {
    const { options, history, prng } = this.#parts;
    this.#bursts += 1;
    if (this.#bursts > 2) return;
    const client = `burst ${this.#bursts}`.padEnd(16, ' ');
    for (let sequence = 1; sequence <= options.full.burstOperations; sequence += 1) {
      const value = Buffer.from(`${client.trim()}/${sequence}`);
      const operation = putOperation({
        request: { client, sequence, generation: 1 },
        key: BURST_KEY,
        value,
        returnPrevious: false,
      });
      history.giveUp(history.begin(operation), 'unknown');
      machine.submit(decodeOperation(operation.bytes), BURST_TIMEOUT_MS, () => {});
    }
    if (chance(prng, 0.6)) machine.crashAtSomeStep(prng);
  }

  #during(repair: () => void): void {
    const { options, queue, prng } = this.#parts;
    const end = () => {
      if (this.#repairs.delete(end)) repair();
    };
    this.#repairs.add(end);
    queue.after(between(prng, 5, options.faults.durationMs), end);
  }
}
