/**
 * The clients: each does one operation after another on few keys, gives an attempt a deadline, and repeats the
 * same request, under the same id, on another replica when it does not know the outcome.
 */

import { isWide, type ReplicaId } from '../../src/epaxos/index.ts';
import { isWrite, type KvOperation, type OperationResult, type RequestId } from '../../src/kv/index.ts';
import type { Prng } from '../../src/util/prng.ts';
import { decodeOperation } from '../../src/wire/index.ts';
import { deleteOperation, getOperation, multiGetOperation, putOperation } from '../support/kv-operations.ts';
import { type Outcome, type Reply, requestKey } from './calls.ts';
import { demand } from './checkers/violation.ts';
import { between, chance, pick } from './draw.ts';
import type { EventQueue } from './event-queue.ts';
import type { Entry, History } from './history.ts';
import type { WorkloadOptions } from './options.ts';
import type { Statistics } from './statistics.ts';
import type { Trace } from './trace.ts';
import { WIDE_KEY, widened } from './wide.ts';

/** A replica as its clients see it. */
export interface Server {
  readonly id: ReplicaId;
  /** What it tells of the generation of request ids. */
  readonly generation: number;
  /** A client's call. False: nobody is there. */
  submit(operation: KvOperation, timeoutMs: number, reply: Reply): boolean;
}

/** What every client does once the world is healed: that many operations, which must be answered. */
const FINAL_OPERATIONS = 2;
const FINAL_TIMEOUT_MS = 20_000;

