/**
 * Operations as bytes. An operation is encoded once, where the client's request comes in or by the client
 * itself; from there on those very bytes are passed from replica to replica and stored, and everything else
 * is read from them. Reading is by hand: it is done for every operation on every replica.
 */
import type { Access } from '../../epaxos/index.ts';
import type { AdvanceOperation, KvOperation, RequestId } from '../../kv/index.ts';
import { asBuffer } from '../../util/as-buffer.ts';
import { type Extent, WireReader } from '../protobuf.ts';
import { DecodedAdvance } from './advance.ts';
import { DecodedMultiGet } from './multi-get.ts';
import { checkKeyBytes, checkRequestName, checkValueBytes, refuse } from './operation-checks.ts';
import { type BodyTags, encodeAdvance, TAGS } from './operation-encoder.ts';

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
  const operation = new DecodedOperation(asBuffer(bytes), extent);
  if (operation.kind !== 'multiGet' && operation.kind !== 'advance') return operation as KvOperation;
  const parts = { request: operation.request, bytes: operation.bytes, body: operation.value };
  return operation.kind === 'multiGet' ? new DecodedMultiGet(parts) : new DecodedAdvance(parts);
}

/**
 * An operation in the bytes that it came in. There are very many of them, and most live until they are executed: so
 * each is one small object, which makes whatever else is asked for when it is asked for it. Of a multi-get, which is
 * not so small, and of an advance, which is rare, it reads no more than the request, and where the rest is.
 */
class DecodedOperation implements Access {
  readonly kind: KvOperation['kind'];
  /** It touches one key, and so is itself the only access. */
  readonly #accesses: readonly Access[] = [this];
  key = '';
  returnPrevious = false;
  unrecorded = false;
  #client = '';
  #sequence = 0;
  #generation = 0;
  readonly source: Buffer;
  readonly #start: number;
  readonly #end: number;
  /** Of the value; of a multi-get or an advance, of its body. */
  valueStart = 0;
  valueEnd = 0;

  constructor(source: Buffer, extent: Extent) {
    this.source = source;
    this.#start = extent.start;
    this.#end = extent.end;
    const reader = new WireReader(source, 'Operation', extent);
    let isNamed = false;
    let kind: KvOperation['kind'] | null = null;
    while (!reader.isDone) {
      const tag = reader.varint();
      if (tag === TAGS.request) {
        isNamed = true;
        this.#readRequest(reader);
        continue;
      }
      const found = kindOf(tag);
      if (found === null) {
        reader.skip(tag);
        continue;
      }
      if (kind !== null && kind !== found) {
        throw refuse('invalidArgument', 'the operation is of more than one kind');
      }
      kind = found;
      if (found === 'put') this.#readBody(reader, TAGS.ofPut);
      else if (found === 'get') this.#readBody(reader, TAGS.ofGet);
      else if (found === 'delete') this.#readBody(reader, TAGS.ofDelete);
      else this.#readValue(reader);
    }
    if (!isNamed) throw refuse('invalidArgument', 'the operation names no request');
    const name = { sequence: this.#sequence, generation: this.#generation };
    checkRequestName({ clientBytes: this.#client.length, ...name });
    if (kind === null) throw refuse('invalidArgument', 'the operation is of no known kind');
    this.kind = kind;
    if (kind === 'multiGet' || kind === 'advance') return;
    checkKeyBytes(this.key.length);
    checkValueBytes(this.valueEnd - this.valueStart);
  }

  get request(): RequestId {
    return { client: this.#client, sequence: this.#sequence, generation: this.#generation };
  }

  get accesses(): readonly Access[] {
    return this.#accesses;
  }

  get writes(): boolean {
    return this.kind !== 'get';
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

  #readRequest(reader: WireReader): void {
    this.#client = '';
    this.#sequence = 0;
    this.#generation = 0;
    const outer = reader.enter();
    while (!reader.isDone) {
      const tag = reader.varint();
      if (tag === TAGS.requestId.client) this.#client = reader.recurringText();
      else if (tag === TAGS.requestId.sequence) this.#sequence = reader.varint();
      else if (tag === TAGS.requestId.generation) this.#generation = reader.varint();
      else reader.skip(tag);
    }
    reader.leave(outer);
  }

  /** Reads the put, get or delete; of several the last one counts. */
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

/** What a field with that tag makes of an operation; null for nothing. */
function kindOf(tag: number): KvOperation['kind'] | null {
  switch (tag) {
    case TAGS.put:
      return 'put';
    case TAGS.get:
      return 'get';
    case TAGS.delete:
      return 'delete';
    case TAGS.multiGet:
      return 'multiGet';
    case TAGS.advance:
      return 'advance';
    default:
      return null;
  }
}
