/** What goes wrong in whole replicas only, beside the faults that all worlds have (../faults.ts). */

import type { RequestId } from '../../../src/kv/index.ts';
import type { Prng } from '../../../src/util/prng.ts';
import { decodeOperation } from '../../../src/wire/index.ts';
import { putOperation } from '../../support/kv-operations.ts';
import type { Reply } from '../calls.ts';
import { demand } from '../checkers/violation.ts';
import { between, chance, pick } from '../draw.ts';
import type { EventQueue } from '../event-queue.ts';
import type { History } from '../history.ts';
import type { Network } from '../network.ts';
import type { Trace } from '../trace.ts';
import type { FullMachine } from './machine.ts';
import { type Farewell, type FullFaultKind, type FullWorldOptions, PATIENCE_MS } from './options.ts';

const BURST_TIMEOUT_MS = 2_000;
/** What was left behind has reached whoever it was sent to after this time. */
const FAREWELL_MS = 200;

interface CallOptions {
  readonly timeoutMs: number;
  readonly reply: Reply;
}

export interface FullFaultsParts {
  readonly options: FullWorldOptions;
  readonly machines: readonly FullMachine[];
  readonly network: Network;
  readonly queue: EventQueue;
  readonly history: History;
  readonly trace: Trace;
  readonly prng: Prng;
  /** How long it may take to settle what is open, or only reserved (R6.4), by few recoveries at a time (R5.9). */
  readonly settlingMs: () => number;
  /** Does something that may find a violation. */
  readonly guard: (check: () => void) => void;
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
    for (const machine of this.#parts.machines) machine.isHealed = true;
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
    const { options, prng } = this.#parts;
    this.#bursts += 1;
    if (this.#bursts > 2) return;
    const request = { client: `burst ${this.#bursts}`, generation: 1 };
    for (let sequence = 1; sequence <= options.full.burstOperations; sequence += 1)
      this.#write(machine, { ...request, sequence }, 'burst');
    if (chance(prng, 0.6)) machine.crashAtSomeStep(prng);
  }

  /**
   * Some die for good, and leave much behind that only a recovery can settle; the others want to write the same keys, and can
   * in time.
   */
  farewell({ keys, afterMs }: Farewell, gone: readonly FullMachine[]): void {
    const { queue, machines, guard, options, settlingMs } = this.#parts;
    const write = (machine: FullMachine, sequence: number, call?: CallOptions) => {
      const request = { client: `farewell ${machine.id}`, sequence, generation: machine.generation };
      this.#write(machine, request, `farewell ${sequence}`, call);
    };
    for (const machine of gone) for (let key = 1; key <= keys; key += 1) write(machine, key);
    queue.after(afterMs, () => {
      for (const machine of gone) machine.crash('some');
    });
    const left = machines.filter((machine) => !gone.includes(machine));
    queue.after(afterMs + FAREWELL_MS, () => {
      const patienceMs = PATIENCE_MS + settlingMs();
      for (let key = 1; key <= keys; key += 1) {
        const machine = left[key % left.length];
        if (machine === undefined) continue;
        const what = () =>
          `a write at replica ${machine.id} of what dead ones left open took ${patienceMs} ms`;
        const begunMs = queue.nowMs;
        const rate = options.full.clockRates[machine.id - 1] ?? 1;
        // A second copy that comes too late, after a snapshot was put in place, ends before that without an outcome (R9.8).
        const isInTime = () => (queue.nowMs - begunMs) * rate < patienceMs - options.full.tickMs;
        const reply: Reply = ({ type }) =>
          guard(() => demand(type !== 'unknown' || isInTime(), 'patience', what));
        write(machine, key, { timeoutMs: patienceMs, reply });
      }
    });
  }

  /** A write, as a rule by a caller who does not wait. */
  #write(
    machine: FullMachine,
    { client, ...request }: RequestId,
    key: string,
    { timeoutMs, reply }: CallOptions = { timeoutMs: BURST_TIMEOUT_MS, reply: () => {} },
  ): void {
    const { history } = this.#parts;
    const operation = putOperation({
      request: { ...request, client: client.padEnd(16, ' ') },
      key: Buffer.from(key),
      value: Buffer.from(`${client}/${request.sequence}`),
      returnPrevious: false,
    });
    history.giveUp(history.begin(operation), 'unknown');
    machine.submit(decodeOperation(operation.bytes), timeoutMs, reply);
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
