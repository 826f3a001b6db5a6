/** Operations: round trips, limits, and refusal of everything else. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isRecorded, isWrite, type KvOperation, LIMITS } from '../../../src/kv/index.ts';
import {
  decodeOperation,
  encodeDelete,
  encodeGet,
  encodePut,
  keyToBytes,
  keyToString,
  messageCodec,
} from '../../../src/wire/index.ts';
import { deleteOperation, getOperation, putOperation } from '../../support/kv-operations.ts';
import { codeOf, decodesOrRefuses } from '../../support/refusals.ts';
import { anyKey, anyOperation, anyRequest, anySequence } from '../arbitraries.ts';

const request = { client: 'c'.repeat(16), sequence: 1, generation: 1 };
const key = Buffer.from('key');
const value = Buffer.from('value');

/** All that an operation says. */
function fieldsOf(operation: KvOperation): object {
  const { kind, request, key, size } = operation;
  const common = { kind, request, key, size, bytes: Buffer.from(operation.bytes), ...touches(operation) };
  if (operation.kind === 'multiGet') return { ...common, keys: operation.keys };
  if (!isWrite(operation)) return common;
  const { returnPrevious, unrecorded } = operation;
  const value = operation.kind === 'put' ? Buffer.from(operation.value) : null;
  return { ...common, returnPrevious, unrecorded, value };
}

function touches({ accesses }: KvOperation): object {
  return { accesses: accesses.map(({ key, writes }) => ({ key, writes })) };
}

