/**
 * The layout of a store. Keys are bytes and ordered as bytes; numbers in them are big-endian and of fixed
 * width, so that their order is the order of the numbers. The first byte says what an entry is:
 *
 * | first byte | rest of the key                           | value                                        |
 * | ---------- | ----------------------------------------- | -------------------------------------------- |
 * | 0          |                                           | StoredIdentity                               |
 * | 1          | replica (1 byte), slot (8), 0             | InstanceRecord; `executed` stored as committed |
 * | 1          | replica (1 byte), slot (8), 1             | empty: the instance is executed              |
 * | 2          | client id (16), sequence (8)              | StoredAnswer                                 |
 * | 3          | the key's bytes                           | StoredRow                                    |
 * | 4          | number of a batch (8)                     | empty; LevelDB only (level-byte-store.ts)    |
 *
 * The messages are in proto/epaxos/v1/instance.proto and storage.proto.
 */
import { CLIENT_ID_BYTES, keyToBytes, keyToString } from '../codec/index.ts';
import type { InstanceId } from '../epaxos/index.ts';
import type { RequestId } from '../kv/index.ts';
import { assert } from '../util/assert.ts';
import type { ByteRange } from './byte-store.ts';

const Kind = { identity: 0, instance: 1, answer: 2, row: 3, batch: 4 } as const;
type Kind = (typeof Kind)[keyof typeof Kind];

const KIND_BYTES = 1;
const NUMBER_BYTES = 8;
const TWO_POW_32 = 2 ** 32;

const REPLICA_AT = KIND_BYTES;
const SLOT_AT = REPLICA_AT + 1;
const MARK_AT = SLOT_AT + NUMBER_BYTES;
const INSTANCE_KEY_BYTES = MARK_AT + 1;

const CLIENT_AT = KIND_BYTES;
const SEQUENCE_AT = CLIENT_AT + CLIENT_ID_BYTES;
const ANSWER_KEY_BYTES = SEQUENCE_AT + NUMBER_BYTES;

function writeNumber(target: Buffer, value: number, at: number): void {
  target.writeUInt32BE(Math.floor(value / TWO_POW_32), at);
  target.writeUInt32BE(value % TWO_POW_32, at + 4);
}

function readNumber(source: Buffer, at: number): number {
  return source.readUInt32BE(at) * TWO_POW_32 + source.readUInt32BE(at + 4);
}

function asBuffer(key: Uint8Array): Buffer {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength);
}

function rangeOf(kind: Kind): ByteRange {
  return { start: Buffer.from([kind]), end: Buffer.from([kind + 1]) };
}

/** Where the identity is. */
export const IDENTITY_KEY: Uint8Array = Buffer.from([Kind.identity]);

/** All records and executed marks: by replica, then by slot, each mark right behind its record. */
export const INSTANCE_RANGE: ByteRange = rangeOf(Kind.instance);
/** All answers. */
export const ANSWER_RANGE: ByteRange = rangeOf(Kind.answer);
/** All numbers of batches. */
export const BATCH_RANGE: ByteRange = rangeOf(Kind.batch);

function instanceKey(id: InstanceId, mark: 0 | 1): Buffer {
  const key = Buffer.allocUnsafe(INSTANCE_KEY_BYTES);
  key[0] = Kind.instance;
  key[REPLICA_AT] = id.replica;
  writeNumber(key, id.slot, SLOT_AT);
  key[MARK_AT] = mark;
  return key;
}

/** Where an instance's record is. */
export function recordKey(id: InstanceId): Buffer {
  return instanceKey(id, 0);
}

/** Where it is marked that an instance was executed. */
export function executedKey(id: InstanceId): Buffer {
  return instanceKey(id, 1);
}

/** What a key of {@link INSTANCE_RANGE} stands for; undefined if it is none that this program writes. */
export function parseInstanceKey(
  bytes: Uint8Array,
): { readonly id: InstanceId; readonly executed: boolean } | undefined {
  const key = asBuffer(bytes);
  const mark = key[MARK_AT];
  if (key.length !== INSTANCE_KEY_BYTES || (mark !== 0 && mark !== 1)) return undefined;
  const id = { replica: key.readUInt8(REPLICA_AT), slot: readNumber(key, SLOT_AT) };
  return { id, executed: mark === 1 };
}

/** Where the answer of a request is. */
export function answerKey(request: RequestId): Buffer {
  const client = keyToBytes(request.client);
  assert(client.length === CLIENT_ID_BYTES, `a client id has ${CLIENT_ID_BYTES} bytes`);
  const key = Buffer.allocUnsafe(ANSWER_KEY_BYTES);
  key[0] = Kind.answer;
  key.set(client, CLIENT_AT);
  writeNumber(key, request.sequence, SEQUENCE_AT);
  return key;
}

/** The request of a key of {@link ANSWER_RANGE}; undefined if it is none that this program writes. */
export function parseAnswerKey(bytes: Uint8Array): RequestId | undefined {
  const key = asBuffer(bytes);
  if (key.length !== ANSWER_KEY_BYTES) return undefined;
  const client = keyToString(key.subarray(CLIENT_AT, SEQUENCE_AT));
  return { client, sequence: readNumber(key, SEQUENCE_AT) };
}

/** Where the row of a key (a binary string) is. */
export function rowKey(key: string): Buffer {
  const bytes = Buffer.allocUnsafe(KIND_BYTES + key.length);
  bytes[0] = Kind.row;
  bytes.write(key, KIND_BYTES, 'latin1');
  return bytes;
}

/** The key (a binary string) whose row is there. */
export function parseRowKey(bytes: Uint8Array): string {
  return keyToString(bytes.subarray(KIND_BYTES));
}

/** Rows from `start` (included) to `end` (excluded), both binary strings; null for no bound. */
export function rowRange(bounds: { readonly start: string | null; readonly end: string | null }): ByteRange {
  const all = rangeOf(Kind.row);
  return {
    start: bounds.start === null ? all.start : rowKey(bounds.start),
    end: bounds.end === null ? all.end : rowKey(bounds.end),
  };
}

/** Where the number of a batch is noted. */
export function batchKey(number: number): Buffer {
  const key = Buffer.allocUnsafe(KIND_BYTES + NUMBER_BYTES);
  key[0] = Kind.batch;
  writeNumber(key, number, KIND_BYTES);
  return key;
}

/** The number of the batch noted there. */
export function parseBatchKey(bytes: Uint8Array): number {
  return readNumber(asBuffer(bytes), KIND_BYTES);
}
