/**
 * The storage port over a map of bytes: every adapter goes through these encodings, the one in memory too,
 * so that none of them can keep a pointer to live state.
 */

import {
  type Command,
  formatInstance,
  type InstanceId,
  type InstanceKey,
  type InstanceRecord,
  instanceKey,
  type Pruned,
  type ReplicaId,
  replicaIds,
  type Slot,
  Status,
} from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import { type AnswerPage, FIRST_GENERATION, type StampedRow } from '../kv/index.ts';
import { assert } from '../util/assert.ts';
import { NO_BYTES } from '../util/no-bytes.ts';
import {
  commandFromWire,
  commandToWire,
  decodePruned,
  decodeRecordApart,
  encodePruned,
  encodeRecordApart,
  MAX_SLOT,
  type StoreMark,
} from '../wire/index.ts';
import { decodeAnswers, encodeAnswers } from './answer-codec.ts';
import type { ByteStore, ByteWrite } from './byte-store.ts';
import { decodeGeneration, encodeGeneration } from './generation-codec.ts';
import {
  after,
  answersBefore,
  answersFrom,
  answersKey,
  commandKey,
  executedKey,
  GENERATION_KEY,
  PRUNED_KEY,
  parseAnswersKey,
  parseInstanceKey,
  peerKey,
  RESERVATION_KEY,
  recordKey,
  rowKey,
  slotRange,
} from './keys.ts';
import { decodePeer, encodePeer, type StoredPeer } from './peer-codec.ts';
import { rememberNoOp } from './pruned-no-ops.ts';
import { decodeReservation, encodeReservation } from './reservation-codec.ts';
import { decodeRow, encodeRow } from './row-codec.ts';
import { Runs } from './runs.ts';
import { type ScrubbedSlice, scrubEntries } from './scrub.ts';
import { StoredSnapshot } from './snapshot-view.ts';
import { Staging } from './staging.ts';
import type { Effects, SnapshotView, Storage } from './storage.ts';

/** Slots removed in one batch: some three times as many entries. */
const PRUNED_SLOTS = 1_024;

/** What was found of one instance. */
interface InstanceParts {
  readonly id: InstanceId;
  readonly record: Uint8Array;
  executed: boolean;
  command: Uint8Array | null;
}

export class EncodedStorage implements Storage {
  readonly id: string;
  readonly staging: Staging;
  readonly #store: ByteStore;
  readonly #replicas: number;
  readonly #runs: Runs;
  readonly #scrubFiles: () => AsyncIterable<{ readonly bytes: number }>;
  /** Commands that are in the store, with the instance under which they are. */
  readonly #storedCommands = new WeakMap<Command, InstanceKey>();
  /** There are no old answers before this key. */
  #removedAnswers: Uint8Array = NO_BYTES;

  constructor(options: {
    readonly store: ByteStore;
    /** The store's id. */
    readonly id: string;
    /** The name of this run of it, which no other has (R6.13). */
    readonly run: string;
    /** N. */
    readonly replicas: number;
    /** Looks for damage in the files of the store, one at each step. Absent: it has none. */
    readonly scrubFiles?: () => AsyncIterable<{ readonly bytes: number }>;
  }) {
    this.id = options.id;
    this.#scrubFiles = options.scrubFiles ?? noFiles;
    this.staging = new Staging(options);
    this.#store = options.store;
    this.#replicas = options.replicas;
    this.#runs = this.#read('its runs', () => new Runs(options.store, options.run));
  }

  /** Finishes what a crash cut off. Called once, before anything else. */
  async recover(): Promise<void> {
    await this.staging.recover();
  }

  pruned(): Pruned | null {
    const bytes = this.#store.get(PRUNED_KEY);
    if (bytes === undefined) return null;
    return this.#read('what was pruned', () => decodePruned(bytes, { replicas: this.#replicas }));
  }

  reserved(): Slot {
    const bytes = this.#store.get(RESERVATION_KEY);
    return bytes === undefined ? 0 : this.#read('which slots are reserved', () => decodeReservation(bytes));
  }

