/**
 * Operations as bytes. An operation is encoded once, where the client's request comes in or by the client
 * itself; from there on those very bytes are passed from replica to replica and stored, and everything else
 * is read from them. Reading is by hand: it is done for every operation on every replica.
 */
import type { Access } from '../../epaxos/index.ts';
import type { AdvanceOperation, KindName, KvOperation, RequestId } from '../../kv/index.ts';
import { asBuffer } from '../../util/as-buffer.ts';
import { type Extent, WireReader } from '../protobuf.ts';
import { BODIES, type Body } from './bodies.ts';
import { type BodyTags, TAGS } from './fields.ts';
import { checkKeyBytes, checkRequestName, checkValueBytes, refuse } from './operation-checks.ts';
import { encodeAdvance } from './operation-encoder.ts';

/** Bytes as a binary string: one character (0–255) a byte, so that string order is byte order. */
export function keyToString(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1');
}

/** The inverse of {@link keyToString}; the result is a fresh buffer. */
export function keyToBytes(key: string): Buffer {
  return Buffer.from(key, 'latin1');
}

/**
 * The operation that ends a generation (R7.12).
 * @param generation ≥ 1
 */
export function advanceOperation(generation: number): AdvanceOperation {
  return decodeOperation(encodeAdvance(generation)) as AdvanceOperation;
}

/**
 * The operation that `bytes` hold, or a part of them: its fields in any order, those that are not known skipped; of a
 * field that comes twice the last one counts. The operation keeps `bytes`, and what it gives are views of them: the
 * caller hands the buffer over and must not change it.
 * @throws KvError invalidArgument if the bytes are no operation, limitExceeded over kv's LIMITS
 */
export function decodeOperation(
  bytes: Uint8Array,
  extent: Extent = { start: 0, end: bytes.length },
): KvOperation {
  return new DecodedOperation(asBuffer(bytes), extent).whole();
}

/**
 * An operation in the bytes that it came in. There are very many of them, and most live until they are executed: so
 * each is one small object, which makes whatever else is asked for when it is asked for it. Of what has a reader of its own
 * it reads no more than the request, and where the rest is.
 */
class DecodedOperation implements Access {
  readonly #body: Body;
  /** It touches one key, and so is itself the only access. */
  readonly #accesses: readonly Access[] = [this];
  key = '';
  returnPrevious = false;
  unrecorded = false;
  readonly request: RequestId;
  readonly source: Buffer;
  readonly #start: number;
  readonly #end: number;
  /** Of the value; of what has a reader of its own, of its body. */
  valueStart = 0;
  valueEnd = 0;

  constructor(source: Buffer, extent: Extent) {
    this.source = source;
    this.#start = extent.start;
    this.#end = extent.end;
    const reader = new WireReader(source, 'Operation', extent);
    let request: RequestId | null = null;
    let body: Body | null = null;
    while (!reader.isDone) {
      const tag = reader.varint();
      if (tag === TAGS.request) {
        request = readRequest(reader);
        continue;
      }
      const found = BODIES[tag];
      if (found === undefined) {
        reader.skip(tag);
        continue;
      }
      if (body !== null && body !== found) {
        throw refuse('invalidArgument', 'the operation is of more than one kind');
      }
      body = found;
      if (found.fields !== null) this.#readBody(reader, found.fields);
      else this.#readValue(reader);
    }
    if (request === null) throw refuse('invalidArgument', 'the operation names no request');
    checkRequestName(request.client.length, request);
    this.request = request;
    if (body === null) throw refuse('invalidArgument', 'the operation is of no known kind');
    this.#body = body;
    if (body.fields === null) return;
    checkKeyBytes(this.key.length);
    checkValueBytes(this.valueEnd - this.valueStart);
  }

  /** The operation itself; or, if its kind has a reader of its own, what that makes of it. */
  whole(): KvOperation {
    const { make } = this.#body;
    if (make === null) return this as unknown as KvOperation;
    return make({ request: this.request, bytes: this.bytes, body: this.value });
  }

  get kind(): KindName {
    return this.#body.kind;
  }

  get accesses(): readonly Access[] {
    return this.#accesses;
  }

  get writes(): boolean {
    return this.#body.writes;
  }

  get size(): number {
    return this.#end - this.#start;
  }

  get bytes(): Buffer {
    return this.source.subarray(this.#start, this.#end);
  }

  get value(): Buffer {
    return this.source.subarray(this.valueStart, this.valueEnd);
  }

  /** Reads what touches one key; of several the last one counts. */
  #readBody(reader: WireReader, tags: BodyTags): void {
    this.key = '';
    this.valueStart = 0;
    this.valueEnd = 0;
    this.returnPrevious = false;
    this.unrecorded = false;
    const outer = reader.enter();
    while (!reader.isDone) {
      const tag = reader.varint();
      if (tag === TAGS.key) {
        this.key = reader.text('latin1');
      } else if (tag === tags.value) {
        this.#readValue(reader);
      } else if (tag === tags.returnPrevious) {
        this.returnPrevious = reader.bool();
      } else if (tag === tags.unrecorded) {
        this.unrecorded = reader.bool();
      } else {
        reader.skip(tag);
      }
    }
    reader.leave(outer);
  }

  #readValue(reader: WireReader): void {
    const { start, end } = reader.extent();
    this.valueStart = start;
    this.valueEnd = end;
  }
}

function readRequest(reader: WireReader): RequestId {
  let client = '';
  let sequence = 0;
  let generation = 0;
  const outer = reader.enter();
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === TAGS.requestId.client) client = reader.recurringText();
    else if (tag === TAGS.requestId.sequence) sequence = reader.varint();
    else if (tag === TAGS.requestId.generation) generation = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { client, sequence, generation };
}
