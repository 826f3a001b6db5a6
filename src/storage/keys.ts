/**
 * The layout of a store. Keys are bytes and ordered as bytes; numbers in them are big-endian and of fixed
 * width, so that their order is the order of the numbers. The first byte says what an entry is:
 *
 * | first byte | rest of the key                           | value                                        |
 * | ---------- | ----------------------------------------- | -------------------------------------------- |
 * | 0          |                                           | StoredIdentity                               |
 * | 1          | epoch (1), replica (1), slot (8), 0       | InstanceRecord without its command; `executed` stored as committed |
 * | 1          | epoch (1), replica (1), slot (8), 1       | empty: the instance is executed              |
 * | 1          | epoch (1), replica (1), slot (8), 2       | Command                                      |
 * | 2          | generation (8), client id (16), page (8)  | StoredAnswers                                |
 * | 3          | bucket (1), the key's bytes               | StoredRow                                    |
 * | 4          | number of a batch (8)                     | empty; LevelDB only (level-byte-store.ts)    |
 * | 5          | epoch (1)                                 | Pruned                                       |
 * | 6          | replica (1 byte)                          | StoredPeer                                   |
 * | 7          |                                           | StoredStaging                                |
 * | 8          | a key with first byte 1, 2, 3 or 12       | its value, of another replica's snapshot     |
 * | 9          | epoch (1)                                 | StoredReservation                            |
 * | 10         | a key with first byte 1                   | its value, of a no-op that was pruned while a snapshot was copied |
 * | 11         | offset (8)                                | a piece of the value of an entry of another replica's snapshot |
 * | 12         |                                           | StoredGeneration                             |
 * | 13         |                                           | StoredRuns                                   |
 *
 * Epoch and bucket take one byte up to 239; first bytes from 240 on are kept for larger numbers, which take more. There is
 * one epoch as yet, and one bucket, that of the keys that are in none.
 *
 * The messages are in proto/epaxos/v1/instance.proto and storage.proto.
 */

import { FIRST_EPOCH, type InstanceId, type ReplicaId, type Slot } from '../epaxos/index.ts';
import type { AnswerPageId } from '../kv/index.ts';
import { asBuffer } from '../util/as-buffer.ts';
import { assert } from '../util/assert.ts';
import { CLIENT_ID_BYTES, keyToString } from '../wire/index.ts';
import type { ByteRange } from './byte-store.ts';

const Kind = {
  identity: 0,
  instance: 1,
  answers: 2,
  row: 3,
  batch: 4,
  pruned: 5,
  peer: 6,
  staging: 7,
  staged: 8,
  reservation: 9,
  prunedNoOp: 10,
  piece: 11,
  generation: 12,
  runs: 13,
} as const;
type Kind = (typeof Kind)[keyof typeof Kind];

const KIND_BYTES = 1;
const NUMBER_BYTES = 8;
const TWO_POW_32 = 2 ** 32;

const EPOCH_AT = KIND_BYTES;
const REPLICA_AT = EPOCH_AT + 1;
const SLOT_AT = REPLICA_AT + 1;
const PART_AT = SLOT_AT + NUMBER_BYTES;
const INSTANCE_KEY_BYTES = PART_AT + 1;

const BUCKET_AT = KIND_BYTES;
const ROW_KEY_AT = BUCKET_AT + 1;
/** In the place of a bucket: the keys that are in none. */
const NO_BUCKET = 0;

const GENERATION_AT = KIND_BYTES;
const CLIENT_AT = GENERATION_AT + NUMBER_BYTES;
const PAGE_AT = CLIENT_AT + CLIENT_ID_BYTES;
const PAGE_KEY_BYTES = PAGE_AT + NUMBER_BYTES;

function writeNumber(target: Buffer, value: number, at: number): void {
  target.writeUInt32BE(Math.floor(value / TWO_POW_32), at);
  target.writeUInt32BE(value % TWO_POW_32, at + 4);
}

function readNumber(source: Buffer, at: number): number {
  return source.readUInt32BE(at) * TWO_POW_32 + source.readUInt32BE(at + 4);
}

function rangeOf(kind: Kind): ByteRange {
  return { start: Buffer.from([kind]), end: Buffer.from([kind + 1]) };
}