  async *records(): AsyncIterable<InstanceRecord> {
    const pruned = this.pruned()?.pruned;
    for (const replica of replicaIds(this.#replicas)) {
      yield* this.#recordsOf(replica, (pruned?.[replica - 1] ?? 0) + 1);
    }
  }

  /** The records of the instances of one replica, from that slot on. */
  async *#recordsOf(replica: ReplicaId, from: number): AsyncIterable<InstanceRecord> {
    let parts: InstanceParts | null = null; // held back until everything of the instance was seen
    for await (const [key, value] of this.#store.entries(slotRange({ replica, from, to: MAX_SLOT }))) {
      const place = parseInstanceKey(key);
      if (!place) throw this.#unreadable('an instance', `its key is ${Buffer.from(key).toString('hex')}`);
      if (place.part === 'record') {
        if (parts !== null) yield this.#recordOf(parts);
        parts = { id: place.id, record: value, executed: false, command: null };
        continue;
      }
      const name = formatInstance(place.id);
      if (parts === null || formatInstance(parts.id) !== name) {
        throw this.#unreadable(`instance ${name}`, `there is a part (${place.part}) without a record`);
      }
      if (place.part === 'executed') parts.executed = true;
      else parts.command = value;
    }
    if (parts !== null) yield this.#recordOf(parts);
  }

  #recordOf({ id, record: bytes, executed, command }: InstanceParts): InstanceRecord {
    const name = formatInstance(id);
    const record = this.#read(`instance ${name}`, () =>
      decodeRecordApart(bytes, { replicas: this.#replicas }).withCommand(command && commandFromWire(command)),
    );
    if (formatInstance(record.id) !== name) {
      throw this.#unreadable(`instance ${name}`, `it holds the record of ${formatInstance(record.id)}`);
    }
    if (!executed) return record;
    // Going on without would execute the instance a second time.
    if (record.status !== Status.committed) {
      throw this.#unreadable(`instance ${name}`, 'it is marked executed without being committed');
    }
    record.command?.letGo(() => this.command(id));
    return { ...record, status: Status.executed };
  }

  command(id: InstanceId): Command {
    const name = formatInstance(id);
    const bytes = this.#store.get(commandKey(id));
    if (bytes === undefined) throw this.#unreadable(`the command of instance ${name}`, 'it is not there');
    return this.#read(`the command of instance ${name}`, () => commandFromWire(bytes));
  }

  async writeRecords(
    records: readonly InstanceRecord[],
    { sync, reserved = null }: { readonly sync: boolean; readonly reserved?: Slot | null },
  ): Promise<void> {
    const writes: ByteWrite[] = [];
    if (reserved !== null) writes.push({ key: RESERVATION_KEY, value: encodeReservation(reserved) });
    for (const record of records) {
      const { id, command } = record;
      writes.push({ key: recordKey(id), value: encodeRecordApart(record) });
      // A slot never holds another command (R6.3): once it is stored it need not be written again.
      if (command === null || this.#storedCommands.get(command) === instanceKey(id)) continue;
      writes.push({ key: commandKey(id), value: commandToWire(command) });
      this.#storedCommands.set(command, instanceKey(id));
    }
    const run = sync ? this.#runs.note() : null;
    if (run !== null) writes.push(run);
    if (writes.length > 0 || sync) await this.#store.write(writes, { sync });
    if (sync) this.#runs.synced();
  }

  async writeEffects(effects: Effects): Promise<void> {
    const writes: ByteWrite[] = [];
    for (const [key, row] of effects.rows) {
      writes.push({ key: rowKey(key), value: row && encodeRow(row) });
    }
    for (const page of effects.pages) {
      writes.push({ key: answersKey(page), value: encodeAnswers(page) });
    }
    if (effects.generation !== null) {
      writes.push({ key: GENERATION_KEY, value: encodeGeneration(effects.generation) });
    }
    for (const id of effects.executed) {
      writes.push({ key: executedKey(id), value: NO_BYTES });
    }
    if (writes.length > 0) await this.#store.write(writes, { sync: false });
    if (effects.pruned !== null) await this.#pruneTo(effects.pruned);
  }

  row(key: string): StampedRow | undefined {
    const bytes = this.#store.get(rowKey(key));
    return bytes && this.#read(`the row of key ${JSON.stringify(key)}`, () => decodeRow(bytes));
  }

  generation(): number {
    const bytes = this.#store.get(GENERATION_KEY);
    return bytes === undefined
      ? FIRST_GENERATION
      : this.#read('the generation', () => decodeGeneration(bytes));
  }

  async *answerPages(): AsyncIterable<AnswerPage> {
    for await (const [key, bytes] of this.#store.entries(answersFrom(this.generation() - 1))) {
      const id = parseAnswersKey(key);
      if (!id) throw this.#unreadable('a page of answers', `its key is ${Buffer.from(key).toString('hex')}`);
      yield this.#read('a page of answers', () => decodeAnswers(id, bytes));
    }
  }

  async removeOldAnswers(limit: number): Promise<boolean> {
    const { start, end } = answersBefore(this.generation() - 1);
    // Not from the beginning each time: a database is slow to pass over what was removed just now.
    const from = Buffer.compare(this.#removedAnswers, start) > 0 ? this.#removedAnswers : start;
    if (Buffer.compare(from, end) >= 0) return false;
    const writes: ByteWrite[] = [];
    for await (const key of this.#store.keys({ start: from, end })) {
      writes.push({ key, value: null });
      if (writes.length === limit) break;
    }
    const last = writes.at(-1);
    const hasMore = last !== undefined && writes.length === limit;
    this.#removedAnswers = hasMore ? after(last.key) : end;
    if (writes.length > 0) await this.#store.write(writes, { sync: false });
    return hasMore;
  }

  peerStore(peer: ReplicaId): string | undefined {
    return this.#peer(peer)?.store;
  }

  async rememberPeerStore(peer: ReplicaId, store: string): Promise<void> {
    await this.#store.write([{ key: peerKey(peer), value: encodePeer({ store, mark: null }) }], {
      sync: true,
    });
  }

