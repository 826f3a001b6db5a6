/**
 * The storage port over a map of bytes: every adapter goes through these encodings, the one in memory too,
 * so that none of them can keep a pointer to live state.
 */
import { decodeAnswer, decodeRecord, encodeAnswer, encodeRecord } from '../codec/index.ts';
import { formatInstance, type InstanceRecord, Status } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import type { Row } from '../kv/index.ts';
import type { ByteStore, ByteWrite } from './byte-store.ts';
import {
  ANSWER_RANGE,
  answerKey,
  executedKey,
  INSTANCE_RANGE,
  parseAnswerKey,
  parseInstanceKey,
  parseRowKey,
  recordKey,
  rowKey,
  rowRange,
} from './keys.ts';
import { decodeRow, encodeRow } from './row-codec.ts';
import type { Answer, Effects, Storage } from './storage.ts';

const NOTHING = new Uint8Array(0);

export class EncodedStorage implements Storage {
  readonly #store: ByteStore;
  readonly #replicas: number;

  constructor(options: { readonly store: ByteStore /** N. */; readonly replicas: number }) {
    this.#store = options.store;
    this.#replicas = options.replicas;
  }

  async *records(): AsyncIterable<InstanceRecord> {
    let record: InstanceRecord | null = null; // held back until it is known whether its mark follows
    for await (const [key, value] of this.#store.entries(INSTANCE_RANGE)) {
      const place = parseInstanceKey(key);
      if (!place) throw this.#unreadable('an instance', `its key is ${Buffer.from(key).toString('hex')}`);
      const name = formatInstance(place.id);
      if (place.executed) {
        record = this.#markExecuted(name, record);
        continue;
      }
      if (record !== null) yield record;
      record = this.#read(`instance ${name}`, () => decodeRecord(value, { replicas: this.#replicas }));
      if (formatInstance(record.id) !== name) {
        throw this.#unreadable(`instance ${name}`, `it holds the record of ${formatInstance(record.id)}`);
      }
    }
    if (record !== null) yield record;
  }

  async writeRecords(records: readonly InstanceRecord[], options: { readonly sync: boolean }): Promise<void> {
    await this.#write(
      records.map((record) => ({ key: recordKey(record.id), value: encodeRecord(record) })),
      options,
    );
  }

  async writeEffects(effects: Effects): Promise<void> {
    const writes: ByteWrite[] = [];
    for (const { key, row } of effects.rows) {
      writes.push({ key: rowKey(key), value: row && encodeRow(row) });
    }
    for (const { request, result } of effects.answers) {
      writes.push({ key: answerKey(request), value: encodeAnswer(result) });
    }
    for (const id of effects.executed) {
      writes.push({ key: executedKey(id), value: NOTHING });
    }
    await this.#write(writes, { sync: false });
  }

  row(key: string): Row | undefined {
    const bytes = this.#store.get(rowKey(key));
    return bytes && this.#readRow(key, bytes);
  }

  async *rows(range: {
    readonly start: string | null;
    readonly end: string | null;
  }): AsyncIterable<readonly [key: string, row: Row]> {
    for await (const [place, bytes] of this.#store.entries(rowRange(range))) {
      const key = parseRowKey(place);
      yield [key, this.#readRow(key, bytes)];
    }
  }

  async *answers(): AsyncIterable<Answer> {
    for await (const [key, bytes] of this.#store.entries(ANSWER_RANGE)) {
      const request = parseAnswerKey(key);
      if (!request) throw this.#unreadable('an answer', `its key is ${Buffer.from(key).toString('hex')}`);
      yield { request, result: this.#read('an answer', () => decodeAnswer(bytes)) };
    }
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  async #write(writes: readonly ByteWrite[], options: { readonly sync: boolean }): Promise<void> {
    if (writes.length > 0) await this.#store.write(writes, options);
  }

  /** The record of the instance whose mark was met, if it is the one that came right before. */
  #markExecuted(name: string, record: InstanceRecord | null): InstanceRecord {
    // Going on without would execute the instance a second time.
    if (record === null || formatInstance(record.id) !== name || record.status !== Status.committed) {
      throw this.#unreadable(`instance ${name}`, 'it is marked executed without being committed');
    }
    return { ...record, status: Status.executed };
  }

  #readRow(key: string, bytes: Uint8Array): Row {
    return this.#read(`the row of key ${JSON.stringify(key)}`, () => decodeRow(bytes));
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