/** Where the identity is. */
export const IDENTITY_KEY: Uint8Array = Buffer.from([Kind.identity]);
/** Where it is noted what was pruned. */
export const PRUNED_KEY: Uint8Array = Buffer.from([Kind.pruned, FIRST_EPOCH]);
/** Where it is noted which own slots are reserved. */
export const RESERVATION_KEY: Uint8Array = Buffer.from([Kind.reservation, FIRST_EPOCH]);
/** Where the present generation of request ids is noted. */
export const GENERATION_KEY: Uint8Array = Buffer.from([Kind.generation]);
/** Where its runs are noted (R6.13). */
export const RUNS_KEY: Uint8Array = Buffer.from([Kind.runs]);
/** Where it is noted how far the copy of a snapshot has come. */
export const STAGING_KEY: Uint8Array = Buffer.from([Kind.staging]);

/** All records, executed marks and commands: by replica, then by slot; of each instance in this order. */
export const INSTANCE_RANGE: ByteRange = rangeOf(Kind.instance);
/** All answers. */
export const ANSWERS_RANGE: ByteRange = rangeOf(Kind.answers);
/** All rows of the table. */
export const ROW_RANGE: ByteRange = rangeOf(Kind.row);
/** The present generation alone. */
export const GENERATION_RANGE: ByteRange = rangeOf(Kind.generation);
/** All entries of another replica's snapshot. */
export const STAGED_RANGE: ByteRange = rangeOf(Kind.staged);
/** All pieces of an entry of another replica's snapshot. */
export const PIECE_RANGE: ByteRange = rangeOf(Kind.piece);
/** All no-ops that were pruned while a snapshot was copied. */
export const PRUNED_NO_OP_RANGE: ByteRange = rangeOf(Kind.prunedNoOp);
/** Every key there can be. */
export const ALL_KEYS: ByteRange = { start: Buffer.from([Kind.identity]), end: Buffer.from([0xff]) };
/** The few entries on which all else depends (pinned-store.ts). */
export const PINNED_RANGES: readonly ByteRange[] = [
  rangeOf(Kind.identity),
  rangeOf(Kind.pruned),
  rangeOf(Kind.peer),
  rangeOf(Kind.staging),
  rangeOf(Kind.reservation),
  rangeOf(Kind.runs),
  GENERATION_RANGE,
];
/** All numbers of batches. */
export const BATCH_RANGE: ByteRange = rangeOf(Kind.batch);

/** The parts of an instance, in the order of their keys. */
const PARTS = ['record', 'executed', 'command'] as const;
type Part = (typeof PARTS)[number];

function instanceKey(id: InstanceId, part: Part): Buffer {
  const key = Buffer.allocUnsafe(INSTANCE_KEY_BYTES);
  key[0] = Kind.instance;
  key[EPOCH_AT] = FIRST_EPOCH;
  key[REPLICA_AT] = id.replica;
  writeNumber(key, id.slot, SLOT_AT);
  key[PART_AT] = PARTS.indexOf(part);
  return key;
}

/** Where an instance's record is. */
export function recordKey(id: InstanceId): Buffer {
  return instanceKey(id, 'record');
}

/** Where it is marked that an instance was executed. */
export function executedKey(id: InstanceId): Buffer {
  return instanceKey(id, 'executed');
}

/** Where an instance's command is. */
export function commandKey(id: InstanceId): Buffer {
  return instanceKey(id, 'command');
}

/** What a key of {@link INSTANCE_RANGE} stands for; undefined if it is none that this program writes. */
export function parseInstanceKey(
  bytes: Uint8Array,
): { readonly id: InstanceId; readonly part: Part } | undefined {
  const key = asBuffer(bytes);
  const part = PARTS[key[PART_AT] ?? PARTS.length];
  if (key.length !== INSTANCE_KEY_BYTES || part === undefined) return undefined;
  if (key[EPOCH_AT] !== FIRST_EPOCH) return undefined;
  return { id: { replica: key.readUInt8(REPLICA_AT), slot: readNumber(key, SLOT_AT) }, part };
}

/** Whether an instance's record is there. */
export function isRecordKey(key: Uint8Array): boolean {
  return kindOf(key) === 'instance' && parseInstanceKey(key)?.part === 'record';
}

/** All parts of the instances in the slots `from` to `to`, both included, of one replica. */
export function slotRange(slots: {
  readonly replica: ReplicaId;
  readonly from: Slot;
  readonly to: Slot;
}): ByteRange {
  const { replica, from, to } = slots;
  return { start: recordKey({ replica, slot: from }), end: recordKey({ replica, slot: to + 1 }) };
}

/** The pages of answers of every generation from this one on. */
export function answersFrom(generation: number): ByteRange {
  return { start: answersStart(generation), end: ANSWERS_RANGE.end };
}