  peerMark(peer: ReplicaId): StoreMark | null {
    return this.#peer(peer)?.mark ?? null;
  }

  async rememberPeerMark(peer: ReplicaId, store: string, mark: StoreMark): Promise<void> {
    await this.#store.write([{ key: peerKey(peer), value: encodePeer({ store, mark }) }], { sync: false });
  }

  #peer(peer: ReplicaId): StoredPeer | undefined {
    const bytes = this.#store.get(peerKey(peer));
    return bytes && this.#read(`the store of replica ${peer}`, () => decodePeer(bytes));
  }

  mark(): StoreMark | null {
    return this.#runs.mark();
  }

  holds(mark: StoreMark): boolean {
    return this.#runs.holds(mark);
  }

  async *scrub(): AsyncIterable<ScrubbedSlice> {
    yield* scrubEntries(this.#store);
    for await (const { bytes } of this.#scrubFiles()) yield { entries: 0, bytes };
  }

  openSnapshot(): SnapshotView {
    if (this.staging.isInstalling) {
      throw new KvError('overloaded', 'a snapshot is being put in place here: try again later');
    }
    return new StoredSnapshot({ reader: this.#store.snapshot(), replicas: this.#replicas });
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  /**
   * Removes all up to the vector that was not removed before, in batches of a bounded size. Each says how far it has
   * come, so that whatever a crash cuts off is pruned up to some slot of each replica and whole above it.
   */
  async #pruneTo({ pruned: upTo, floor }: Pruned): Promise<void> {
    const before = this.pruned()?.pruned;
    const pruned = upTo.map((_, index) => before?.[index] ?? 0);
    let writes: ByteWrite[] = [];
    const writeBatch = async () => {
      writes.push({ key: PRUNED_KEY, value: encodePruned({ pruned, floor }) });
      await this.#store.write(writes, { sync: false });
      writes = [];
    };
    let slots = 0;
    const isCopying = this.staging.status() !== null;
    for (const [index, last] of upTo.entries()) {
      const first = (pruned[index] ?? 0) + 1;
      assert(last >= first - 1, `replica ${index + 1} is pruned up to ${first - 1}, which is not taken back`);
      for (let slot = first; slot <= last; slot += 1) {
        const id = { replica: index + 1, slot };
        if (isCopying) writes.push(...rememberNoOp(this.#store, id, this.#replicas));
        for (const key of [recordKey(id), executedKey(id), commandKey(id)]) writes.push({ key, value: null });
        pruned[index] = slot;
        slots += 1;
        if (slots % PRUNED_SLOTS === 0) await writeBatch();
      }
    }
    await writeBatch();
  }

  #read<T>(what: string, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      throw this.#unreadable(what, error.message, error);
    }
  }

  #unreadable(what: string, reason: string, cause?: unknown): KvError {
    const { location } = this.#store;
    return new KvError('storageFailure', `${location}: ${what} cannot be read back: ${reason}`, { cause });
  }
}

async function* noFiles(): AsyncIterable<never> {}