describe('operations', () => {
  test('what was encoded is decoded, and carries the very bytes it came from', () => {
    fc.assert(
      fc.property(anyOperation, (operation) => {
        const { bytes } = operation;
        const decoded = decodeOperation(bytes);
        expect(fieldsOf(decoded)).toEqual(fieldsOf(operation));
        expect(decoded.bytes.buffer).toBe(bytes.buffer);
        expect(decoded.bytes).toEqual(bytes);
        expect(decoded.size).toBe(bytes.length);
      }),
    );
  });

  test('a part of some bytes is decoded where it is', () => {
    fc.assert(
      fc.property(anyOperation, fc.nat(10), fc.nat(10), (operation, before, behind) => {
        const all = Buffer.concat([Buffer.alloc(before, 255), operation.bytes, Buffer.alloc(behind, 255)]);
        const decoded = decodeOperation(all, { start: before, end: before + operation.size });
        expect(fieldsOf(decoded)).toEqual(fieldsOf(operation));
        expect(decoded.bytes.buffer).toBe(all.buffer);
      }),
    );
  });

  test('each kind says what it touches', () => {
    fc.assert(
      fc.property(anyRequest, anyKey, fc.boolean(), (request, bytes, returnPrevious) => {
        const key = keyToString(bytes);
        const common = { request, key: bytes };
        const put = putOperation({ ...common, value, returnPrevious });
        expect(put).toMatchObject({ kind: 'put', request, key, returnPrevious });
        expect(touches(put)).toEqual({ accesses: [{ key, writes: true }] });
        const get = getOperation(common);
        expect(get).toMatchObject({ kind: 'get', request, key });
        expect(touches(get)).toEqual({ accesses: [{ key, writes: false }] });
        const remove = deleteOperation({ ...common, returnPrevious });
        expect(remove).toMatchObject({ kind: 'delete', request, key, returnPrevious });
        expect(touches(remove)).toEqual({ accesses: [{ key, writes: true }] });
      }),
    );
  });

  test('whether the answer of a write is kept stands in its bytes; it is, unless said otherwise', () => {
    const fields = { request, key, value, returnPrevious: false };
    for (const write of [putOperation, deleteOperation]) {
      expect(decodeOperation(write(fields).bytes)).toMatchObject({ unrecorded: false });
      expect(decodeOperation(write({ ...fields, unrecorded: true }).bytes)).toMatchObject({
        unrecorded: true,
      });
    }
    expect(isRecorded(putOperation(fields))).toBe(true);
    expect(isRecorded(deleteOperation({ ...fields, unrecorded: true }))).toBe(false);
    expect(isRecorded(getOperation({ request, key }))).toBe(false);
  });

  test('keys are binary strings whose order is the order of the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (left, right) => {
        expect([...keyToBytes(keyToString(left))]).toEqual([...left]);
        const [a, b] = [keyToString(left), keyToString(right)];
        expect(a < b ? -1 : a > b ? 1 : 0).toBe(Buffer.compare(left, right));
      }),
    );
  });

  test('an operation does not change with the buffers it was made of', () => {
    const changing = { key: Buffer.from('key'), value: Buffer.from('value') };
    const operation = putOperation({ request, ...changing, returnPrevious: false });
    changing.key.fill(0);
    changing.value.fill(0);
    expect(operation.key).toBe('key');
    expect(Buffer.from(operation.value).toString()).toBe('value');
    expect(fieldsOf(decodeOperation(operation.bytes))).toEqual(fieldsOf(operation));
  });

  test('keys and values may be as long as the limits say, and no longer', () => {
    const put = (keyBytes: number, valueBytes: number) => () =>
      putOperation({
        request,
        key: new Uint8Array(keyBytes),
        value: new Uint8Array(valueBytes),
        returnPrevious: true,
      });
    expect(codeOf(put(LIMITS.keyBytes, LIMITS.valueBytes))).toBe('none');
    expect(codeOf(put(LIMITS.keyBytes + 1, 0))).toBe('limitExceeded');
    expect(codeOf(put(1, LIMITS.valueBytes + 1))).toBe('limitExceeded');
    expect(codeOf(put(0, 1))).toBe('invalidArgument');
    const long = new Uint8Array(LIMITS.keyBytes + 1);
    expect(codeOf(() => getOperation({ request, key: long }))).toBe('limitExceeded');
    expect(codeOf(() => getOperation({ request, key: new Uint8Array(0) }))).toBe('invalidArgument');
    expect(codeOf(() => deleteOperation({ request, key: long, returnPrevious: false }))).toBe(
      'limitExceeded',
    );
  });

  test.each([
    ['a short client id', { client: 'c'.repeat(15), sequence: 1, generation: 1 }],
    ['a long client id', { client: 'c'.repeat(17), sequence: 1, generation: 1 }],
    ['no client id', { client: '', sequence: 1, generation: 1 }],
    ['sequence 0', { client: request.client, sequence: 0, generation: 1 }],
    ['a negative sequence', { client: request.client, sequence: -1, generation: 1 }],
    ['a fraction as sequence', { client: request.client, sequence: 1.5, generation: 1 }],
    ['a sequence of 2^53', { client: request.client, sequence: 2 ** 53, generation: 1 }],
    ['a sequence that is no number', { client: request.client, sequence: Number.NaN, generation: 1 }],
  ])('%s is refused', (_what, bad) => {
    expect(codeOf(() => putOperation({ request: bad, key, value, returnPrevious: false }))).toBe(
      'invalidArgument',
    );
    expect(codeOf(() => getOperation({ request: bad, key }))).toBe('invalidArgument');
  });

  const wire = messageCodec<object>('Operation');
  const client = Buffer.alloc(16, 1);
  test.each([
    ['nothing', {}, 'invalidArgument'],
    ['no request', { get: { key } }, 'invalidArgument'],
    ['no kind', { request: { client, sequence: 1, generation: 1 } }, 'invalidArgument'],
    [
      'two kinds',
      {
        request: { client, sequence: 1, generation: 1 },
        get: { key },
        delete: { key, returnPrevious: false },
      },
      'invalidArgument',
    ],
    ['no key', { request: { client, sequence: 1, generation: 1 }, get: {} }, 'invalidArgument'],
    ['no sequence', { request: { client }, get: { key } }, 'invalidArgument'],
    [
      'a short client',
      { request: { client: client.subarray(1), sequence: 1, generation: 1 }, get: { key } },
      'invalidArgument',
    ],
    [
      'an unsafe sequence',
      { request: { client, sequence: 2 ** 60, generation: 1 }, get: { key } },
      'invalidArgument',
    ],
    [
      'a long key',
      { request: { client, sequence: 1, generation: 1 }, get: { key: new Uint8Array(LIMITS.keyBytes + 1) } },
      'limitExceeded',
    ],
    [
      'a long value',
      {
        request: { client, sequence: 1, generation: 1 },
        put: { key, value: new Uint8Array(LIMITS.valueBytes + 1) },
      },
      'limitExceeded',
    ],
  ])('bytes with %s are refused', (_what, message, code) => {
    expect(codeOf(() => decodeOperation(wire.encode(message)))).toBe(code);
  });

  test('a put without a value sets the empty value', () => {
    const bytes = wire.encode({ request: { client, sequence: 1, generation: 1 }, put: { key } });
    expect(decodeOperation(bytes)).toMatchObject({
      kind: 'put',
      value: Buffer.alloc(0),
      returnPrevious: false,
    });
  });

  test('every cut of an operation is refused', () => {
    const { bytes } = putOperation({ request, key, value, returnPrevious: true });
    for (let length = 0; length < bytes.length; length++) {
      expect(
        codeOf(() => decodeOperation(bytes.subarray(0, length))),
        `${length} bytes`,
      ).toBe('invalidArgument');
    }
  });

  test('any bytes at all, and operations with some bytes changed, are decoded or refused', () => {
    decodesOrRefuses(
      decodeOperation,
      anyOperation.map(({ bytes }) => bytes),
    );
  });
});