/** The pages of answers of every generation before this one. */
export function answersBefore(generation: number): ByteRange {
  return { start: ANSWERS_RANGE.start, end: answersStart(generation) };
}

function answersStart(generation: number): Buffer {
  const key = Buffer.allocUnsafe(CLIENT_AT);
  key[0] = Kind.answers;
  writeNumber(key, generation, GENERATION_AT);
  return key;
}

/** Where a page of answers is. */
export function answersKey({ generation, client, number }: AnswerPageId): Buffer {
  assert(client.length === CLIENT_ID_BYTES, `a client id has ${CLIENT_ID_BYTES} bytes`);
  const key = Buffer.allocUnsafe(PAGE_KEY_BYTES);
  key[0] = Kind.answers;
  writeNumber(key, generation, GENERATION_AT);
  key.write(client, CLIENT_AT, 'latin1');
  writeNumber(key, number, PAGE_AT);
  return key;
}

/** What a key of {@link ANSWERS_RANGE} stands for; undefined if it is none that this program writes. */
export function parseAnswersKey(bytes: Uint8Array): AnswerPageId | undefined {
  const key = asBuffer(bytes);
  if (key.length !== PAGE_KEY_BYTES) return undefined;
  return {
    generation: readNumber(key, GENERATION_AT),
    client: keyToString(key.subarray(CLIENT_AT, PAGE_AT)),
    number: readNumber(key, PAGE_AT),
  };
}

/** Where a peer is remembered. */
export function peerKey(peer: ReplicaId): Buffer {
  return Buffer.from([Kind.peer, peer]);
}

/** Whether the key is in one of {@link PINNED_RANGES}. */
export function isPinned(key: Uint8Array): boolean {
  switch (key[0]) {
    case Kind.identity:
    case Kind.pruned:
    case Kind.peer:
    case Kind.staging:
    case Kind.reservation:
    case Kind.generation:
    case Kind.runs:
      return true;
    default:
      return false;
  }
}

/** What a key is the key of; undefined if it is none that a snapshot may hold. */
export function kindOf(key: Uint8Array): 'instance' | 'answers' | 'row' | 'generation' | undefined {
  switch (key[0]) {
    case Kind.instance:
      return 'instance';
    case Kind.answers:
      return 'answers';
    case Kind.row:
      return 'row';
    case Kind.generation:
      return key.length === KIND_BYTES ? 'generation' : undefined;
    default:
      return undefined;
  }
}

/** Where the entry of that key lies while a snapshot is being copied. */
export function stagedKey(key: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([Kind.staged]), key]);
}

/** Where the entry of that key is kept when its instance, a no-op, is pruned while a snapshot is being copied. */
export function prunedNoOpKey(key: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([Kind.prunedNoOp]), key]);
}

/** The key of the entry that lies at a {@link stagedKey} or a {@link prunedNoOpKey}. */
export function innerKey(key: Uint8Array): Uint8Array {
  return key.subarray(KIND_BYTES);
}

/** The first key after this one. */
export function after(key: Uint8Array): Buffer {
  return Buffer.concat([key, Buffer.alloc(1)]);
}

/** Where the row of a key (a binary string) is. */
export function rowKey(key: string): Buffer {
  const bytes = Buffer.allocUnsafe(ROW_KEY_AT + key.length);
  bytes[0] = Kind.row;
  bytes[BUCKET_AT] = NO_BUCKET;
  bytes.write(key, ROW_KEY_AT, 'latin1');
  return bytes;
}

/** The key (a binary string) whose row is there; undefined if it is in a bucket, of which there are none as yet. */
export function parseRowKey(bytes: Uint8Array): string | undefined {
  return bytes[BUCKET_AT] === NO_BUCKET ? keyToString(bytes.subarray(ROW_KEY_AT)) : undefined;
}

/** Where the number of a batch is noted. */
export function batchKey(number: number): Buffer {
  return numberedKey(Kind.batch, number);
}

/** Where the piece lies that begins at this byte of the value. */
export function pieceKey(offset: number): Buffer {
  return numberedKey(Kind.piece, offset);
}

function numberedKey(kind: Kind, number: number): Buffer {
  const key = Buffer.allocUnsafe(KIND_BYTES + NUMBER_BYTES);
  key[0] = kind;
  writeNumber(key, number, KIND_BYTES);
  return key;
}

/** The number of the batch noted there. */
export function parseBatchKey(bytes: Uint8Array): number {
  return readNumber(asBuffer(bytes), KIND_BYTES);
}
