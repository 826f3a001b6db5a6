/** Ports of the server that a test drives by hand; what happens to them is written to one list, in order. */
import type {
  Envelope,
  Execution,
  InstanceRecord,
  Message,
  Operation,
  Ready,
  ReplicaId,
} from '../../src/epaxos/index.ts';
import { Outbox } from '../../src/epaxos/ready.ts';
import type { KvOperation, Row } from '../../src/kv/index.ts';
import { asKvOperation } from '../../src/kv/index.ts';
import type { Clock } from '../../src/server/clock.ts';
import type { Core } from '../../src/server/node.ts';
import type { Answer, Effects, Storage } from '../../src/storage/index.ts';
import type { PeerStatus, Transport, TransportEvents } from '../../src/transport/index.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #nowMs = 1_000;
  readonly #soon: (() => void)[] = [];
  readonly #periodic = new Set<() => void>();

  nowMs(): number {
    return this.#nowMs;
  }

  every(_periodMs: number, callback: () => void): () => void {
    this.#periodic.add(callback);
    return () => this.#periodic.delete(callback);
  }

  soon(callback: () => void): void {
    this.#soon.push(callback);
  }

  /** How many timers run. */
  get timers(): number {
    return this.#periodic.size;
  }

  /** How many callbacks wait for {@link settle}. */
  get waiting(): number {
    return this.#soon.length;
  }

  /** Moves the time, then fires every timer once. */
  tickAfter(ms: number): void {
    this.#nowMs += ms;
    for (const callback of [...this.#periodic]) callback();
  }

  /** Runs everything that is due, until nothing is left to do without new input. */
  async settle(): Promise<void> {
    do {
      for (const callback of this.#soon.splice(0)) callback();
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#soon.length > 0);
  }
}

export const NOTHING: Ready = new Outbox().seal();

/** A core that does what it is told: it records its inputs and hands out the batches it was given. */
export class FakeCore implements Core {
  readonly inputs: string[] = [];
  readonly batches: Ready[] = [];
  readonly proposed: KvOperation[] = [];
  /** Operations that can no longer be withdrawn. */
  readonly inInstances = new Set<Operation>();
  full = false;
  /** Thrown by the next step. */
  stepError: Error | null = null;

  propose(operation: Operation): boolean {
    this.inputs.push(`propose ${asKvOperation(operation).key}`);
    if (this.full) return false;
    this.proposed.push(asKvOperation(operation));
    return true;
  }

  read(operation: Operation): boolean {
    this.inputs.push(`read ${asKvOperation(operation).key}`);
    if (this.full) return false;
    this.proposed.push(asKvOperation(operation));
    return true;
  }

  withdraw(operation: Operation): boolean {
    this.inputs.push(`withdraw ${asKvOperation(operation).key}`);
    return !this.inInstances.has(operation);
  }

  step(from: ReplicaId, message: Message): void {
    if (this.stepError !== null) throw this.stepError;
    this.inputs.push(`step ${from} ${message.type}`);
  }

  tick(): void {
    this.inputs.push('tick');
  }

  setReachable(peer: ReplicaId, reachable: boolean): void {
    this.inputs.push(`${reachable ? 'reachable' : 'unreachable'} ${peer}`);
  }

  setRoundTrip(peer: ReplicaId, milliseconds: number): void {
    this.inputs.push(`round trip to ${peer}: ${milliseconds} ms`);
  }

  hasReady(): boolean {
    return this.batches.length > 0;
  }

  takeReady(): Ready {
    return this.batches.shift() ?? NOTHING;
  }

  status(): ReturnType<Core['status']> {
    return {
      rows: [{ replica: 1, committed: 3, executed: 2, highest: 4 }],
      openInstances: 1,
      heldOperations: 2,
      blockedInstances: 3,
    };
  }
}

/** A store in memory that writes down what it is asked to do, and whose writes can be held up. */
export class FakeStorage implements Storage {
  readonly log: string[];
  readonly table = new Map<string, Row>();
  /** The next write fails with it. */
  error: Error | null = null;
  #gate: Deferred<void> | null = null;

  constructor(log: string[]) {
    this.log = log;
  }

  /** From now on writes wait for {@link release}. */
  hold(): void {
    this.#gate = createDeferred();
  }

  release(): void {
    this.#gate?.resolve();
    this.#gate = null;
  }

  async writeRecords(records: readonly InstanceRecord[], { sync }: { sync: boolean }): Promise<void> {
    this.log.push(`write ${records.length}${sync ? ' synced' : ''}`);
    await this.#write();
    this.log.push('written');
  }

  async writeEffects(effects: Effects): Promise<void> {
    const executed = effects.executed.map(({ replica, slot }) => `${replica}.${slot}`).join(' ');
    this.log.push(`effects of ${executed}: ${effects.rows.length} rows, ${effects.answers.length} answers`);
    await this.#write();
    for (const { key, row } of effects.rows) {
      if (row === null) this.table.delete(key);
      else this.table.set(key, row);
    }
  }

  async #write(): Promise<void> {
    await this.#gate?.promise;
    if (this.error !== null) throw this.error;
  }

  row(key: string): Row | undefined {
    return this.table.get(key);
  }

  async *records(): AsyncIterable<InstanceRecord> {}

  async *rows(): AsyncIterable<readonly [string, Row]> {
    yield* this.table;
  }

  async *answers(): AsyncIterable<Answer> {}

  async close(): Promise<void> {
    this.log.push('storage closed');
  }
}

/** A transport that writes down what it is asked to send, and delivers what a test gives it. */
export class FakeTransport implements Transport {
  readonly log: string[];
  events: TransportEvents | null = null;
  roundTripMs: number | null = null;

  constructor(log: string[]) {
    this.log = log;
  }

  start(events: TransportEvents): void {
    this.events = events;
  }

  send(envelopes: readonly Envelope[]): void {
    this.log.push(`send ${envelopes.map(({ to, message }) => `${message.type} to ${to}`).join(', ')}`);
  }

  peers(): readonly PeerStatus[] {
    return [{ id: 2, address: 'b:1', reachable: true, roundTripMs: this.roundTripMs, dropped: 5 }];
  }

  async close(): Promise<void> {}
}

/** A committed instance with these operations. */
export function execution(slot: number, ...operations: readonly Operation[]): Execution {
  return { id: { replica: 1, slot }, command: { operations } };
}