interface WireOperation {
  readonly request: {
    readonly client: Uint8Array;
    readonly sequence: number;
    readonly generation: number;
  } | null;
  readonly put: WireWrite | null;
  readonly get: { readonly key: Uint8Array } | null;
  readonly delete: WireWrite | null;
}

interface WireWrite {
  readonly key: Uint8Array;
  readonly value?: Uint8Array;
  readonly returnPrevious: boolean;
  readonly unrecorded: boolean;
}

describe('beside protobuf’s own reader and writer', () => {
  const wire = messageCodec<Partial<WireOperation>>('Operation');
  const anyClient = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));
  const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  const anyKeyBytes = anyKey.map((bytes) => Buffer.from(bytes));
  const anyWrite = fc.record({
    client: anyClient,
    sequence: anySequence,
    generation: fc.oneof(fc.constant(0), anySequence),
    key: anyKeyBytes,
    value: anyBytes,
    returnPrevious: fc.boolean(),
    unrecorded: fc.boolean(),
  });

  /** What protobuf reads from an operation that was checked. */
  function readByProtobuf(bytes: Uint8Array): object {
    const { request, put, get, delete: remove } = wire.decode(bytes);
    const name = {
      request: {
        client: keyToString(request?.client ?? key),
        sequence: request?.sequence,
        generation: request?.generation,
      },
    };
    if (get) return { kind: 'get', ...name, key: keyToString(get.key) };
    const write = put ?? remove;
    const { returnPrevious, unrecorded } = write ?? {};
    const common = { ...name, key: keyToString(write?.key ?? key), returnPrevious, unrecorded };
    return put
      ? { kind: 'put', ...common, value: Buffer.from(put.value ?? key) }
      : { kind: 'delete', ...common };
  }

  test('what is encoded here is read there', () => {
    fc.assert(
      fc.property(anyWrite, (write) => {
        const { client, sequence, generation, key, value, returnPrevious, unrecorded } = write;
        const name = {
          request: { client: keyToString(client), sequence, generation },
          key: keyToString(key),
        };
        const flags = { returnPrevious, unrecorded };
        expect(readByProtobuf(encodePut(write))).toEqual({ kind: 'put', ...name, ...flags, value });
        expect(readByProtobuf(encodeGet(write))).toEqual({ kind: 'get', ...name });
        expect(readByProtobuf(encodeDelete(write))).toEqual({ kind: 'delete', ...name, ...flags });
      }),
    );
  });

  test('what is encoded there is read here', () => {
    fc.assert(
      fc.property(anyWrite, (write) => {
        const { client, sequence, generation, key, value, returnPrevious, unrecorded } = write;
        const request = { client, sequence, generation };
        const body = { key, returnPrevious, unrecorded };
        for (const message of [{ put: { ...body, value } }, { get: { key } }, { delete: body }]) {
          const bytes = wire.encode({ request, ...message });
          expect(decodeOperation(bytes)).toMatchObject(readByProtobuf(bytes));
        }
      }),
    );
  });

  test('one operation has one encoding, whoever encodes it', () => {
    fc.assert(
      fc.property(anyWrite, (write) => {
        const fields = {
          ...write,
          request: {
            client: keyToString(write.client),
            sequence: write.sequence,
            generation: write.generation,
          },
        };
        expect(putOperation(fields).bytes).toEqual(encodePut(write));
        expect(getOperation(fields).bytes).toEqual(encodeGet(write));
        expect(deleteOperation(fields).bytes).toEqual(encodeDelete(write));
      }),
    );
  });

  /** A field as bytes: its number, and its content. */
  function field(number: number, content: number | Uint8Array): Buffer {
    if (typeof content === 'number') return Buffer.concat([varint(number << 3), varint(content)]);
    return Buffer.concat([varint((number << 3) | 2), varint(content.length), content]);
  }

  function varint(value: number): Buffer {
    const bytes: number[] = [];
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
    return Buffer.from([...bytes, rest]);
  }

  const unknownField = fc.oneof(
    fc
      .record({ number: fc.integer({ min: 7, max: 5_000 }), content: fc.oneof(fc.maxSafeNat(), anyBytes) })
      .map(({ number, content }) => field(number, content)),
    fc.constantFrom(Buffer.from([0x79, 1, 2, 3, 4, 5, 6, 7, 8]), Buffer.from([0x7d, 1, 2, 3, 4])),
    fc.constantFrom(Buffer.from([0x7b, 0x08, 0x01, 0x7b, 0x7c, 0x7c])),
  );

  /** These fields in any order, each perhaps twice, and others among them. */
  function inAnyOrder(...fields: readonly Buffer[]): fc.Arbitrary<Buffer> {
    return fc
      .tuple(
        fc.shuffledSubarray([...fields, ...fields], { minLength: fields.length }),
        fc.array(unknownField, { maxLength: 3 }),
        fc.nat(),
      )
      .map(([known, unknown, seed]) => {
        const all = [...known, ...fields];
        for (const one of unknown) all.splice(seed % (all.length + 1), 0, one);
        return Buffer.concat(all);
      });
  }

  const scrambled = anyWrite.chain((write) => {
    const { client, sequence, generation, key, value, returnPrevious, unrecorded } = write;
    const flags = { p: returnPrevious ? 1 : 0, u: unrecorded ? 1 : 0 };
    const put = inAnyOrder(field(1, key), field(2, value), field(3, flags.p), field(4, flags.u));
    const remove = inAnyOrder(field(1, key), field(2, flags.p), field(3, flags.u));
    return fc
      .tuple(
        inAnyOrder(field(1, client), field(2, sequence), field(3, generation)),
        fc.oneof(
          put.map((body) => field(2, body)),
          inAnyOrder(field(1, key)).map((body) => field(3, body)),
          remove.map((body) => field(4, body)),
        ),
      )
      .chain(([request, kind]) => inAnyOrder(field(1, request), kind));
  });

  test('the fields may come in any order and several times, with unknown ones among them', () => {
    fc.assert(
      fc.property(scrambled, (bytes) => {
        expect(decodeOperation(bytes)).toMatchObject(readByProtobuf(bytes));
      }),
      { numRuns: 1_000 },
    );
  });

  test('ids of clients that begin alike are told apart', () => {
    const clients = [0, 1, 2, 0].map((last) => Buffer.concat([Buffer.alloc(15, 5), Buffer.from([last])]));
    for (const client of clients) {
      const { request } = decodeOperation(encodeGet({ client, sequence: 1, key }));
      expect(request.client).toBe(keyToString(client));
    }
  });
});
