/** Ports of the server that a test drives by hand; what happens to them is written to one list, in order. */

import type {
  Envelope,
  Execution,
  InstanceId,
  InstanceKey,
  InstanceRecord,
  Message,
  Operation,
  Proposal,
  Pruned,
  Ready,
  ReplicaId,
  RowProgress,
} from '../../src/epaxos/index.ts';
import { Command, formatInstance, instanceKey } from '../../src/epaxos/index.ts';
import { Outbox } from '../../src/epaxos/model/ready.ts';
import { KvError } from '../../src/errors.ts';
import type { AnswerPage, KvOperation, StampedRow } from '../../src/kv/index.ts';
import { asKvOperation } from '../../src/kv/index.ts';
import type { Clock } from '../../src/node/clock.ts';
import type { Core } from '../../src/node/node-options.ts';
import type { Effects, SnapshotStaging, SnapshotView, Staged, Storage } from '../../src/storage/index.ts';
import type { PeerStatus, Transport, TransportEvents } from '../../src/transport/index.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import type { SnapshotChunk, SnapshotRequest } from '../../src/wire/index.ts';
import { storedRow } from '../kv/operations.ts';

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #nowMs = 1_000;
  readonly #soon: (() => void)[] = [];
  readonly #periodic = new Map<() => void, number>();

  nowMs(): number {
    return this.#nowMs;
  }

  every(periodMs: number, callback: () => void): () => void {
    this.#periodic.set(callback, periodMs);
    return () => this.#periodic.delete(callback);
  }

  soon(callback: () => void): void {
    this.#soon.push(callback);
  }

  /** The periods of the timers that run. */
  get periodsMs(): readonly number[] {
    return [...this.#periodic.values()];
  }

  /** How many callbacks wait for {@link settle}. */
  get waiting(): number {
    return this.#soon.length;
  }

  /** Moves the time, and fires nothing. */
  pass(ms: number): void {
    this.#nowMs += ms;
  }

  /** Moves the time, then fires every timer once. */
  tickAfter(ms: number): void {
    this.pass(ms);
    for (const callback of [...this.#periodic.keys()]) callback();
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
  atRest = false;
  rows: readonly RowProgress[] = [{ replica: 1, committed: 3, executed: 2, highest: 4, pruned: 1 }];
  /** Thrown by the next step. */
  stepError: Error | null = null;

  propose({ operation }: Proposal): boolean {
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

  withdraw({ operation }: Proposal): boolean {
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

  isAtRest(): boolean {
    return this.atRest;
  }

  takeReady(): Ready {
    return this.batches.shift() ?? NOTHING;
  }

  status(): ReturnType<Core['status']> {
    return {
      rows: this.rows,
      openInstances: 1,
      waitingOperations: 2,
      blockedInstances: 3,
    };
  }
}

const NO_BYTES = new Uint8Array(0);

/** Staging that keeps only what it is asked about, and does with an installation as it is told. */
export class FakeStaging implements SnapshotStaging {
  readonly log: string[];
  staged: Staged | null = null;
  /** What an installation comes to. */
  fits = true;
  /** The next chunk is refused with it. */
  error: Error | null = null;

  constructor(log: string[]) {
    this.log = log;
  }

  status(): Staged | null {
    return this.staged;
  }

  async add(source: ReplicaId, { id, entries, rest, done }: SnapshotChunk): Promise<void> {
    const { error } = this;
    this.error = null;
    if (error !== null) throw error;
    const before = this.staged?.id === id ? this.staged : null;
    this.staged = {
      source,
      id,
      last: entries.at(-1)?.key ?? before?.last ?? NO_BYTES,
      part: rest === 0 ? null : { key: NO_BYTES, bytes: 7, rest },
      entries: (before?.entries ?? 0) + entries.length,
      bytes: entries.reduce((sum, { key, value }) => sum + key.length + value.length, before?.bytes ?? 0),
      complete: done,
    };
  }

  async clear(): Promise<void> {
    this.log.push('staging cleared');
    this.staged = null;
  }

  async install(): Promise<boolean> {
    this.log.push('snapshot installed');
    this.staged = null;
    return this.fits;
  }
}

/** A store in memory that writes down what it is asked to do, and whose writes can be held up. */
export class FakeStorage implements Storage {
  readonly id = 'fake';
  readonly log: string[];
  readonly staging: FakeStaging;
  readonly table = new Map<string, StampedRow>();
  readonly commands = new Map<InstanceKey, Command>();
  /** The next write fails with it. */
  error: Error | null = null;
  /** Pages of answers that are not kept any more. */
  oldAnswers = 0;
  #gate: Deferred<void> | null = null;
  #reserved = 0;

  constructor(log: string[]) {
    this.log = log;
    this.staging = new FakeStaging(log);
  }

  pruned(): Pruned | null {
    return null;
  }

  reserved(): number {
    return this.#reserved;
  }

  peerStore(): string | undefined {
    return undefined;
  }

  async rememberPeerStore(): Promise<void> {}

  peerMark(): null {
    return null;
  }

  async rememberPeerMark(): Promise<void> {}

  mark(): null {
    return null;
  }

  holds(): boolean {
    return true;
  }

  async *scrub(): AsyncIterable<never> {}

  openSnapshot(): SnapshotView {
    throw new Error('nobody asks this store for a snapshot');
  }

  /** From now on writes wait for {@link release}. */
  hold(): void {
    this.#gate = createDeferred();
  }

  release(): void {
    this.#gate?.resolve();
    this.#gate = null;
  }

  async writeRecords(
    records: readonly InstanceRecord[],
    { sync, reserved }: { sync: boolean; reserved?: number | null },
  ): Promise<void> {
    this.#reserved = reserved ?? this.#reserved;
    this.log.push(`write ${records.length}${sync ? ' synced' : ''}`);
    for (const { id, command } of records) {
      if (command !== null) this.commands.set(instanceKey(id), new Command([...command.operations]));
    }
    await this.#write();
    this.log.push('written');
  }

  async writeEffects(effects: Effects): Promise<void> {
    const executed = effects.executed.map(({ replica, slot }) => `${replica}.${slot}`).join(' ');
    const answers = [...effects.pages].reduce((sum, page) => sum + page.size, 0);
    const line = `effects of ${executed}: ${effects.rows.size} rows, ${answers} answers`;
    const generation = effects.generation === null ? '' : `, generation ${effects.generation}`;
    const pruned = effects.pruned === null ? '' : `, pruned to ${effects.pruned.pruned.join(' ')}`;
    this.log.push(`${line}${generation}${pruned}`);
    await this.#write();
    for (const [key, row] of effects.rows) {
      if (row === null) this.table.delete(key);
      else this.table.set(key, storedRow(row));
    }
  }

  async #write(): Promise<void> {
    await this.#gate?.promise;
    if (this.error !== null) throw this.error;
  }

  row(key: string): StampedRow | undefined {
    return this.table.get(key);
  }

  async *records(): AsyncIterable<InstanceRecord> {}

  command(id: InstanceId): Command {
    const command = this.commands.get(instanceKey(id));
    if (command === undefined) throw new Error(`the command of ${formatInstance(id)} was never written`);
    return command;
  }

  generation(): number {
    return 1;
  }

  async *answerPages(): AsyncIterable<AnswerPage> {}

  async removeOldAnswers(limit: number): Promise<boolean> {
    const removed = Math.min(limit, this.oldAnswers);
    this.oldAnswers -= removed;
    if (removed > 0) this.log.push(`${removed} old answers removed`);
    return removed === limit;
  }

  async close(): Promise<void> {
    this.log.push('storage closed');
  }
}

/** A transport that writes down what it is asked to send, and delivers what a test gives it. */
export class FakeTransport implements Transport {
  readonly log: string[];
  events: TransportEvents | null = null;
  /** What the next calls of {@link fetchSnapshot} give. */
  readonly chunks: AsyncIterable<SnapshotChunk>[] = [];
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
    return [
      { id: 2, address: 'b:1', reachable: true, roundTripMs: this.roundTripMs, dropped: 5, violations: 0 },
    ];
  }

  fetchSnapshot(from: ReplicaId, request: SnapshotRequest): AsyncIterable<SnapshotChunk> {
    const after = Buffer.from(request.after).toString('utf8');
    const offset = request.offset === 0 ? '' : ` + ${request.offset}`;
    this.log.push(
      `fetch snapshot ${request.id || 'anew'} from ${from}${after && ` after ${after}`}${offset}`,
    );
    return this.chunks.shift() ?? failing(new KvError('unreachable', 'nobody there'));
  }

  async close(): Promise<void> {}
}

/** Fails when it is asked for its first element. */
export function failing(error: Error): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}

/** A committed instance with these operations. */
export function execution(slot: number, ...operations: readonly Operation[]): Execution {
  return { id: { replica: 1, slot }, command: new Command(operations) };
}