interface Client {
  readonly name: string;
  home: ReplicaId;
  sequence: number;
  /** The newest that it has heard of. */
  generation: number;
  /** Operations to begin before the world is healed. */
  left: number;
  finalLeft: number;
  entry: Entry | null;
  /** When the operation was begun. */
  begunMs: number;
  /** How often the operation was tried. */
  attempts: number;
  /** Names the attempt whose outcome counts; a new one as soon as that has ended. */
  token: number;
  isUnsure: boolean;
}

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #replicas: readonly Server[];
  readonly #queue: EventQueue;
  readonly #prng: Prng;
  readonly #history: History;
  readonly #trace: Trace;
  readonly #statistics: Statistics;
  readonly #keys: readonly string[];
  readonly #clients: readonly Client[];
  #healed = false;
  #healedAtMs = Number.POSITIVE_INFINITY;
  #settlingMs = 0;
  /** Where clients go. */
  #serving: readonly Server[];

  constructor(parts: {
    readonly options: WorkloadOptions;
    readonly replicas: readonly Server[];
    readonly queue: EventQueue;
    readonly prng: Prng;
    readonly history: History;
    readonly trace: Trace;
    readonly statistics: Statistics;
  }) {
    this.#options = parts.options;
    this.#replicas = parts.replicas;
    this.#serving = parts.replicas;
    this.#queue = parts.queue;
    this.#prng = parts.prng;
    this.#history = parts.history;
    this.#trace = parts.trace;
    this.#statistics = parts.statistics;
    const { clients, keys, operationsPerClient } = parts.options;
    this.#keys = Array.from({ length: keys }, (_, index) => `k${index}`);
    this.#clients = Array.from({ length: clients }, (_, index) => ({
      name: `client ${index}`.padEnd(16, ' '),
      home: (index % parts.replicas.length) + 1,
      sequence: 0,
      generation: 1,
      left: operationsPerClient,
      finalLeft: FINAL_OPERATIONS,
      entry: null,
      begunMs: 0,
      attempts: 0,
      token: 0,
      isUnsure: false,
    }));
  }

  start(): void {
    for (const client of this.#clients) this.#think(client);
  }

  /**
   * The world is healed: every client ends what it does, and does its last operations, at replicas that serve.
   * @param settlingMs so much longer may an answer take, as these have much to settle first
   */
  heal(serving: readonly Server[] = this.#replicas, settlingMs = 0): void {
    this.#healed = true;
    this.#serving = serving;
    this.#settlingMs = settlingMs;
    this.#healedAtMs = this.#queue.nowMs;
  }

  /** The first client that has not ended all its operations; null if all have. */
  unfinished(): string | null {
    const client = this.#clients.find(({ finalLeft, entry }) => finalLeft > 0 || entry !== null);
    if (client === undefined) return null;
    return client.entry === null ? client.name.trim() : requestKey(client.entry.operation.request);
  }

  #think(client: Client): void {
    const delayMs = this.#healed ? 1 : between(this.#prng, 0, 2 * this.#options.thinkMs);
    this.#queue.after(delayMs, () => {
      if (this.#healed) {
        if (client.finalLeft === 0) return;
        client.finalLeft -= 1;
        this.#begin(client);
      } else if (client.left > 0) {
        client.left -= 1;
        this.#begin(client);
      } else {
        this.#think(client);
      }
    });
  }

  #begin(client: Client): void {
    client.sequence += 1;
    this.#learn(client);
    client.begunMs = this.#queue.nowMs;
    client.attempts = 0;
    client.isUnsure = false;
    const operation = this.#draw(client);
    client.entry = this.#history.begin(operation);
    this.#statistics.operations += 1;
    this.#trace.note(
      this.#queue.nowMs,
      0,
      'begins',
      requestKey(operation.request),
      operation.kind,
      ...operation.accesses.map(({ key }) => key),
    );
    if (chance(this.#prng, 0.1)) client.home = pick(this.#prng, this.#serving).id;
    if (!this.#serving.some(({ id }) => id === client.home)) client.home = pick(this.#prng, this.#serving).id;
    this.#try(client, client.entry, client.home);
  }

  /** What its home has told it since the last time, in most cases. */
  #learn(client: Client): void {
    const { staleRate } = this.#options;
    if (staleRate === undefined || chance(this.#prng, staleRate)) return;
    const told = this.#replicas[client.home - 1]?.generation ?? 0;
    client.generation = Math.max(client.generation, told);
  }

  #draw(client: Client): KvOperation {
    const { multiGetRate, wideRate, getRate, deleteRate, unrecordedRate } = this.#options;
    const prng = this.#prng;
    const request = { client: client.name, sequence: client.sequence, generation: client.generation };
    // No draw where there are none: such a world does not change for their sake.
    if (wideRate > 0 && chance(prng, wideRate)) return this.#drawWide(client, request);
    if (multiGetRate > 0 && chance(prng, multiGetRate)) return this.#drawMultiGet(request);
    const key = this.#drawKey();
    if (chance(prng, getRate)) return getOperation({ request, key });
    const returnPrevious = chance(prng, 0.3);
    const unrecorded = chance(prng, unrecordedRate);
    if (chance(prng, deleteRate)) return deleteOperation({ request, key, returnPrevious, unrecorded });
    const value = this.#drawValue(`${client.name.trim()}/${client.sequence}`);
    return putOperation({ request, key, value, returnPrevious, unrecorded });
  }

  /** A write of everything, or a read of all there is. */
  #drawWide(client: Client, request: RequestId): KvOperation {
    const key = Buffer.from(WIDE_KEY);
    if (chance(this.#prng, 0.5)) {
      const keys = [key, ...this.#keys.map((each) => Buffer.from(each))];
      return widened(multiGetOperation({ request, keys }));
    }
    const value = Buffer.from(`${client.name.trim()}/${client.sequence}`);
    return widened(putOperation({ request, key, value, returnPrevious: false }));
  }

  /** A value that no other put has; in some worlds a long one now and then. */
  #drawValue(name: string): Buffer {
    const { valueBytes = 0 } = this.#options;
    if (valueBytes === 0 || !chance(this.#prng, 0.2)) return Buffer.from(name);
    return Buffer.from(name.padEnd(this.#prng.integer(name.length, valueBytes), '.'));
  }

  #drawMultiGet(request: RequestId): KvOperation {
    const keys = Array.from({ length: this.#prng.integer(2, 4) }, () => this.#drawKey());
    return multiGetOperation({ request, keys });
  }

  #drawKey(): Buffer {
    const isHot = chance(this.#prng, this.#options.hotRate);
    return Buffer.from(isHot ? 'k0' : pick(this.#prng, this.#keys));
  }

  #try(client: Client, entry: Entry, at: ReplicaId): void {
    client.attempts += 1;
    client.token += 1;
    const { token } = client;
    const timeoutMs = this.#healed ? FINAL_TIMEOUT_MS : this.#options.timeoutMs;
    const conclude = (outcome: Outcome) => {
      if (client.token !== token) return;
      client.token += 1;
      this.#conclude(client, entry, outcome);
    };
    this.#queue.after(this.#wayMs(), () => {
      const replica = this.#replicas[at - 1];
      // Every server decodes its own copy of the operation.
      const copy = widened(decodeOperation(entry.operation.bytes));
      const isTaken = replica?.submit(copy, timeoutMs, (outcome) => this.#answer(outcome, conclude)) ?? false;
      if (!isTaken) this.#answer({ type: 'notApplied' }, conclude);
    });
    // The client's own clock: the server may have died, or its answer may be lost.
    this.#queue.after(timeoutMs + 50, () => conclude({ type: 'unknown' }));
  }

  #answer(outcome: Outcome, conclude: (outcome: Outcome) => void): void {
    if (!this.#healed && chance(this.#prng, this.#options.lostAnswerRate)) return;
    this.#queue.after(this.#wayMs(), () => conclude(outcome));
  }

  #conclude(client: Client, entry: Entry, outcome: Outcome): void {
    this.#trace.note(
      this.#queue.nowMs,
      0,
      'ends',
      requestKey(entry.operation.request),
      outcome.type,
      ...(outcome.type === 'answered' ? versionsOf(outcome.result) : [0]),
    );
    if (outcome.type === 'answered') {
      this.#checkPatience(client, entry);
      this.#statistics.answered += 1;
      if (entry.operation.kind === 'multiGet') this.#statistics.multiGets += 1;
      if (isWide(entry.operation)) this.#statistics.wide += 1;
      this.#history.answer(entry, outcome.result);
      this.#end(client);
      return;
    }
    client.isUnsure ||= outcome.type === 'unknown';
    // A copy that came too late had no effect; where no other one can have had any, the request has none (R7.12).
    if (outcome.type === 'tooOld') this.#statistics.tooOld += 1;
    else if (this.#mayRepeat(client, entry.operation)) {
      this.#statistics.retries += 1;
      const at = pick(this.#prng, this.#serving).id;
      this.#queue.after(between(this.#prng, 1, 60), () => this.#try(client, entry, at));
      return;
    }
    const end = client.isUnsure ? 'unknown' : 'notApplied';
    this.#statistics[end] += 1;
    this.#history.giveUp(entry, end);
    this.#end(client);
  }

  #checkPatience({ begunMs }: Client, { operation }: Entry): void {
    const { patienceMs } = this.#options;
    const waitedMs = this.#queue.nowMs - begunMs;
    demand(
      patienceMs === undefined || begunMs < this.#healedAtMs || waitedMs <= patienceMs + this.#settlingMs,
      'patience',
      () => `request ${requestKey(operation.request)} waited ${Math.round(waitedMs)} ms in a healed world`,
    );
  }

  #mayRepeat(client: Client, operation: KvOperation): boolean {
    if (isWrite(operation) && operation.unrecorded) return false;
    // In a healed world a client goes on until it is answered; the world decides when that is too late.
    return this.#healed || client.attempts < this.#options.attempts;
  }

  #end(client: Client): void {
    client.entry = null;
    this.#think(client);
  }

  #wayMs(): number {
    return between(this.#prng, 0.1, 2);
  }
}

function versionsOf({ version, rows }: OperationResult): readonly number[] {
  return rows?.map((row) => row?.version ?? 0) ?? [version];
}
